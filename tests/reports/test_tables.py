from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from made_up import make, realistic
from numpy.testing import assert_allclose
from scipy import stats

from reports.document import MetricCell, Table
from reports.parts.tables import data_table, main_table, options_table, samples_table
from reports.run import ACCURACY, MACRO_F1, Point, RunData
from reports.text import metric_text, missing_notes

RATES = {"utd-mhad": {"label_rate": [0.05, 0.1]}}


def metric_cells(table: Table) -> dict[str, list[MetricCell]]:
    """The metric cells of a table by the label of their row."""
    return {getattr(row[0], "text", ""): [cell for cell in row if isinstance(cell, MetricCell)] for row in table.rows}


def test_cells_are_the_mean_and_half_width_over_the_seeds(run: RunData) -> None:
    table = main_table(run, "usc-had", MACRO_F1)
    assert table.title == "Macro-F1 (%) on usc-had, by label rate"
    assert [column.title for column in table.columns] == ["Method", "1 %", "2 %", "5 %", "10 %"]
    trials = run.trials.query("dataset == 'usc-had' and method == 'cmc' and label_rate == 0.02")
    cell = metric_cells(table)["CMC"][1]
    assert cell.mean is not None
    assert_allclose(cell.mean, trials["macro_f1"].mean())
    low, high = stats.t.interval(0.95, 2, cell.mean, stats.sem(trials["macro_f1"]))
    assert_allclose(2 * (cell.half_width or 0), high - low)
    assert (cell.done, cell.planned, cell.failed) == (3, 3, 0)


def test_every_method_and_point_has_its_cell(run: RunData) -> None:
    for dataset in run.datasets:
        assert [len(cells) for cells in metric_cells(main_table(run, dataset)).values()] == [4] * 7


def test_the_highest_mean_is_marked_at_each_point_and_ties_are_shared() -> None:
    run = make(
        RATES,
        methods=["cpc", "cmc", "cosmo"],
        spoil=lambda trial: {"accuracy": 0.5} if trial["method"] != "cpc" else {},
    )
    cells = metric_cells(main_table(run, "utd-mhad"))
    assert [cell.best for cell in cells["Cosmo"]] == [cell.best for cell in cells["CMC"]] == [True, True]
    assert not any(cell.best for cell in cells["CPC"])


def test_with_one_method_the_best_point_is_marked() -> None:
    cells = metric_cells(
        main_table(make({"utd-mhad": {"cosmo.lambda": [0.0, 0.5, 1.0]}}, methods=["cosmo"]), "utd-mhad")
    )
    assert [cell.best for cell in cells["Cosmo"]] == [False, False, True]


def test_a_failed_trial_is_counted_and_noted_once(run: RunData) -> None:
    table = main_table(run, "utd-mhad")
    cell = metric_cells(table)["CPC"][0]
    assert (cell.done, cell.planned, cell.failed) == (2, 3, 1)
    assert metric_text(cell)[2] == "2 of 3 seeds, 1 failed"
    assert not table.notes
    (note,) = missing_notes(run)
    assert (note.level, "Failed: 1 trial of " in note.text) == ("error", True)


@pytest.mark.parametrize(("status", "text"), [("failed", "0 of 3 seeds, 3 failed"), ("pending", "0 of 3 seeds")])
def test_a_cell_without_scores_says_why(status: str, text: str) -> None:
    run = make(
        RATES, methods=["cmc", "cosmo"], spoil=lambda trial: {"status": status} if trial["method"] == "cosmo" else {}
    )
    assert metric_text(metric_cells(main_table(run, "utd-mhad"))["Cosmo"][0]) == ("–", "", text)


def test_a_missing_score_is_not_zero() -> None:
    run = make(RATES, methods=["cmc", "cosmo"], spoil=lambda trial: {"macro_f1": None} if trial["seed"] == 0 else {})
    cell = metric_cells(main_table(run, "utd-mhad", MACRO_F1))["Cosmo"][0]
    assert (cell.done, cell.planned) == (2, 3)
    assert metric_cells(main_table(run, "utd-mhad", ACCURACY))["Cosmo"][0].done == 3


def test_an_unplanned_cell_says_so() -> None:
    full = make(RATES, methods=["cmc", "cosmo"])
    run = RunData(full.trials.query("method != 'cmc' or label_rate != 0.1"), full.study)
    assert metric_text(metric_cells(main_table(run, "utd-mhad"))["CMC"][1]) == ("–", "", "not planned")


def test_leakage_is_noted_at_every_table_and_pending_trials_once() -> None:
    run = make({**RATES, "usc-had": {}}, spoil=lambda t: {"status": "pending"} if t["seed"] else {}, select="oracle")
    for dataset in run.datasets:
        (leakage,) = main_table(run, dataset).notes
        assert "Leakage" in leakage.text
    (unfinished,) = missing_notes(run)
    assert "42 of the run's 63 trials are pending" in unfinished.text


