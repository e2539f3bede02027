from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from made_up import make

from reports.document import MetricCell, Table, Text
from reports.method_comparison import groups_with_values
from reports.parts.answer import answer, rankings
from reports.parts.pairwise import comparison_blocks
from reports.parts.tables import main_table
from reports.run import ACCURACY, Point, RunData, _point


def answer_text(
    accuracies: Mapping[str, Sequence[float]], sweep: Mapping[str, Sequence[Any]] | None = None, **study: Any
) -> str:
    """The answer for methods with these accuracies by seed, the same at each point."""
    return " ".join(answer(of(accuracies, sweep, **study), "utd-mhad"))


def of(
    accuracies: Mapping[str, Sequence[float]], sweep: Mapping[str, Sequence[Any]] | None = None, **study: Any
) -> RunData:
    seeds = max(map(len, accuracies.values()))
    return make(
        {"utd-mhad": sweep or {}},
        methods=list(accuracies),
        seeds=seeds,
        spoil=lambda t: {"accuracy": accuracies[t["method"]][t["seed"]]},
        **study,
    )


def test_a_clear_best_is_called_best_with_its_paired_lead() -> None:
    text = answer_text({"deepsense": [0.30, 0.31, 0.32], "cosmo": [0.48, 0.49, 0.51]}, {"label_rate": [0.05]})
    assert text == (
        "At label rate 5 % on utd-mhad, Cosmo is best: 49.3 % ± 3.8 (3 seeds), 18.3 points above DeepSense (95 % "
        "interval of the paired difference: 16.9 to 19.8)."
    )


def test_pairing_finds_a_difference_that_overlapping_intervals_would_hide() -> None:
    assert "Cosmo is best" in answer_text({"cmc": [0.3, 0.4, 0.5], "cosmo": [0.32, 0.425, 0.52]})


def test_a_lead_that_is_not_significant_is_not_called_best() -> None:
    text = answer_text({"deepsense": [0.2, 0.21, 0.22], "cmc": [0.48, 0.52, 0.47], "cosmo": [0.48, 0.50, 0.52]})
    assert (
        "Cosmo has the highest mean accuracy: 50.0 % ± 5.0 (3 seeds), 1.0 points above CMC; it is not significantly "
        "different from CMC (simultaneous 95 % interval of the paired difference)." in text
    )
    assert "best" not in text


def test_equal_methods_are_not_ranked() -> None:
    assert "not significantly different from CMC" in answer_text({"cosmo": [0.5, 0.5, 0.5], "cmc": [0.5, 0.5, 0.5]})


def test_one_seed_claims_nothing() -> None:
    text = answer_text({"cmc": [0.3], "cosmo": [0.6]})
    assert "±" not in text
    assert "best" not in text
    assert text.endswith("30.0 points above CMC; a single seed cannot show how much of this is due to chance.")


def test_a_score_near_chance_has_a_caveat() -> None:
    assert "not clearly above chance (50.0 %)" in answer_text(
        {"cmc": [0.5, 0.4, 0.4], "cosmo": [0.6, 0.5, 0.5]}, chance={"utd-mhad": 0.5}
    )


def test_two_seeds_have_no_interval_to_claim_anything_from() -> None:
    text = answer_text({"cmc": [0.3, 0.3], "cosmo": [0.8, 0.9]}, chance={"utd-mhad": 0.25})
    assert text == (
        "On utd-mhad, Cosmo has the highest mean accuracy: 85.0 % (2 seeds), 55.0 points above CMC; so few seeds cannot "
        "show how much of this is due to chance."
    )
    run = of({"cmc": [0.3, 0.3], "deepsense": [0.2, 0.3], "cosmo": [0.8, 0.9]})
    table, matrix = (block for block in comparison_blocks(run, "utd-mhad") if isinstance(block, Table))
    assert "95 % interval" not in [column.title for column in table.columns]
    assert "±" not in matrix.caption
    single = answer_text({"cosmo": [0.4, 0.5]}, {"cosmo.lambda": [0.2, 0.8]})
    assert single.endswith("so few seeds cannot show how much of this is due to chance.")


