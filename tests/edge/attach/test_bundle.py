"""A device without a network: a bundle goes there, a result comes back, and what is not of the run is refused."""

from __future__ import annotations

import io
import json
import os
import random
import resource
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small import planned, profiles, run, without_times

from harness.edge.attach import bundle
from harness.edge.attach.bundle import read_bundle, read_result
from harness.errors import InputError
from harness.ledger import Ledger
from harness.offline import export, import_
from harness.results.run import RunResults
from harness.results.table import trial_table

DEVICES = "[cpu, {name: orin, offline: true}]"
pytestmark = pytest.mark.slow  # its fixture measures four jobs, each in a process of its own
NO_RAY = "import sys; sys.modules['ray'] = None; from harness.edge.attach.measure import main; main(); assert sys.modules['ray'] is None"


def measured(bundle: Path, result: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Measure a bundle in a process that has no Ray."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", NO_RAY, str(bundle), "--out", str(result)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, **options)


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ledger, Path, Path]:
    """A run whose device "cpu" is measured here, the bundle for "orin", and its result."""
    folder = tmp_path_factory.mktemp("carry")
    plan, ledger = planned(folder, DEVICES, methods="deepsense, cosmo")
    run(plan, ledger, "anywhere", "here")
    jobs = export(ledger, folder / "bundle.zip", None)
    assert [job.about["device"]["name"] for job in jobs] == ["orin", "orin"]
    done = measured(folder / "bundle.zip", folder / "result.zip")
    assert done.returncode == 0, done.stderr
    return ledger, folder / "bundle.zip", folder / "result.zip"