def test_one_seed_gives_no_interval() -> None:
    table = main_table(make(RATES, seeds=1), "utd-mhad")
    assert metric_cells(table)["Cosmo"][0].half_width is None
    assert "No interval with a single seed" in table.caption


def test_without_a_sweep_there_is_one_column() -> None:
    table = main_table(make({"utd-mhad": {}}), "utd-mhad")
    assert [column.title for column in table.columns] == ["Method", "Accuracy"]
    assert "at each point" not in table.caption


def test_two_swept_options_give_a_row_for_each_combination() -> None:
    run = make({"utd-mhad": {"label_rate": [0.05, 0.1], "cosmo.positives": [3, 9, 27]}}, methods=["cmc", "cosmo"])
    table = main_table(run, "utd-mhad")
    assert [column.title for column in table.columns] == ["label rate", "cosmo.positives", "Cosmo", "CMC"]
    assert [[getattr(cell, "text", None) for cell in row[:2]] for row in table.rows][:4] == [
        ["5 %", "3"],
        ["5 %", "9"],
        ["5 %", "27"],
        ["10 %", "3"],
    ]
    assert all(sum(cell.best for cell in row if isinstance(cell, MetricCell)) == 1 for row in table.rows)


@pytest.mark.parametrize("values", [[True, False], ["gru", "mean"], [[0.1, 0.9], [0.2, 0.8]], [None, 100], [0, 1]])
def test_any_value_can_be_swept(values: list[Any]) -> None:
    cells = metric_cells(main_table(make({"utd-mhad": {"some.option": values}}), "utd-mhad"))
    assert [cell.done for cell in cells["Cosmo"]] == [3, 3]


def test_points_are_equal_for_any_type_of_number() -> None:
    assert Point(("n",), (100,)) == Point(("n",), (100.0,))
    assert Point(("n",), (1,)) != Point(("n",), (True,))
    assert Point(("n",), (None,)) == Point(("n",), (float("nan"),))


def test_a_trial_outside_the_planned_sweep_is_shown() -> None:
    full = make({"utd-mhad": {"label_rate": [0.05, 0.1, 0.2]}})
    run = RunData(full.trials, {**full.study, "sweep": {"utd-mhad": {"label_rate": [0.05]}}})
    assert [column.title for column in main_table(run, "utd-mhad").columns] == ["Method", "5 %", "10 %", "20 %"]


def test_a_duplicate_seed_is_an_error() -> None:
    run = make(RATES)
    with pytest.raises(ValueError, match="several trials with the same fold and seed"):
        RunData(pd.concat([run.trials, run.trials[:1]]), run.study).groups("utd-mhad")


def test_an_invalid_table_of_trials_is_refused() -> None:
    run = make(RATES)
    with pytest.raises(ValueError, match="lack error, macro_f1"):
        RunData(run.trials.drop(columns=["macro_f1", "error"]), run.study)
    with pytest.raises(ValueError, match="not 'lost'"):
        RunData(run.trials.assign(status="lost"), run.study)


def test_setup_tables(run: RunData) -> None:
    assert [getattr(cell, "text", "") for cell in data_table(run).rows[0]][:6] == [
        "utd-mhad",
        "861",
        "27",
        "3.7",
        "1, 2, 3, 4, 5, 6",
        "–",
    ]
    assert [getattr(cell, "text", "") for cell in samples_table(run).rows[0]] == [
        "utd-mhad",
        "label rate 5 %",
        "27",
        "540",
        "215",
    ]
    assert [getattr(cell, "text", "") for cell in options_table(run).rows[0]][:3] == [
        "cosmo.lambda",
        "0.6",
        "studies/label_rate.yaml:9",
    ]


def test_different_numbers_of_samples_are_a_range() -> None:
    run = make({"utd-mhad": {}}, spoil=lambda trial: {"n_unlabelled": 500 + trial["seed"]})
    assert getattr(samples_table(run).rows[0][2], "text", "") == "500 to 502"


def test_made_up_runs_are_reproducible() -> None:
    pd.testing.assert_frame_equal(realistic().trials, realistic().trials)


def test_a_table_has_only_the_methods_that_run_on_its_data_set() -> None:
    run = make({"utd-mhad": {}, "usc-had": {}}, methods=["single-modal:acc", "cosmo"])
    mask = (run.trials["dataset"] == "utd-mhad") & (run.trials["method"] == "single-modal:acc")
    table = main_table(RunData(run.trials[~mask], run.study), "utd-mhad")
    assert len(table.rows) == 1
    assert len(main_table(run, "usc-had").rows) == 2
