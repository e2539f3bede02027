"""Reports on folds: a fold is one observation, and the intervals cover new subjects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_up import make

from harness.data.folds import Folds, fold_splits
from reports.document import Row, Section, Table
from reports.formats.terminal import plain_table
from reports.method_comparison import compare_groups, paired_difference
from reports.parts.classes import class_blocks
from reports.parts.tables import main_table, metric_cell, trials_table
from reports.run import ACCURACY, Group, Point, RunData, group_of
from reports.run_comparison import compare_runs
from reports.sections import all_sections, failures_section

NOWHERE = Point((), ())


def trials(scores: np.ndarray, folds: bool = True) -> list[dict[str, Any]]:
    """Finished trials with these scores, shape (n_folds, n_seeds); without folds each has a seed of its own."""
    places = np.ndindex(*scores.shape)
    at = [{"fold": f + 1, "seed": s} if folds else {"fold": None, "seed": f * scores.shape[1] + s} for f, s in places]
    return [
        {**one, "status": "done", "accuracy": float(score), "macro_f1": 0.5}
        for one, score in zip(at, scores.flat, strict=True)
    ]


def group(scores: np.ndarray, folds: bool = True, overlap: float = 0.0) -> Group:
    return group_of("m", NOWHERE, trials(scores, folds), overlap)


def covers(group: Group, truth: float) -> bool:
    cell = metric_cell(group, ACCURACY)
    return abs(cell.mean - truth) <= cell.half_width


def made(n_folds: int = 4, seeds: int = 2, spoil=lambda trial: {}, share: bool = False, **study: Any) -> RunData:
    """A run on UTD-MHAD in folds. share: whether they share test subjects."""
    plain = make({"utd-mhad": {}}, methods=["cpc", "cmc", "cosmo"], seeds=n_folds * seeds)
    frame = plain.trials.rename(columns={"seed": "number"})
    frame["fold"], frame["seed"] = frame["number"] // seeds + 1, frame["number"] % seeds
    rows = [{**row, **spoil(row)} for row in frame.drop(columns="number").to_dict("records")]
    tests = [[f % 3 + 1] for f in range(n_folds)] if share else [[f + 1] for f in range(n_folds)]
    folds = [{"test": test, "validation": [], "train": [s for s in range(1, 6) if s not in test]} for test in tests]
    data = {"utd-mhad": {**plain.study["data"]["utd-mhad"], "subjects": {}, "folds": folds}}
    return RunData(pd.DataFrame(rows), {**plain.study, "data": data, "seeds": list(range(seeds)), **study})


def text_of(sections: list[Section]) -> str:
    return "\n".join(str(block) for section in sections for block in section.blocks)


# -- observations ------------------------------------------------------------------------------------------------------


def test_a_fold_is_the_mean_over_its_seeds() -> None:
    scores = np.array([[0.1, 0.3], [0.4, 0.6], [0.5, 0.9]])
    folded = group(scores)
    assert folded.values(ACCURACY) == pytest.approx([0.2, 0.5, 0.7])
    assert (folded.unit, folded.n_blocks, folded.planned) == ("fold", 3, 6)
    cell = metric_cell(folded, ACCURACY)
    assert cell.mean == pytest.approx(scores.mean())
    assert cell.half_width == pytest.approx(4.302653 * np.std([0.2, 0.5, 0.7], ddof=1) / np.sqrt(3))
    assert group(scores, folds=False).unit == "seed"


def test_a_fold_with_a_trial_that_is_not_done_has_no_score() -> None:
    some = trials(np.full((3, 2), 0.5))
    some[3] |= {"status": "failed", "accuracy": None}
    found = group_of("m", NOWHERE, some)
    assert list(found.scores["accuracy"]) == [1, 3]
    cell = metric_cell(found, ACCURACY)
    assert (cell.done, cell.planned, cell.failed, cell.unit) == (2, 3, 1, "fold")


def test_two_trials_at_one_place_are_refused() -> None:
    with pytest.raises(ValueError, match="several trials with the same fold and seed"):
        group_of("m", NOWHERE, [*trials(np.ones((2, 2))), *trials(np.ones((1, 1)))])


# -- coverage ----------------------------------------------------------------------------------------------------------


def test_the_interval_over_folds_covers_new_subjects_and_that_over_trials_does_not() -> None:
    rng, n = np.random.default_rng(0), 2000
    subjects, draws = rng.normal(0, 0.043, (n, 4, 1)), rng.normal(0, 0.046, (n, 4, 3))
    scores = 0.5 + subjects + draws
    assert np.mean([covers(group(one), 0.5) for one in scores]) == pytest.approx(0.95, abs=0.015)
    assert np.mean([covers(group(one, folds=False), 0.5) for one in scores]) < 0.9
    on_one_split = 0.5 + subjects[:, 0] + rng.normal(0, 0.046, (n, 5))
    assert np.mean([covers(group(one[None], folds=False), 0.5) for one in on_one_split]) < 0.75


def test_the_interval_of_a_difference_is_over_folds() -> None:
    rng, n = np.random.default_rng(1), 1000
    shared, own = rng.normal(0, 0.1, (n, 1, 4, 1)), rng.normal(0, 0.03, (n, 2, 4, 1))
    scores = 0.5 + shared + own + rng.normal(0, 0.04, (n, 2, 4, 3))
    for folds, low, high in ((True, 0.93, 0.97), (False, 0.0, 0.9)):
        found = [paired_difference(group(one, folds), group(two, folds), ACCURACY) for one, two in scores]
        assert low < np.mean([one.low <= 0 <= one.high for one in found]) < high


def test_random_splits_that_share_subjects_have_wider_intervals() -> None:
    rng, n = np.random.default_rng(2), 600
    splits = fold_splits(Folds(test_subjects=2, repeats=10), range(8))
    test = np.array([split.test for split in splits])
    scores = 0.5 + rng.normal(0, 0.06, (n, 8))[:, test].mean(axis=2)[..., None] + rng.normal(0, 0.03, (n, 10, 2))
    overlap = made(share=True).overlap("utd-mhad")
    assert overlap == pytest.approx(1 / 4)
    assert np.mean([covers(group(one, overlap=2 / 6), 0.5) for one in scores]) > 0.93
    assert np.mean([covers(group(one), 0.5) for one in scores]) < 0.9
    assert made().overlap("utd-mhad") == 0


# -- words -------------------------------------------------------------------------------------------------------------


def test_tables_say_what_the_interval_is_of() -> None:
    plain = make({"utd-mhad": {}}, methods=["cmc", "cosmo"], seeds=3)
    assert (
        "over 3 seeds, that is over draws of labelled samples and initialisation, not over subjects."
        in main_table(plain, "utd-mhad").caption
    )
    caption = main_table(made(), "utd-mhad").caption
    assert "over 4 folds, each the mean of 2 seeds, that is over test subjects, draws of labelled" in caption
    assert "fewer than three folds are shared" in caption or "≈" not in caption
    assert "corrected for test subjects that folds share" in main_table(made(share=True), "utd-mhad").caption


def test_a_report_speaks_of_folds() -> None:
    text = text_of(all_sections(made(n_folds=5)))
    assert "2 seeds: 0, 1, each in 5 folds on utd-mhad, testing every subject once." in text
    assert "methods are compared fold by fold" in text
    assert "Friedman's test over 5 folds" in text
    assert "paired by fold" in text
    assert "on one split" not in text
    assert "10 seeds" not in text
    cells = [[cell.text for cell in row] for row in trials_table(made()).rows]
    assert [row[2:4] for row in cells[:3]] == [["1", "0"], ["1", "1"], ["2", "0"]]


def test_folds_that_leave_subjects_out_do_not_test_everybody() -> None:
    """As two random splits can."""
    text = text_of(all_sections(made(n_folds=2)))
    assert "each in 2 folds on utd-mhad, testing 2 of 5 subjects once." in text
    assert "every subject once" not in text


def test_a_failure_is_placed_if_only_one_data_set_has_folds() -> None:
    """Pandas makes the folds numbers with a decimal point. A trial without a chosen configuration has no key."""
    run = made(spoil=lambda t: {"status": "failed", "key": None, "error": "x"} if t["fold"] == 2 else {})
    trials = pd.concat([run.trials, run.trials.assign(dataset="usc-had", fold=None)], ignore_index=True)
    text = text_of(list(failures_section(RunData(trials, run.study))))
    assert "(utd-mhad, fold 2, seed 0)" in text
    assert "None" not in text


def test_folds_that_share_subjects_have_no_p_values() -> None:
    run = made(n_folds=10, share=True)
    text = text_of(all_sections(run))
    assert "No p values: the folds share test subjects" in text
    assert "Friedman's test over" not in text
    assert "neither a Bayesian test nor a number of folds that a difference needs" in text
    assert "P(improvement)" in text
    assert "P(worse)" not in text
    assert "paired t-test" not in text
    first, second = (run.groups("utd-mhad")[method, NOWHERE] for method in ("cosmo", "cmc"))
    (comparison,) = compare_groups([(first, second)], ACCURACY)
    assert comparison.p is None
    assert made(n_folds=10).groups("utd-mhad")["cosmo", NOWHERE].n_blocks == 10


def test_an_incomplete_fold_is_said() -> None:
    run = made(spoil=lambda t: {"status": "failed", "error": "x"} if (t["fold"], t["seed"]) == (2, 1) else {})
    table = plain_table(main_table(run, "utd-mhad"))
    assert table.count("(3/4, 1 failed)") == 3
    assert "fold 2, seed 1" in text_of(all_sections(run))


def test_predictions_of_incomplete_folds_are_shown() -> None:
    """No fold has a score, since one of its two seeds is pending; CMC has one trial less."""

    def spoil(trial: dict[str, Any]) -> dict[str, Any]:
        return {"status": "pending"} if trial["seed"] or (trial["method"], trial["fold"]) == ("cmc", 2) else {}

    run = made(spoil=spoil)
    done = run.trials[run.trials["status"] == "done"]
    run = replace(run, details={key: {"confusion": np.array([[3, 1], [0, 4]])} for key in done["key"]})
    table, row = class_blocks(run, "utd-mhad")
    assert isinstance(table, Table)
    assert [column.title for column in table.columns[:2]] == ["Class", "Predictions"]
    assert [cell.text for cell in table.rows[0]] == ["0", "12 to 16", "75.0", "75.0", "75.0"]
    assert isinstance(row, Row)
    assert len(row.figures) == 2
    assert "28 of 32" in {figure.alt.split(": ")[1].split(" predictions")[0] for figure in row.figures}


def test_runs_in_folds_are_compared_by_pairs_of_trials() -> None:
    one, two = made(), made(spoil=lambda trial: {"accuracy": trial["accuracy"] + 0.1 * (trial["fold"] > 1)})
    samples = {key: {"samples": {"labelled": key, "test": key}} for key in one.trials["key"]}
    first, second = (RunData(run.trials, run.study, samples) for run in (one, two))
    text = text_of(list(compare_runs(first, second).sections))
    assert "Of 24 pairs of trials, 6 have exactly equal accuracies." in text
    blocks = compare_runs(first, second).sections[0].blocks
    table = next(block for block in blocks if isinstance(block, Table))
    assert [cell.text for cell in table.rows[0]][1:4] == ["7.5", "−0.5 to 15.5", "4"]
