"""A search's space: every right distribution draws inside its ends and the same again, every wrong one is said."""

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import InputError, StudyError
from harness.keys import rng_of
from harness.search import draw
from harness.study import Study, read_study
from harness.study.space import Dimension, dimension

pytest.importorskip("ray")

GOOD = """\
study: trial
datasets: [fantasy-device]
methods: [deepsense, cosmo]
sweep: {label_rate: [0.1, 0.2]}
split: {validation: [1]}
search:
  trials: 3
  space:
    stage2.lr: {loguniform: [0.0001, 0.1]}
    cosmo.lambda: {uniform: [0, 1]}
"""

POSITIVE = st.floats(1e-6, 1e6)
WHOLE = st.integers(1, 10_000)
RIGHT: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.tuples(
        st.sampled_from(["uniform", "loguniform"]),
        st.tuples(POSITIVE, POSITIVE).filter(lambda ends: ends[0] * 1.001 < ends[1]),
    ),
    st.tuples(
        st.sampled_from(["randint", "lograndint"]), st.tuples(WHOLE, WHOLE).filter(lambda ends: ends[0] < ends[1])
    ),
    st.tuples(
        st.sampled_from(["quniform", "qloguniform"]),
        st.tuples(WHOLE, WHOLE, st.just(0.5)).filter(lambda given: given[0] < given[1]),
    ),
    st.tuples(
        st.just("choice"),
        st.lists(st.one_of(st.integers(), st.floats(0, 1), st.booleans(), st.text()), min_size=1, unique_by=repr),
    ),
).map(lambda made: {made[0]: list(made[1])})


@settings(deadline=None)  # the first draw imports Ray
@given(RIGHT, st.integers(0, 100), st.integers(1, 1000))
def test_draws_lie_within_and_come_again(written: dict[str, Any], seed: int, number: int) -> None:
    try:
        made = dimension(written)
    except ValueError:
        assert "choice" in written  # 1 and True, 0 and 0.0 are equal
        return
    value = made.draw(rng_of(seed, number))
    again = made.draw(rng_of(seed, number))
    assert (value, type(value)) == (again, type(again))
    if made.name == "choice":
        assert any(value is given for given in made.arguments)
    else:
        lower, upper = made.ends
        assert lower * (1 - 1e-9) <= value <= upper * (1 + 1e-9)
        assert type(value) is (int if "randint" in made.name else float)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 100), st.integers(1, 20))
def test_a_draw_of_one_option_is_the_same_whatever_else_is_searched(seed: int, number: int) -> None:
    lr, other = Dimension("loguniform", (1e-4, 0.1)), Dimension("uniform", (0, 1))
    both = draw({"cosmo.lambda": other, "stage2.lr": lr}, seed, number)
    assert draw({"stage2.lr": lr}, seed, number) == {"stage2.lr": both["stage2.lr"]}
    assert draw({"stage2.lr": lr}, seed, number + 1) != draw({"stage2.lr": lr}, seed, number)


def test_a_uniform_draw_is_uniform() -> None:
    values = sorted(draw({"x": Dimension("uniform", (0, 1))}, 0, number)["x"] for number in range(400))
    assert (
        max(abs(value - (i + 0.5) / 400) for i, value in enumerate(values)) < 0.08
    )  # Kolmogorov's bound at 1 % is 0.081


def read(tmp_path: Path, text: str, *overrides: str) -> Study:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    return read_study(path, overrides)


