"""Statistics compared with scipy, statsmodels, scikit-posthocs, worked examples and known faults of other tools."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
import scikit_posthocs
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import make
from numpy.testing import assert_allclose
from scipy import stats
from statsmodels.stats.multitest import multipletests

from reports import statistics
from reports.charts import Chart, RankDiagram
from reports.document import Block, Figure, Note, Prose, Row, Table, Text
from reports.method_comparison import best_and_close, compare_all_pairs, compare_groups, compare_with_reference
from reports.parts.pairwise import ablation_blocks, comparison_blocks
from reports.run import ACCURACY, RunData

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=15)
DEMSAR = [  # AUC of four classifiers on fourteen data sets: Demšar 2006, table 6
    [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
    [0.628, 0.661, 0.654, 0.657],
    [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931], [0.661, 0.668, 0.609, 0.685],
    [0.583, 0.583, 0.563, 0.625],
    [0.775, 0.838, 0.866, 0.875], [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962],
    [0.619, 0.666, 0.614, 0.669],
    [0.972, 0.981, 0.9751, 0.975], [0.957, 0.978, 0.946, 0.970],
]  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(p_values)
def test_holm_agrees_with_statsmodels(p: list[float]) -> None:
    assert_allclose(statistics.holm(p), multipletests(p, method="holm")[1], atol=1e-12)


def test_holm_steps_down() -> None:
    """A constant α/(m − 1), as in a known tool, would reject only the first two of these; stepping down rejects all."""
    p = [0.010, 0.020, 0.045]
    assert (statistics.holm(p) <= 0.05).all()
    assert [value <= 0.05 / 2 for value in p] == [True, True, False]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-40, 40), min_size=2, max_size=9))
def test_wilcoxon_agrees_with_enumeration(differences: list[int]) -> None:
    """With and without ties: the fraction of sign patterns with a rank sum at least as extreme as the observed one."""
    d = np.array([value for value in differences if value], dtype=float)
    if not len(d):
        assert statistics.wilcoxon(differences, [0] * len(differences)) == 1
        return
    ranks = stats.rankdata(np.abs(d))
    signs = np.array(list(product([-1, 1], repeat=len(d))))
    seen, possible = abs((ranks * np.sign(d)).sum()), np.abs(signs @ ranks)
    assert_allclose(statistics.wilcoxon(differences, np.zeros(len(differences))), np.mean(possible >= seen - 1e-9))


def test_the_smallest_p_is_reached() -> None:
    for n in range(2, 11):
        assert_allclose(statistics.wilcoxon(np.arange(1, n + 1), np.zeros(n)), statistics.least_wilcoxon(n))
    assert statistics.least_wilcoxon(5) == 0.0625
    assert round(statistics.least_wilcoxon(10), 4) == 0.0020
    assert (statistics.runs_to_reject(5), statistics.runs_to_reject(15)) == (8, 10)


def test_demsars_worked_example() -> None:
    """The paper has ranks 3.143, 2.000, 2.893, 1.964 and χ² = 9.28; scipy corrects χ² for ties."""
    ranks = statistics.mean_ranks(DEMSAR)
    assert_allclose(ranks, [3.143, 2.000, 2.893, 1.964], atol=5e-4)
    n, k = np.shape(DEMSAR)
    assert_allclose(12 * n / (k * (k + 1)) * ((ranks**2).sum() - k * (k + 1) ** 2 / 4), 9.28, atol=0.01)
    assert_allclose(statistics.friedman(DEMSAR), stats.friedmanchisquare(*np.transpose(DEMSAR)))
    assert_allclose(statistics.critical_difference(14, 4), 2.569 * np.sqrt(4 * 5 / (6 * 14)), atol=2e-3)


@pytest.mark.parametrize(("blocks", "expected"), [(3, 4.35), (10, 2.38)])
def test_nemenyis_critical_difference_at_six_methods(blocks: int, expected: float) -> None:
    assert_allclose(statistics.critical_difference(blocks, 6), expected, atol=0.005)


def test_the_critical_difference_agrees_with_scikit_posthocs() -> None:
    """Ranks differ by more than the critical difference if and only if Nemenyi's p is below 0.05."""
    random = np.random.default_rng(5)
    for _ in range(5):
        scores = random.random((12, 5)) + np.linspace(0, 0.6, 5)
        p, ranks = scikit_posthocs.posthoc_nemenyi_friedman(scores).to_numpy(), statistics.mean_ranks(scores)
        far = np.abs(ranks[:, None] - ranks) > statistics.critical_difference(12, 5)
        assert (far == (p < 0.05)).all()


def test_the_smallest_p_of_friedman() -> None:
    assert statistics.least_friedman(2, 3) > 0.05 > statistics.least_friedman(3, 3)
    same_order = np.tile([0.1, 0.2, 0.3], (4, 1))
    assert_allclose(statistics.friedman(same_order)[1], statistics.least_friedman(4, 3))
    assert statistics.friedman(np.ones((4, 3))) == (0.0, 1.0)
    with pytest.raises(ValueError, match="three methods"):
        statistics.friedman([[0.1, 0.2]])


