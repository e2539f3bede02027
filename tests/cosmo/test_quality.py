from __future__ import annotations

import json
import typing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.cosmo.clusters import Criterion, cluster_range, optimal_clusters
from harness.cosmo.quality import QualitySettings, hopkins, measure, scores, why_not_identified

CRITERIA = typing.get_args(Criterion)


def clustered(n: int, k: int, d: int = 4, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.uniform(-10, 10, (k, d))[np.arange(n) % k] + rng.normal(0, 0.1, (n, d))


def test_hopkins_of_uniform_clustered_and_regular_data() -> None:
    rng = np.random.default_rng(0)
    lattice = np.stack(np.meshgrid(*[np.arange(20.0)] * 2), -1).reshape(-1, 2)
    uniform = np.mean([hopkins(rng.uniform(size=(500, 2)), rng, 50) for _ in range(20)])
    assert uniform == pytest.approx(0.5, abs=0.05)
    assert hopkins(clustered(500, 5), rng, 50) > 0.9
    assert hopkins(lattice, rng, 100) < 0.35
    assert hopkins(np.ones((10, 2)), rng, 5) == 0.5


@given(st.integers(0, 2**32 - 1), st.floats(0.001, 1000))
@settings(max_examples=25, deadline=None)
def test_hopkins_does_not_depend_on_order_of_columns_position_or_scale(seed: int, scale: float) -> None:
    x = np.random.default_rng(seed).normal(size=(60, 3)) ** 3
    h = hopkins(x, np.random.default_rng(0), 20)
    assert hopkins(scale * (x + 5), np.random.default_rng(0), 20) == pytest.approx(h)
    assert 0 < h < 1
    whole = hopkins(x, np.random.default_rng(0), 60)  # all samples, so that their order can't change the draw
    permuted = x[np.random.default_rng(seed).permutation(60)]
    assert hopkins(permuted, np.random.default_rng(0), 60) == pytest.approx(whole)


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("k", [2, 5, 7])
def test_k_of_clustered_data(k: int, criterion: Criterion) -> None:
    x = clustered(150, k)
    numbers = cluster_range(x, 9, criterion)
    assert optimal_clusters(1e-4 * x, numbers, 0, criterion) == k


@pytest.mark.parametrize("criterion", CRITERIA)
def test_planted_clusters_are_identified_and_noise_is_not(criterion: Criterion) -> None:
    rng = np.random.default_rng(1)
    planted = rng.uniform(-10, 10, (4, 8))[np.arange(120) % 4] + rng.normal(0, 1, (120, 8))
    asked = QualitySettings(criterion=criterion, restarts=2, subsets=4)
    first, second = measure([planted, rng.uniform(size=(120, 8))], 4, asked, 0)
    assert (first.k_opt, first.k_opt_interval, first.identified, first.reason) == (4, (4, 4), True, "")
    assert not second.identified
    assert second.reason.startswith("k_opt is")


def test_the_range_begins_at_one_cluster_where_the_criterion_is_defined_there() -> None:
    x = clustered(30, 3)
    assert [cluster_range(x, 9, criterion)[0] for criterion in CRITERIA] == [2, 2, 1, 1]
    assert cluster_range(x[:5], 9, "silhouette") == range(2, 5)
    assert not cluster_range(np.ones((9, 2)), 9, "silhouette")


def test_intervals_come_from_subsets_and_leave_the_estimates_as_they_are() -> None:
    arrays = [clustered(100, 4), np.random.default_rng(2).uniform(size=(100, 4))]
    without = measure(arrays, 4, QualitySettings(subsets=0, restarts=1), 7)
    found = measure(arrays, 4, QualitySettings(subsets=5, restarts=1), 7)
    for one, bare in zip(found, without, strict=True):
        names = ("hopkins", "k_opt", "score", "weight")
        assert [getattr(one, name) for name in names] == [getattr(bare, name) for name in names]
        for name in names:
            low, high = getattr(one, f"{name}_interval")
            assert getattr(bare, f"{name}_interval") is None
            assert 0 < low <= high
        assert json.loads(json.dumps(one.to_json()))["weight_interval"] == list(one.weight_interval or ())
    lows_and_highs = zip(found[0].weight_interval or (), reversed(found[1].weight_interval or ()), strict=True)
    assert all(first + second == pytest.approx(1) for first, second in lows_and_highs)


@pytest.mark.parametrize(
    ("k_opt", "interval", "reason"),
    [
        (20, (18.0, 22.0), ""),
        (20, None, ""),
        (54, None, "k_opt is 54, which reaches the upper end of its range, 2 to 54"),
        (2, (2.0, 2.0), "2 for all samples and 2 to 2 for subsets of them, which reaches the lower end"),
        (50, (47.0, 54.0), "reaches the upper end"),
        (20, (14.0, 22.0), "k_opt is 20 for all samples and 14 to 22 for subsets of them, in a range of 2 to 54"),
        (20, (40.0, 41.0), "40 to 41"),
    ],
)
def test_why_k_opt_is_not_identified(k_opt: int, interval: tuple[float, float] | None, reason: str) -> None:
    found = why_not_identified(k_opt, interval, range(2, 55))
    assert reason in found
    assert bool(found) == bool(reason)


def test_values_of_the_first_version() -> None:
    """The values before there were criteria and intervals: the weights of stage 2 are the same at the defaults."""
    rng = np.random.default_rng(0)
    planted = rng.uniform(-10, 10, (6, 30))[np.arange(120) % 6] + rng.normal(0, 1, (120, 30))
    first, second = measure([planted, rng.uniform(size=(120, 30))], 6, QualitySettings(), 5)
    assert (first.k_opt, second.k_opt) == (6, 11)
    assert [first.hopkins, second.hopkins] == pytest.approx([0.8138536796518112, 0.5650491007039691], rel=1e-6)
    assert [first.weight, second.weight] == pytest.approx([0.8780728552089052, 0.12192714479109479], rel=1e-6)


def test_without_components_the_features_are_not_reduced() -> None:
    x = clustered(60, 3, d=40)
    assert measure([x], 3, QualitySettings(components=None, subsets=0), 0)[0].k_opt == 3
    assert measure([x], 3, QualitySettings(components=None, criterion="bic", subsets=0), 0)[0].k_opt == 3
    with pytest.raises(ValidationError, match="'full' needs a number of components"):
        QualitySettings(components=None, criterion="bic", covariance="full")


def test_published_example() -> None:
    """Depth of the authors' figure: H 0.8513, k_opt 24, 27 classes."""
    depth, other = scores([0.8513, 0.7], [24, 27], 27)
    assert depth.score == pytest.approx(0.2838, abs=5e-5)
    assert other.score == 0.7  # c is one, not zero, when k_opt is the number of classes
    assert depth.weight + other.weight == pytest.approx(1)


def test_measure_prefers_the_modality_whose_clusters_are_the_classes() -> None:
    noise = np.random.default_rng(1).uniform(size=(300, 10, 3))
    good = clustered(300, 6, 30).reshape(300, 10, 3)
    asked = QualitySettings(subsets=2)
    first, second = measure([good, noise], 6, asked, 3)
    assert first.k_opt == 6
    assert first.weight > second.weight
    assert measure([good, noise], 6, asked, 3) == (first, second)


@pytest.mark.parametrize("share", [-1.0, 0.0, 1.5])
def test_the_share_of_samples_is_a_share(share: float) -> None:
    with pytest.raises(ValidationError, match="hopkins_share"):
        QualitySettings(hopkins_share=share)
    assert measure([np.eye(6)], 4, QualitySettings(hopkins_share=1.0), 0)


@pytest.mark.parametrize("n", [4, 5])
def test_few_samples(n: int) -> None:
    assert measure([np.random.default_rng(0).normal(size=(n, 3))], 4, QualitySettings(), 0)[0].weight == 1
    with pytest.raises(ValueError, match="at least 4"):
        measure([np.zeros((3, 2))], 4, QualitySettings(), 0)


@pytest.mark.parametrize(("value", "components"), [(0.0, 20), (1e3, 2), (0.37, None)])
def test_constant_modality(value: float, components: int | None) -> None:
    rounding = 1 + 1e-7 * np.random.default_rng(0).normal(size=(20, 5))
    array = (value * rounding).astype(np.float32)
    for criterion in CRITERIA:
        settings = QualitySettings(criterion=criterion, subsets=2, components=components)
        (found,) = measure([array], 4, settings, 0)
        assert (found.hopkins, found.identified, found.reason) == (0.5, False, "too few different samples")


@pytest.mark.parametrize(("kind", "theirs"), [("clustered", 0.9672), ("uniform", 0.5095), ("regular", 0.3234)])
def test_hopkins_agrees_with_pyclustertend(kind: str, theirs: float) -> None:
    """Theirs: mean of 1 − pyclustertend.hopkins(x, 60) of version 1.10.0 over 20 draws on these data; its spread is below 0.017 a draw."""
    rng = np.random.default_rng(0)
    data = {"clustered": np.concatenate([rng.normal(centre, 0.02, (100, 3)) for centre in rng.uniform(0, 1, (6, 3))])}
    data["uniform"] = rng.uniform(0, 1, (600, 3))
    data["regular"] = np.stack(np.meshgrid(*[np.arange(9.0)] * 3), axis=-1).reshape(-1, 3)
    ours = np.mean([hopkins(data[kind], np.random.default_rng(draw), 60) for draw in range(20)])
    assert ours == pytest.approx(theirs, abs=0.02)
