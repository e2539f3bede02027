from __future__ import annotations

import numpy as np
import pytest

from harness.cosmo.quality import QualitySettings, hopkins, measure, optimal_clusters, scores


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


@pytest.mark.parametrize("k", [2, 5, 7])
def test_k_of_clustered_data(k: int) -> None:
    assert optimal_clusters(clustered(200, k), 12, 0, 3) == k


def test_published_example() -> None:
    """Depth of the authors' figure: H 0.8513, k_opt 24, 27 classes."""
    depth, other = scores([0.8513, 0.7], [24, 27], 27)
    assert depth.score == pytest.approx(0.2838, abs=5e-5)
    assert other.score == 0.7  # c is one, not zero, when k_opt is the number of classes
    assert depth.weight + other.weight == pytest.approx(1)


def test_measure_prefers_the_modality_whose_clusters_are_the_classes() -> None:
    noise = np.random.default_rng(1).uniform(size=(300, 10, 3))
    good = clustered(300, 6, 30).reshape(300, 10, 3)
    settings = QualitySettings()
    first, second = measure([good, noise], 6, settings, 3)
    assert first.k_opt == 6
    assert first.weight > second.weight
    assert measure([good, noise], 6, settings, 3) == (first, second)


@pytest.mark.parametrize("n", [4, 5])
def test_few_samples(n: int) -> None:
    assert measure([np.random.default_rng(0).normal(size=(n, 3))], 4, QualitySettings(), 0)[0].weight == 1
    with pytest.raises(ValueError, match="at least 4"):
        measure([np.zeros((3, 2))], 4, QualitySettings(), 0)


def test_constant_modality() -> None:
    assert measure([np.zeros((20, 5))], 4, QualitySettings(), 0)[0].hopkins == 0.5


@pytest.mark.parametrize(("kind", "theirs"), [("clustered", 0.9672), ("uniform", 0.5095), ("regular", 0.3234)])
def test_hopkins_agrees_with_pyclustertend(kind: str, theirs: float) -> None:
    """Theirs: mean of 1 − pyclustertend.hopkins(x, 60) of version 1.10.0 over 20 draws on these data; its spread is below 0.017 a draw."""
    rng = np.random.default_rng(0)
    data = {"clustered": np.concatenate([rng.normal(centre, 0.02, (100, 3)) for centre in rng.uniform(0, 1, (6, 3))])}
    data["uniform"] = rng.uniform(0, 1, (600, 3))
    data["regular"] = np.stack(np.meshgrid(*[np.arange(9.0)] * 3), axis=-1).reshape(-1, 3)
    ours = np.mean([hopkins(data[kind], np.random.default_rng(draw), 60) for draw in range(20)])
    assert ours == pytest.approx(theirs, abs=0.02)