def test_equal_means_are_ranked_in_the_order_of_the_study() -> None:
    """The sum of the same scores in another order differs in the last digit."""
    run = of({"cmc": [0.3, 0.2, 0.1], "cosmo": [0.1, 0.2, 0.3]})
    assert [group.method for group in rankings(run, "utd-mhad")[0]] == ["cmc", "cosmo"]


def one_class(method: str, trials: int, **point: Any) -> dict[str, Any]:
    text = {"text": "a single class is predicted", "example": "accuracy 60.0 %"}
    return {
        "dataset": "utd-mhad",
        "method": method,
        "point": point,
        "sign": "one class",
        "done": 3,
        "trials": trials,
        **text,
    }


def test_a_constant_predictor_is_never_the_best() -> None:
    accuracies = {"cmc": [0.4, 0.5, 0.4], "cosmo": [0.6, 0.6, 0.6]}
    text = answer_text(accuracies, warnings=[one_class("cosmo", 2)])
    assert text.startswith("On utd-mhad, only CMC has results")
    assert text.endswith("Not ranked, since most of the trials predict a single class for all test samples: Cosmo.")
    assert "Not ranked" not in answer_text(accuracies, warnings=[one_class("cosmo", 1)])
    both = answer_text(accuracies, warnings=[one_class("cosmo", 3), one_class("cmc", 3)])
    assert both.startswith("There is no answer on utd-mhad. Not ranked")


def test_a_constant_predictor_is_not_marked_in_the_table() -> None:
    accuracies = {"cmc": [0.4, 0.5, 0.4], "deepsense": [0.3, 0.2, 0.3], "cosmo": [0.6, 0.6, 0.6]}
    run = of(accuracies, warnings=[one_class("cosmo", 3)])
    cells = {row[0].text: row[1] for row in main_table(run, "utd-mhad", ACCURACY).rows if isinstance(row[0], Text)}
    marked = {name for name, cell in cells.items() if isinstance(cell, MetricCell) and (cell.best or cell.close)}
    assert "Cosmo" not in marked
    assert "CMC" in marked
    assert [group.method for group in groups_with_values(run, "utd-mhad", run.points("utd-mhad")[0], ACCURACY)] == [
        "cmc",
        "deepsense",
    ]


def test_a_constant_predictor_is_left_out_where_it_is_one() -> None:
    text = answer_text(
        {"cmc": [0.4, 0.5, 0.4], "cosmo": [0.6, 0.6, 0.6]},
        {"label_rate": [0.05, 0.1]},
        warnings=[one_class("cosmo", 3, label_rate=0.1)],
    )
    assert "The leader changes along the sweep: Cosmo at 5 %; CMC at 10 %." in text
    assert "Cosmo (label rate 10 %)" in text


def test_the_sweep_is_summarised() -> None:
    sweep = {"label_rate": [0.05, 0.1, 0.2]}
    assert "Cosmo has the highest mean at all 3 points" in answer_text(
        {"cmc": [0.3, 0.31], "cosmo": [0.6, 0.61]}, sweep
    )
    run = make(
        {"utd-mhad": sweep},
        methods=["cmc", "cosmo"],
        spoil=lambda t: {"accuracy": 0.5 if t["method"] == "cmc" else 3 * t["label_rate"]},
    )
    assert "The leader changes along the sweep: CMC at 5 % and 10 %; Cosmo at 20 %." in " ".join(
        answer(run, "utd-mhad")
    )


def test_points_without_results_are_not_counted() -> None:
    run = make(
        {"utd-mhad": {"label_rate": [0.05, 0.1, 0.15, 0.2]}},
        methods=["cmc", "cosmo"],
        spoil=lambda t: {"status": "pending"} if t["label_rate"] == 0.2 else {},
    )
    assert "highest mean at the 3 of 4 points of the sweep that can be ranked" in " ".join(answer(run, "utd-mhad"))