def test_what_is_searched_for_a_method(tmp_path: Path) -> None:
    study = read(
        tmp_path,
        GOOD.replace(
            "    cosmo.l",
            "    cosmo.stage2.lr: {uniform: [0.1, 0.2]}\n    stage1.lr: {uniform: [0.1, 0.2]}\n    cosmo.l",
        ),
    )
    (entry,) = study.file.datasets
    found = {method: study.searched(entry, method) for method in ("deepsense", "cosmo")}
    assert list(found["deepsense"]) == ["stage2.lr"]  # it has no stage 1
    assert {option: searched.path for option, searched in found["cosmo"].items()} == {
        "cosmo.stage2.lr": ("stage2", "lr"),  # its own name wins
        "stage1.lr": ("stage1", "lr"),
        "cosmo.lambda": ("method", "lambda"),
    }
    assert found["cosmo"]["cosmo.lambda"].source.endswith("study.yaml:12")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{uniform: [0, 1]}", "{unifrom: [0, 1]}", "10: search.space.cosmo.lambda: there is no distribution 'unifrom'\n    did you mean 'uniform'?"),
        ("{uniform: [0, 1]}", "{uniform: [1, 0]}", "10: search.space.cosmo.lambda: the range is reversed: 1 is not less than 0\n    write the smaller"),
        ("{uniform: [0, 1]}", "{uniform: [0, 2]}", "10: cosmo.lambda: 2.0 should be less than or equal to 1"),
        ("{uniform: [0, 1]}", "{uniform: [0]}", "10: search.space.cosmo.lambda: uniform takes the numbers lower, upper, not [0]"),
        ("{uniform: [0, 1]}", "{uniform: [a, 1]}", "uniform takes the numbers lower, upper, not ['a', 1]"),
        ("{uniform: [0, 1]}", "{quniform: [0, 1, 0.3]}", "is not divisible by quantization factor 0.3.\n    make both bounds multiples of q"),
        ("{uniform: [0, 1]}", "{quniform: [0, 1, 0]}", "10: search.space.cosmo.lambda: q is 0\n    q must be greater than 0"),
        ("{uniform: [0, 1]}", "{loguniform: [0, 1]}", "10: search.space.cosmo.lambda: loguniform can't start at 0"),
        ("{uniform: [0, 1]}", "{choice: []}", "10: search.space.cosmo.lambda: choice takes a list of values"),
        ("{uniform: [0, 1]}", "{choice: [0.1, 0.1]}", "10: search.space.cosmo.lambda: a value is listed twice"),
        ("{uniform: [0, 1]}", "{choice: [0.1, 3]}", "10: cosmo.lambda: 3 should be less than or equal to 1"),
        ("{uniform: [0, 1]}", "[0, 1]", "10: search.space.cosmo.lambda: [0, 1] is not a distribution\n    for example {choice: [0, 1]}"),
        ("cosmo.lambda: ", "cosmo.lamda: ", "10: search.space.cosmo.lamda: cosmo has no option 'lamda'\n    did you mean 'lambda'?"),
        ("cosmo.lambda: {uniform: [0, 1]}", "stage2.batch_size: {uniform: [8, 64]}", "10: stage2.batch_size: 8.0 should be a valid integer"),
        ("cosmo.lambda: ", "label_rate: ", "10: search.space.label_rate: label_rate is part of the study's question, not a hyper-parameter"),
        ("cosmo.lambda: {uniform: [0, 1]}", "fantasy-device.stride: {randint: [1, 5]}", "10: search.space.fantasy-device.stride: fantasy-device.stride is part"),
        ("label_rate: [0.1, 0.2]", "stage2.lr: [0.1, 0.2]", "9: search.space.stage2.lr: for deepsense this option is also swept, as stage2.lr\n    sweep it or"),
        ("label_rate: [0.1, 0.2]", "cosmo.stage2.lr: [0.1]", "9: search.space.stage2.lr: for cosmo this option is also swept, as cosmo.stage2.lr"),
        ("trials: 3", "trials: 0", "7: search.trials: 0 should be greater than or equal to 1"),
        ("trials: 3", "trails: 3", "7: search.trails: there is no such option\n    did you mean 'trials'?"),
        ("trials: 3", "scheduler: hyperband", "7: search.scheduler: 'hyperband' should be 'none' or 'asha'"),
        ("trials: 3", "seeds: 0", "7: search.seeds: 0 should be a number of seeds, at least 1, or a list of distinct"),
        ("trials: 3", "seeds: 2\n  scheduler: asha", "7: search.seeds: asha compares trials of one seed"),
        ("cosmo.lambda: {uniform: [0, 1]}", "stage1.augmentations: {choice: [null, {nois: 1}]}", "10: stage1.augmentations.nois: there is no such option"),
        ("cosmo.lambda: {uniform: [0, 1]}", "stage1.augmentations: {choice: [null]}\n    stage1.augmentations.noise: {uniform: [0, 1]}", "11: search.space.stage1.augmentations.noise: for cosmo this option is also searched, as part of stage1.augmentations"),
        ("trials: 3", "sampler: optuna", "7: search.sampler: 'optuna' should be random: the draws of an adaptive sampler depend on which trial ends first"),
    ],
)  # fmt: skip
def test_a_fault_is_one_clear_message(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(StudyError) as caught:
        read(tmp_path, GOOD.replace(old, new))
    assert f"study.yaml:{message}" in str(caught.value) or (not message[0].isdigit() and message in str(caught.value))


def test_samples_that_are_trained_on_select_no_epoch(tmp_path: Path) -> None:
    with pytest.raises(
        StudyError, match=r"search.refit: the trials also train on the validation samples, so these can't"
    ):
        read(tmp_path, GOOD, "search.refit=true", "select=validation")


def test_the_command_line_sets_a_distribution(tmp_path: Path) -> None:
    study = read(tmp_path, GOOD, "search.space.stage2.lr={uniform: [0.1, 0.2]}", "search.trials=9")
    assert study.file.search is not None
    assert (study.file.search.trials, study.file.search.space["stage2.lr"]) == (9, {"uniform": [0.1, 0.2]})


def test_without_ray_the_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"search: draws with Ray Tune.*pip install 'cosmo-harness\[ray\]'"):
        read(tmp_path, GOOD)


def test_a_group_is_swept_or_searched_also_by_one_of_its_options(tmp_path: Path) -> None:
    text = GOOD.replace("label_rate: [0.1, 0.2]", "stage1.augmentations: [null]")
    with pytest.raises(
        StudyError, match=r"augmentations.noise: for cosmo this option is also swept, as stage1.augment"
    ):
        read(tmp_path, text.replace("cosmo.lambda", "stage1.augmentations.noise"))
