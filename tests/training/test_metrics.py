from __future__ import annotations

import numpy as np
import pytest

from harness.training.metrics import metrics
from harness.training.training_data import batches, in_order


def test_metrics() -> None:
    truth, predicted = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 1, 0], dtype=np.uint16)
    m = metrics(truth, predicted, 4)
    assert m.accuracy == pytest.approx(0.6)
    assert m.macro_f1 == pytest.approx((0.5 + 0.8 + 0.0) / 3)
    assert m.per_class == (0.5, 1.0, 0.0, None)
    assert m.confusion.tolist() == [[1, 1, 0, 0], [0, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    with pytest.raises(ValueError, match="no samples"):
        metrics(np.array([]), np.array([]), 3)


@pytest.mark.parametrize(
    ("n", "sizes"), [(9, [4, 5]), (8, [4, 4]), (10, [4, 4, 2]), (3, [3]), (5, [5]), (1, [1]), (0, [0])]
)
def test_a_last_batch_of_one_is_merged(n: int, sizes: list[int]) -> None:
    cut = batches(np.arange(n), 4)
    assert [len(b) for b in cut] == sizes
    assert np.concatenate(cut).tolist() == list(range(n))


def test_evaluation_in_order() -> None:
    assert [len(b) for b in in_order(np.arange(7), 3)] == [3, 3, 1]
    assert list(in_order(np.arange(0))) == []