def test_intervals_use_the_sample_standard_deviation_and_t() -> None:
    """Not ddof = 0 and ± 1 standard error as in a known tool, which is 5.3 times too narrow for three runs."""
    values = [0.4, 0.5, 0.6]
    assert_allclose(statistics.t_half_width(values) / (np.std(values) / np.sqrt(3)), 4.3027 * np.sqrt(1.5), rtol=1e-4)


def test_effect_sizes() -> None:
    one, two = np.array([0.62, 0.55, 0.71, 0.60]), np.array([0.50, 0.51, 0.60, 0.61])
    d = one - two
    assert_allclose(statistics.hedges_g(one, two), (1 - 3 / (4 * 3 - 1)) * d.mean() / d.std(ddof=1), rtol=0.01)
    assert_allclose(statistics.rank_biserial(one, two), (4 + 2 + 3 - 1) / 10)
    assert np.isnan([statistics.hedges_g([0.1, 0.2], [0.3, 0.1]), statistics.rank_biserial([0.5], [0.5])]).all()


# -- on runs -----------------------------------------------------------------------------------------------------------


def run_with(seeds: int, **shift: float) -> RunData:
    random = np.random.default_rng(1).normal(0, 0.01, (len(shift), seeds))
    names = list(shift)

    def accuracy(trial: dict[str, Any]) -> dict[str, Any]:
        noise = float(random[names.index(trial["method"]), trial["seed"]])
        return {"accuracy": 0.4 + shift[trial["method"]] + noise}

    return make({"utd-mhad": {}}, methods=names, seeds=seeds, spoil=accuracy)


def charts(blocks: Sequence[Block]) -> list[Chart]:
    return [figure.chart for block in blocks if isinstance(block, Row) for figure in block.figures]


def test_a_test_that_cannot_reject_gives_no_p() -> None:
    run = run_with(5, deepsense=0.0, cmc=0.1, cosmo=0.3)
    point = run.points("utd-mhad")[0]
    assert [pair.p for pair in compare_with_reference(run, "utd-mhad", point, ACCURACY)] == [None, None]
    (table, *_) = [block for block in comparison_blocks(run, "utd-mhad") if isinstance(block, Table)]
    assert "p (Holm)" not in [column.title for column in table.columns]
    assert "g: Hedges' g" in table.caption
    assert "Wilcoxon" not in table.caption
    assert isinstance(table.notes[-1], Note)
    assert table.notes[-1].text == (
        "Too few seeds for a p value; at least 7 are needed. With 5 seeds and 2 comparisons, the smallest possible "
        "adjusted p of Wilcoxon's test is 0.125."
    )


def test_equal_scores_do_not_count_towards_the_seeds_that_a_p_value_needs() -> None:
    """Seven seeds are enough for one comparison, but not if the scores are equal at two of them."""

    def accuracy(trial: dict[str, Any]) -> dict[str, Any]:
        return {"accuracy": 0.5 + 0.01 * trial["seed"] * (trial["method"] == "cosmo" and trial["seed"] > 1)}

    run = make({"utd-mhad": {}}, methods=("cmc", "cosmo"), seeds=7, spoil=accuracy)
    (pair,) = compare_with_reference(run, "utd-mhad", run.points("utd-mhad")[0], ACCURACY)
    assert (pair.difference.n, pair.n_nonzero, pair.least_p, pair.p) == (7, 5, 0.0625, None)
    (table,) = [block for block in comparison_blocks(run, "utd-mhad") if isinstance(block, Table)]
    assert table.notes[-1].text == (
        "Too few seeds for a p value; at least 6 at which the scores differ are needed. With 5 seeds at which the "
        "scores differ and 1 comparison, the smallest possible adjusted p of Wilcoxon's test is 0.062."
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(-3, 3), min_size=4, max_size=9), min_size=1, max_size=6))
def test_no_adjusted_p_is_below_the_least_possible_one(families: list[list[int]]) -> None:
    p = [statistics.wilcoxon(d, [0] * len(d)) for d in families]
    least = [statistics.least_wilcoxon(sum(value != 0 for value in d)) for d in families]
    assert (statistics.holm(p) >= statistics.holm(least) - 1e-12).all()


def test_with_enough_seeds_p_is_adjusted_over_the_family() -> None:
    run = run_with(10, deepsense=0.0, cmc=0.1, cosmo=0.3)
    point = run.points("utd-mhad")[0]
    pairs = compare_all_pairs(run, "utd-mhad", point, ACCURACY)
    assert_allclose([pair.p for pair in pairs], 3 * 2 / 2**10)
    assert [pair.second.method for pair in compare_with_reference(run, "utd-mhad", point, ACCURACY)] == [
        "cosmo",
        "cosmo",
    ]
    blocks = list(comparison_blocks(run, "utd-mhad"))
    assert any(isinstance(chart, RankDiagram) for chart in charts(blocks))
    assert "at least one method differs significantly" in " ".join(
        block.text for block in blocks if isinstance(block, Prose)
    )


