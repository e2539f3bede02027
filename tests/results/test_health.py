"""Signs of trainings that went wrong."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness.results.health import signs, warnings_of
from harness.results.records import PretrainResult, Scores, TrainResult
from harness.show.tables import show_warnings
from tests.reports.made_up_ledger import write_ledger

CLASSES = 4  # guessing has a loss of 1.39


def trained(**changes: Any) -> TrainResult:
    test = Scores(accuracy=[0.5, 0.8], classes_predicted=[3, 4])
    healthy: dict[str, Any] = {
        "epochs_evaluated": [5, 10],
        "curves": {"test": test},
        "loss": [1.4, 0.5, 0.05],
        "largest_class_share": {"test": 0.3},
        "train_seconds": 1.0,
    }
    return TrainResult(**{**healthy, **changes})


def scores(*accuracy: float, classes: tuple[int, ...] = (4, 4)) -> dict[str, Any]:
    return {"curves": {"test": Scores(accuracy=list(accuracy), classes_predicted=list(classes))}}


def test_a_healthy_trial_shows_no_sign() -> None:
    assert signs(trained(), PretrainResult(loss=[4.1, 3.0], train_seconds=1.0), CLASSES, "last") == {}
    for no_course in ([], [1.3]):
        assert signs(trained(loss=no_course), None, CLASSES, "last") == {}


@pytest.mark.parametrize(
    ("changes", "sign", "text"),
    [
        (scores(0.5, 0.4, classes=(3, 1)), "one class", "accuracy 40.0 %"),
        (
            scores(0.5, 0.3),
            "at chance",
            "accuracy 30.0 %, most common class 30.0 %, although its training loss is 0.05",
        ),
        ({**scores(0.5, 0.3), "loss": [0.0]}, "at chance", "accuracy 30.0 %, most common class 30.0 %"),
        ({"loss": [1.4, 0.13, 34.0]}, "diverged", "0.13 in epoch 2, 34 at the end"),
        ({"loss": [1.4, 1.3]}, "not fitted", "loss 1.3 after 2 epochs, guessing has 1.4"),
    ],
)
def test_signs_of_stage_2(changes: dict[str, Any], sign: str, text: str) -> None:
    assert signs(trained(**changes), None, CLASSES, "last") == {sign: text}


def test_the_evaluation_that_is_reported_counts() -> None:
    best_first = trained(**scores(0.8, 0.2, classes=(4, 1)))
    assert signs(best_first, None, CLASSES, "oracle") == {}
    assert set(signs(best_first, None, CLASSES, "last")) == {"one class"}


def test_turns_of_iterative_training_are_no_divergence() -> None:
    """The loss jumps each time the other part's turn begins, but stays below that of guessing."""
    assert signs(trained(loss=[1.4, 0.2, 1.3]), None, CLASSES, "last") == {}


@given(st.floats(0.1, 10), st.floats(0, 0.5), st.floats(0, 1))
def test_stage_1_is_flat_if_its_loss_falls_by_less_than_two_per_cent_of_what_it_could(
    first: float, floor: float, fall: float
) -> None:
    floor *= first
    pretrain = PretrainResult(loss=[first, first - fall * (first - floor)], loss_floor=floor, train_seconds=1.0)
    found = "stage 1 flat" in signs(trained(), pretrain, CLASSES, "last")
    assert found == (fall < 0.02) or abs(fall - 0.02) < 1e-6


def test_records_without_the_figures_show_nothing(tmp_path: Path) -> None:
    assert warnings_of(write_ledger(tmp_path)) == []


def test_trials_are_grouped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = write_ledger(tmp_path, methods=("cosmo",), seeds=3, sweep={"label_rate": [0.05]})
    for trial in results.plan.trials[:2]:
        record = results.trained(trial.key)
        assert record
        curves = {"test": record.result.curves["test"].model_copy(update={"classes_predicted": [1] * 4})}
        results._records[record.key] = record.model_copy(
            update={"result": record.result.model_copy(update={"curves": curves})}
        )
    out = io.StringIO()
    show_warnings(warnings_of(results), Console(file=out, width=200))
    text = "a single class is predicted for all test samples in 2 of 3 trials (accuracy "
    assert out.getvalue().startswith(f"warning: cosmo on pretend (label_rate = 0.05): {text}")