def rewritten(source: Path, target: Path, name: str, change: Callable[[Any], Any]) -> Path:
    """A copy of a zip file with one entry changed. The content of a JSON entry is passed as parsed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.namelist():
            content: Any = old.read(entry)
            if entry == name:
                content = json.dumps(change(json.loads(content))) if name.endswith(".json") else change(content)
            new.writestr(entry, content)
    return target


def test_a_result_joins_its_trial_and_equals_what_is_measured_here(carried: tuple[Ledger, Path, Path]) -> None:
    ledger, _, result = carried
    before = trial_table(RunResults(ledger.root))
    assert list(before["orin.status"]) == ["pending", "pending"]
    done, failed = import_(ledger, result)
    assert (len(done), failed) == (2, [])
    table = trial_table(RunResults(ledger.root))
    assert list(table["orin.status"]) == ["done", "done"]
    assert (table["orin.stage2_seconds"] > 0).all()
    assert table["orin.stage2_energy_joules"].isna().all()
    assert table["orin.energy_absent"].str.contains("the study asks for no meter").all()
    for trial in RunResults(ledger.root).plan.trials:
        here, there = (ledger.record(key) for key in trial.profile_keys.values())
        assert here is not None
        assert there is not None
        assert without_times(here["result"]) == without_times(there["result"])
        assert here["result"]["trial"] == trial.key
        trained = ledger.record(trial.key)
        assert trained is not None
        assert (
            here["result"]["training"]["repeats"][0]["loss"] == trained["result"]["loss"]
        )  # the same training, to the bit
    assert import_(ledger, result) == ([], [])  # finished jobs are not imported again
    with pytest.raises(InputError, match="nothing to export"):
        export(ledger, result.with_name("again.zip"), None)


def test_raw_latencies_are_kept(carried: tuple[Ledger, Path, Path]) -> None:
    _, _, result = carried
    record, artefacts = read_result(result)[0]
    with np.load(io.BytesIO(artefacts["latencies.npz"]), allow_pickle=False) as raw:
        assert {name: len(raw[name]) for name in raw.files} == {
            f"eager-fp32-{row['batch_size']}": row["n_queries"] for row in record["result"]["inference"]
        }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: a | {"code": "0.0.1+abc"}, "by different code: 0.0.1"),
        (lambda a: a | {"schema": 99}, "has schema 99"),
        (lambda a: a | {"records": [a["records"][0] | {"data": "f" * 20}]}, "was measured on data ffff"),
        (lambda a: a | {"records": [a["records"][0] | {"key": "0" * 20}]}, "does not match its key"),
        (lambda a: a | {"artefacts": {a["records"][0]["key"]: ["../../evil"]}}, "not a safe name"),
        (lambda a: a | {"artefacts": {"../..": ["evil"]}}, "not a safe name"),
    ],
)
def test_a_result_that_is_not_the_runs_is_refused(
    carried: tuple[Ledger, Path, Path], change: Callable[[Any], Any], said: str, tmp_path: Path
) -> None:
    ledger, _, result = carried
    with pytest.raises(InputError, match=said):
        import_(ledger, rewritten(result, tmp_path / "bad.zip", "result.json", change))


def test_a_result_of_another_run_is_refused(carried: tuple[Ledger, Path, Path], tmp_path: Path) -> None:
    _, other = planned(tmp_path, DEVICES, seconds=0.06, methods="deepsense, cosmo")
    with pytest.raises(InputError, match="is not a measurement of this run"):
        import_(other, carried[2])


def test_a_bundle_of_other_code_or_data_is_refused(carried: tuple[Ledger, Path, Path], tmp_path: Path) -> None:
    _, bundle, _ = carried
    with pytest.raises(InputError, match="by different code"):
        read_bundle(rewritten(bundle, tmp_path / "code.zip", "bundle.json", lambda about: about | {"code": "1+2"}))
    key = next(iter(read_bundle(bundle).data))
    other = io.BytesIO()
    np.save(other, np.zeros_like(read_bundle(bundle).data[key].label))
    with pytest.raises(InputError, match="not those of fingerprint"):
        read_bundle(rewritten(bundle, tmp_path / "data.zip", f"data/{key}/label.npy", lambda _: other.getvalue()))


def test_a_pickle_in_a_bundle_is_never_opened(carried: tuple[Ledger, Path, Path], tmp_path: Path) -> None:
    _, bundle, _ = carried
    key = next(iter(read_bundle(bundle).data))
    evil = io.BytesIO()
    np.save(evil, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="is damaged"):
        read_bundle(rewritten(bundle, tmp_path / "evil.zip", f"data/{key}/label.npy", lambda _: evil.getvalue()))


@pytest.mark.parametrize("number", [1, 2])
def test_a_damaged_zip_file_is_refused_by_name(carried: tuple[Ledger, Path, Path], tmp_path: Path, number: int) -> None:
    source, read = carried[number], (read_bundle, read_result)[number - 1]
    whole, rng = source.read_bytes(), random.Random(number)
    refused = 0
    for _ in range(100):
        content = bytearray(whole)
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        (tmp_path / "x.zip").write_bytes(content)
        try:
            read(tmp_path / "x.zip")  # type: ignore[operator]
        except InputError:
            refused += 1
    assert refused > 50  # a byte that nothing reads, such as a date, may differ


@pytest.mark.parametrize(
    "change",
    [
        lambda about: [],
        lambda about: None,
        lambda about: {**about, "artefacts": None},
        lambda about: {**about, "records": [[]]},
        lambda about: {**about, "records": [{**about["records"][0], "status": 3}]},
        lambda about: {**about, "records": [{**about["records"][0], "key": "../x"}]},
        lambda about: {**about, "artefacts": {"../x": []}},
    ],
)
def test_a_result_of_another_shape_is_refused(
    carried: tuple[Ledger, Path, Path], tmp_path: Path, change: Callable[[Any], Any]
) -> None:
    with pytest.raises(InputError):
        read_result(rewritten(carried[2], tmp_path / "x.zip", "result.json", change))


def test_a_small_file_that_unpacks_to_gigabytes_is_not_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("result.json", b" " * 50_000_000)
    content = (tmp_path / "x.zip").read_bytes().replace((50_000_000).to_bytes(4, "little"), b"\xff\xff\xff\x7f")
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.zip is not read: it would unpack to 2,147,483,647 bytes"):
        read_result(tmp_path / "x.zip")


@pytest.mark.parametrize("content", [b"", b"no zip", None])
def test_what_is_no_bundle_is_said(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        read_bundle(tmp_path / "x.zip")


def test_a_full_disk_is_found_before_anything_is_measured(carried: tuple[Ledger, Path, Path], tmp_path: Path) -> None:
    def small_files_only() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    done = measured(carried[1], tmp_path / "result.zip", preexec_fn=small_files_only)
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert "nothing was measured" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_export_notices_that_the_study_is_no_longer_the_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, ledger = planned(tmp_path, DEVICES)
    monkeypatch.setattr("harness.plan.dataset.TRAINING_VERSION", "other")
    with pytest.raises(InputError, match="have changed since"):
        export(ledger, tmp_path / "bundle.zip", None)


def test_the_edge_room_needs_no_ray() -> None:
    rooms = Path(bundle.__file__).parents[1]
    paths = [path.relative_to(rooms.parents[1]) for path in rooms.rglob("*.py") if path.name != "__init__.py"]
    names = ["harness.offline", *(".".join(path.with_suffix("").parts) for path in paths)]
    assert {"harness.edge.profile", "harness.edge.attach.ssh", "harness.edge.power.rails"} <= {*names}
    text = f"import sys, importlib; sys.modules['ray'] = None; [importlib.import_module(n) for n in {names}]"
    subprocess.run(
        [sys.executable, "-c", text], check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )


def test_profiles_come_last_and_only_of_what_the_section_asks(tmp_path: Path) -> None:
    plan, _ = planned(tmp_path, DEVICES)
    kinds = [job.kind for job in plan.jobs.values()]
    assert kinds == sorted(kinds, key=["pretrain", "train", "profile"].index)
    assert len(profiles(plan)) == 2