def test_all_pairs_are_one_matrix() -> None:
    """The differences are above the diagonal, their p values below it, and an empty row and column are left out."""
    run = run_with(10, deepsense=0.0, cmc=0.1, cosmo=0.3)
    pairs = {
        (pair.first.method, pair.second.method): pair
        for pair in compare_all_pairs(run, "utd-mhad", run.points("utd-mhad")[0], ACCURACY)
    }
    *_, table = comparison_blocks(run, "utd-mhad")
    assert isinstance(table, Table)
    rows = {row[0].text: [cell.text for cell in row[1:] if isinstance(cell, Text)] for row in table.rows}  # type: ignore[union-attr]
    assert list(rows) == [column.title for column in table.columns[1:]] == ["Cosmo", "DeepSense", "CMC"]
    assert rows["Cosmo"][1].startswith(f"{100 * pairs['cosmo', 'deepsense'].difference.mean:.1f} ± ")
    assert (rows["Cosmo"][0], rows["DeepSense"][0], rows["CMC"][:2]) == ("", "0.006", ["0.006", "0.006"])
    *_, few = comparison_blocks(run_with(5, deepsense=0.0, cmc=0.1, cosmo=0.3), "utd-mhad")
    assert isinstance(few, Table)
    assert [column.title for column in few.columns] == ["Method", "DeepSense", "CMC"]
    assert [row[0].text for row in few.rows] == ["Cosmo", "DeepSense"]  # type: ignore[union-attr]


def test_with_few_seeds_the_report_says_why_there_is_no_diagram() -> None:
    run = run_with(4, a=0.0, b=0.05, c=0.1, d=0.12, e=0.15, f=0.2, g=0.21, h=0.3, cosmo=0.4, z=0.5)
    blocks = list(comparison_blocks(run, "utd-mhad"))
    assert any(isinstance(chart, RankDiagram) for chart in charts(blocks))
    few = list(
        comparison_blocks(run_with(2, a=0.0, b=0.05, c=0.1, d=0.12, e=0.15, f=0.2, g=0.21, cosmo=0.4), "utd-mhad")
    )
    assert not any(isinstance(chart, RankDiagram) for chart in charts(few))
    assert any(
        "cannot reach significance" in block.text or "There is no critical-difference diagram" in block.text
        for block in few
        if isinstance(block, Prose)
    )


def test_a_failed_trial_removes_only_its_pair() -> None:
    full = run_with(6, cmc=0.1, cosmo=0.3)
    trials = full.trials.copy()
    trials.loc[(trials["method"] == "cmc") & (trials["seed"] == 2), ["status", "accuracy"]] = ["failed", np.nan]
    (pair,) = compare_with_reference(RunData(trials, full.study), "utd-mhad", full.points("utd-mhad")[0], ACCURACY)
    assert pair.difference.n == 5


def test_methods_not_significantly_worse_than_the_best_are_close() -> None:
    run = run_with(5, deepsense=0.0, cmc=0.299, cosmo=0.3)
    best, close = best_and_close(list(run.groups("utd-mhad").values()), ACCURACY)
    assert {group.method for group in (*best, *close)} == {"cmc", "cosmo"}
    assert compare_groups([], ACCURACY) == []


def test_an_ablation_only_names_methods_that_the_option_does_not_affect() -> None:
    def same_job(trial: dict[str, Any]) -> dict[str, Any]:
        """Cosmo's reading has no effect on DeepSense: its trials are the same jobs at every point."""
        return {"key": f"d{trial['seed']}", "accuracy": 0.3, "macro_f1": 0.3} if trial["method"] == "deepsense" else {}

    run = make(
        {"utd-mhad": {"cosmo.reading": ["paper", "authors-code"]}},
        methods=("deepsense", "cosmo"),
        seeds=6,
        spoil=same_job,
    )
    figure, table, prose = ablation_blocks(run, "utd-mhad")
    assert isinstance(figure, Figure)
    assert isinstance(table, Table)
    assert {row[0].text for row in table.rows if isinstance(row[0], Text)} == {"Cosmo"}
    assert table.caption == (
        "Points: mean difference in percentage points, paired by seed. 95 % interval: Student's t, not corrected for "
        "multiple comparisons. n: number of common seeds. p: Wilcoxon's signed-rank test, two-sided, with Holm's "
        "correction over the comparisons of one method. g: Hedges' g of the paired differences. r: matched-pairs "
        "rank-biserial correlation of the differences."
    )
    assert isinstance(prose, Prose)
    assert prose.text == "The option does not affect DeepSense."
