"""Whatever a study holds, it is planned or refused with a message, within two seconds and without a large memory."""

import io
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from harness.driver import dry_run
from harness.errors import InputError, StudyError
from harness.study import parse_study

from .hostile import BASE, LAUGHS, mutated

SECONDS = 2.0
GIB = 2**30


@pytest.fixture(autouse=True)
def _little_memory() -> Iterator[None]:
    """At most 4 GiB of address space more than the process has."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if sys.platform == "linux" else 0
    if pages:
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 4 * GIB, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.fixture(scope="module", autouse=True)
def _imported(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The imports of methods, of Ray and of the training loops take seconds, which belong to no study."""
    (path := tmp_path_factory.mktemp("base") / "study.yaml").write_text(BASE)
    dry_run(path, None, None, [], Console(file=io.StringIO()), False)


def plan(text: str, folder: Path) -> str:
    """Plan a study. Returns the message if it is refused; fails if that takes long or ends otherwise."""
    path = folder / "study.yaml"
    path.write_bytes(text.encode("utf-8", errors="surrogatepass"))
    start, message = time.process_time(), ""
    try:
        dry_run(path, folder / "run", None, [], Console(file=io.StringIO()), False, 50_000)
    except InputError as error:
        message = str(error)
        assert message.strip()
    seconds = time.process_time() - start
    assert seconds < SECONDS, f"{seconds:.1f} s"
    assert not (folder / "run").exists()
    return message


@pytest.mark.parametrize("block", range(6))
def test_a_mutated_study_is_planned_or_refused(block: int, tmp_path: Path) -> None:
    check(range(10 * block, 10 * block + 10), tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("block", range(20))
def test_a_thousand_mutated_studies(block: int, tmp_path: Path) -> None:
    check(range(1000 + 50 * block, 1050 + 50 * block), tmp_path)


def check(numbers: range, folder: Path) -> None:
    for number in numbers:
        try:
            plan(mutated(number), folder)
        except BaseException as error:
            error.add_note(f"study {number}:\n{mutated(number)[:2000]}") if hasattr(error, "add_note") else None
            raise


def test_the_base_of_the_mutations_is_a_good_study(tmp_path: Path) -> None:
    assert plan(BASE, tmp_path) == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a [*a]", "study.yaml:1: *a is inside the value that it stands for"),
        (LAUGHS, "study.yaml:6: the text stands for more than 100,000 values"),
        (f"a: {'[' * 50}", "study.yaml:1: lists and mappings are nested more than 30 levels deep"),
        ("\na: " + "1" * 5000, "study.yaml:2: a number of more than 100 digits"),
        ("\na: " + "1" * 20, "study.yaml:2: the number 11111111111111111111 is too large"),
        ("a:\n  1: x\n  '1': y", "study.yaml:3: 1: the key is given twice"),
        ("~: 1", "study.yaml:1: None can't be a key: it is not text\n    put it in quotes"),
        ("? [a]\n: 1", "study.yaml:1: ('a',) can't be a key: it is not text"),
        ("title: 2020-01-01", "study.yaml:1: 2020-01-01 is a date, not text\n    put it in quotes"),
        ('\ntitle: "\\ud800"', "study.yaml:2: the text holds half of a surrogate pair"),
        ("a: " + "x" * 200_000, "study.yaml: the text is longer than 65,536 characters"),
    ],
)
def test_yaml_beyond_the_limits(text: str, message: str) -> None:
    with pytest.raises(StudyError) as caught:
        parse_study(text, Path("study.yaml"))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seeds: 2", "seeds: 1000000", "2 methods × 2 × (1,000,000 seeds + 2 draws × 1 of their seeds)"),
        ("trials: 2", "trials: 10000000", "(2 seeds + 10,000,000 draws × 1 of their seeds)"),
        (
            "{label_rate: [0.1, 0.2]}",
            "{label_rate: [0.1, 0.2], stage2.epochs: [" + ", ".join(map(str, range(1, 5001))) + "]}",
            "the study has 80,000 trials, and may have 50,000 (fantasy-device: 2 methods × 2 × 5,000 × (2 seeds",
        ),
        (
            "split: {test: [12], validation: [11]}",
            "folds: {test_subjects: 1, repeats: 1000000}",
            "2 methods × 2 × 1,000,000 ×",
        ),
        ("seeds: 2", "seeds: 1000000000", "1000000000 should be at most 1,000,000 seeds"),
        ("seconds: 20", "seconds: 99999", "12 series of 99,999 seconds are 1,199,988 seconds, and may be 200,000"),
        (
            "seconds: 20, window: 200, stride: 150",
            "seconds: 2000, window: 20000, stride: 1",
            "windows of 20,000 samples × 8 values × 4 bytes are 1,287 GiB, and may be 8",
        ),
    ],
)
def test_a_size_is_computed_before_anything_is_made(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert message in plan(BASE.replace(old, new), tmp_path)


def test_the_limit_of_trials_is_an_option() -> None:
    with pytest.raises(StudyError, match="the study has 16 trials, and may have 15"):
        parse_study(BASE, Path("study.yaml"), max_trials=15)
    assert parse_study(BASE, Path("study.yaml"), max_trials=16)


@pytest.mark.parametrize("override", ["title=&a [*a]", "title=\udcff", "a" + ".a" * 5000 + "=1", "seeds=" + "9" * 5000])
def test_overrides_have_the_same_limits(override: str) -> None:
    with pytest.raises(StudyError, match="--set"):
        parse_study(BASE, Path("study.yaml"), [override])


@pytest.mark.parametrize("path", ["/dev/zero", "/proc/self/mem", "."])
def test_files_named_in_a_study_are_regular(path: str, tmp_path: Path) -> None:
    text = BASE.replace("seeds: 2", f"label_list: {path}").replace("label_rate: [0.1, 0.2]", "stage2.batch_size: [8]")
    assert "label_list: " in plan(text, tmp_path)
    with pytest.raises(InputError):
        dry_run(Path(path), None, None, [], Console(file=io.StringIO()), False)
