"""The latency protocol: what counts, when it ends, and which percentiles a count supports."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.edge import latency
from harness.edge.latency import Timed, agreement, needed, refuse, summary, time_queries
from harness.study.edge import LatencySettings


def test_the_counts_that_percentiles_need_are_loadgens() -> None:
    assert [needed(p) for p in (50, 90, 95, 99)] == [11, 64, 130, 662]


@settings(deadline=None)
@given(st.lists(st.floats(1e-6, 10), min_size=1, max_size=800))
def test_a_percentile_is_given_only_where_the_count_supports_it(latencies: list[float]) -> None:
    n = len(latencies)
    found = summary(Timed(np.array(latencies), n, 0.0, 1.0), 4)
    for p, least in ((50, 11), (90, 64), (95, 130), (99, 662)):
        if n < least:
            assert found[f"p{p}_seconds"] is None
            assert found["absent"][f"p{p}_seconds"] == f"needs {least} queries, has {n}"
        else:
            assert found[f"p{p}_seconds"] in latencies
            assert np.mean(np.array(latencies) <= found[f"p{p}_seconds"]) >= p / 100 - 1e-9
    assert found["throughput_per_second"] == pytest.approx(4 * n / sum(latencies))


def test_ten_samples_have_no_p99() -> None:
    """optimum-benchmark prints one."""
    assert summary(Timed(np.ones(10), 10, 0, 1), 1)["p99_seconds"] is None


@pytest.mark.parametrize(("least", "at_least"), [((0.3, 5), 50), ((0.01, 40), 40)])
def test_it_goes_on_until_both_time_and_count_are_met(least: tuple[float, int], at_least: int) -> None:
    calls: list[str] = []

    def query() -> None:
        calls.append("query")
        time.sleep(0.002)

    seconds, count = least
    timed = time_queries(
        query, lambda: calls.append("synchronise"), LatencySettings(seconds=seconds, count=count, warmup=7)
    )
    assert len(timed.latencies) >= min(at_least, count)
    assert timed.end - timed.start >= seconds
    assert calls.count("query") == len(timed.latencies) + 7  # the warm-up doesn't count
    assert calls[:3] == ["synchronise", "query", "synchronise"]
    assert timed.latencies.min() >= 0.002


def test_a_fast_model_is_timed_for_the_whole_time_and_evenly_spread_latencies_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queries = []

    def query() -> None:
        queries.append(1e-6 * len(queries))  # each takes 1 µs more than the one before

    clock = SimpleNamespace(perf_counter=lambda: sum(queries), monotonic=lambda: sum(queries))
    monkeypatch.setattr(latency, "time", clock)
    monkeypatch.setattr(latency, "MAX_KEPT", 100)
    timed = time_queries(query, lambda: None, LatencySettings(seconds=0.1, count=50, warmup=1))
    assert 0.1 <= timed.end - timed.start < 0.101
    assert timed.n_queries == summary(timed, 1)["n_queries"] == len(queries) - 1
    assert 50 <= len(timed.latencies) <= 100
    np.testing.assert_allclose(np.diff(timed.latencies), 8e-6)
    assert timed.latencies[0] == pytest.approx(1e-6)


def test_waiting_for_the_device_is_part_of_a_query() -> None:
    timed = time_queries(lambda: None, lambda: time.sleep(0.003), LatencySettings(seconds=0.01, count=5, warmup=1))
    assert timed.latencies.min() >= 0.003


def test_a_runtime_that_predicts_otherwise_is_refused_with_the_count() -> None:
    agreed = agreement(np.array([0, 1, 2, 3]), np.array([0, 1, 2, 2]))
    assert agreed == 0.75
    assert "1 of 4" in str(refuse(agreed, 4, 1.0))
    assert refuse(1.0, 4, 1.0) is None