def test_warnings_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As often as there are warnings, and not for each group again."""
    rates = [rate / 20 for rate in range(1, 11)]
    warnings = [one_class(method, 1, label_rate=rate) for method in ("cmc", "cosmo") for rate in rates]
    run = of({"cmc": [0.4], "cosmo": [0.6]}, {"label_rate": rates}, warnings=warnings)
    run.groups("utd-mhad")
    read: list[Point] = []
    monkeypatch.setattr("reports.run._point", lambda *some: read.append(made := _point(*some)) or made)
    answer(run, "utd-mhad")
    main_table(run, "utd-mhad")
    assert len(read) <= len(warnings)


def test_one_method_is_compared_with_itself() -> None:
    run = make(
        {"utd-mhad": {"cosmo.lambda": [0.0, 0.8]}},
        methods=["cosmo"],
        spoil=lambda t: {"accuracy": 0.4 + t["cosmo.lambda"] / 10 + t["seed"] / 100},
    )
    (text,) = answer(run, "utd-mhad")
    assert "its highest mean accuracy at cosmo.lambda 0.8: 49.0 %" in text
    assert "8.0 points lower (95 % interval of the paired difference: 8.0 to 8.0)" in text
    assert answer(make({"utd-mhad": {}}, methods=["cosmo"]), "utd-mhad")[0].startswith(
        "On utd-mhad, Cosmo has a mean accuracy of "
    )


def test_failed_and_missing_trials_are_counted(run: RunData) -> None:
    assert "Of the 21 trials behind this, 1 failed." in answer(run, "utd-mhad")[0]
    lost = make(
        {"utd-mhad": {}},
        methods=["cpc", "cmc", "cosmo"],
        spoil=lambda t: {"status": "failed"} if t["method"] == "cpc" else {},
    )
    assert "Of the 9 trials behind this, 3 failed." in answer(lost, "utd-mhad")[0]


@pytest.mark.parametrize("status", ["failed", "pending"])
def test_without_scores_there_is_no_answer(status: str) -> None:
    run = make({"utd-mhad": {"label_rate": [0.05, 0.1]}}, spoil=lambda t: {"status": status})
    assert answer(run, "utd-mhad") == ["No trial on utd-mhad has produced results yet, so there is no answer."]


def test_only_common_seeds_are_compared() -> None:
    """Cosmo has seed 0 and CMC seed 1, so there is no pair."""
    run = make(
        {"utd-mhad": {}},
        methods=["cmc", "cosmo"],
        seeds=2,
        spoil=lambda t: {"status": "failed"} if (t["method"] == "cmc") == (t["seed"] == 0) else {},
    )
    text = answer(run, "utd-mhad")[0]
    assert "no seed in common" in text
    assert "best" not in text


def test_a_higher_mean_that_is_lower_on_common_seeds_has_a_caveat() -> None:
    """CMC's best seed failed: Cosmo's mean is higher, but it is below CMC on both seeds that CMC has."""
    accuracies = {"cmc": [0.42, 0.43, 0.99], "cosmo": [0.40, 0.41, 0.90]}
    run = make(
        {"utd-mhad": {}},
        methods=list(accuracies),
        spoil=lambda t: (
            {"accuracy": accuracies[t["method"]][t["seed"]]}
            | ({"status": "failed"} if t["method"] == "cmc" and t["seed"] == 2 else {})
        ),
    )
    text = answer(run, "utd-mhad")[0]
    assert "Cosmo has the highest mean accuracy" in text
    assert "although it is 2.0 points below CMC on the seeds that both have" in text
    assert "1 failed" in text


def test_a_tie_is_called_level() -> None:
    text = answer_text({"cmc": [0.3], "cosmo": [0.3]})
    assert "30.0 % (1 seed), level with" in text
    assert "0.0 points" not in text


def test_a_sweep_over_names_is_reported_at_every_point() -> None:
    accuracies = {"cmc": [0.30, 0.31, 0.32], "cosmo": [0.48, 0.49, 0.51]}
    text = answer_text(accuracies, {"cosmo.reading": ["paper", "recommended"]})
    assert text.count("Cosmo is best") == 2
    assert answer_text(accuracies, {"cosmo.lambda": [0.2, 0.8]}).count("Cosmo is best") == 1
    assert answer_text(accuracies, {"cosmo.without": list("abcde")}).count("Cosmo is best") == 1


def test_many_methods_near_the_best_are_counted() -> None:
    scores = {f"m{i}": [0.5 + 0.01 * ((i + j) % 3) for j in range(3)] for i in range(9)}
    answered = answer_text({**scores, "far": [0.1, 0.1, 0.1]})
    assert "4 others (" in answered
