"""The energy of windows of synthetic traces, tested by properties where possible."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.edge.power.energy import Trace, energy_window
from harness.edge.power.meter import Channel

BOARD = Channel("VDD_IN", "power", "the whole module", True)
COUNTER = Channel("gpu-0", "counter", "GPU 0", True)


def trace(
    values: np.ndarray,
    *channels: Channel,
    hertz: float = 20.0,
    times: np.ndarray | None = None,
    error: str | None = None,
) -> Trace:
    values = np.asarray(values, dtype=float)
    values = values[:, None] if values.ndim == 1 else values
    times = np.arange(len(values)) / hertz if times is None else times
    clock = np.array([[t, 1e9, 0.01 * t] for t in np.arange(0, times[-1] + 1)])
    return Trace("made", channels, hertz, times, values, clock, error)


@settings(deadline=None)
@given(
    watts=st.lists(st.floats(0, 100), min_size=120, max_size=200),
    edges=st.tuples(st.floats(0, 5.9), st.floats(0, 5.9), st.floats(0, 5.9)),
)
def test_windows_add_up_and_a_line_is_exact(watts: list[float], edges: tuple[float, float, float]) -> None:
    made = trace(np.array(watts), BOARD)
    a, b, c = sorted(edges)

    def joules(start: float, end: float) -> float:
        window = energy_window(made, start, end)
        return window.total.energy_joules if window.total.energy_joules is not None else np.nan

    fine = np.linspace(a, c, 20001)
    direct = np.trapezoid(np.interp(fine, made.times, made.values[:, 0]), fine)
    if c - a >= 5:
        assert joules(a, c) == pytest.approx(direct, rel=1e-3, abs=1e-3)
        if b - a >= 5:
            assert joules(a, b) <= joules(a, c) + 1e-9
    else:
        n_samples = ((made.times >= a) & (made.times <= c)).sum()
        assert np.isnan(joules(a, c)) == (n_samples < 100)


def test_mean_peak_and_above_idle() -> None:
    made = trace(np.linspace(0, 20, 201), BOARD)  # 10 s, 2 W more each second
    window = energy_window(made, 2, 8, idle_watts=3)
    assert window.total.energy_joules == pytest.approx(60)
    assert window.total.mean_watts == pytest.approx(10)
    assert window.total.peak_watts == pytest.approx(16)
    assert window.above_idle_joules == pytest.approx(60 - 3 * 6)
    assert window.coverage == 1
    assert not window.gaps
    assert window.sampler_core_share == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("seconds", "hertz", "enough"), [(4.9, 20.0, False), (5.1, 20.0, True), (1.1, 100.0, True), (0.9, 100.0, False)]
)
def test_a_short_window_has_no_energy(seconds: float, hertz: float, enough: bool) -> None:
    window = energy_window(trace(np.ones(1000), BOARD, hertz=hertz), 0.01, seconds + 0.01)
    assert (window.total.energy_joules is not None) == enough
    if not enough:
        assert "window too short" in str(window.total.reason)


def test_a_gap_is_reported_and_trapezoids_bridge_it() -> None:
    times = np.concatenate([np.arange(0, 4, 0.05), np.arange(4.5, 10, 0.05)])  # ten periods missing
    window = energy_window(trace(2 * times, BOARD, times=times), 1, 9)
    ((at, length),) = window.gaps
    assert at == pytest.approx(2.95)
    assert length == pytest.approx(0.55)
    assert "gaps" in window.flags[0]
    assert window.total.energy_joules == pytest.approx(80)


def test_two_periods_late_is_no_gap() -> None:
    times = np.delete(np.arange(0, 10, 0.05), 77)
    assert not energy_window(trace(times, BOARD, times=times), 1, 9).gaps


@settings(deadline=None)
@given(
    start=st.floats(0, 1000),
    steps=st.lists(st.floats(4, 30), min_size=120, max_size=200),
    wraps_at=st.floats(100, 1000),
)
def test_a_counter_that_wraps_goes_on(start: float, steps: list[float], wraps_at: float) -> None:
    counted = start + np.concatenate([[0], np.cumsum(steps)])
    channel = Channel("package-0", "counter", "package", True, wraps_at)
    window = energy_window(trace(counted % wraps_at, channel), 0, len(steps) / 20)
    assert window.total.energy_joules == pytest.approx(sum(steps), rel=1e-6)


@pytest.mark.parametrize("wraps_at", [None, 262143.3])
def test_a_counter_that_goes_back_is_no_figure(wraps_at: float | None) -> None:
    counter = np.concatenate([5000 + np.arange(100), np.arange(100)])  # as after a suspend
    window = energy_window(trace(counter, Channel("package-0", "counter", "package", True, wraps_at)), 1, 9)
    assert window.total.energy_joules is None
    assert "went back by 5099 J" in str(window.total.reason)


@pytest.mark.parametrize(
    ("counter", "seconds"),
    [(np.zeros(200), 8.0), (np.full(200, 1234.5), 8.0), (np.minimum(np.arange(200), 100), 4.0)],
)
def test_a_counter_that_stands_still_is_an_error_never_a_value(counter: np.ndarray, seconds: float) -> None:
    window = energy_window(trace(counter, COUNTER), 1, 9)
    assert window.total.energy_joules is None
    assert f"stood still for {seconds:.1f} s" in str(window.total.reason)


def test_a_counters_peak_is_its_best_second() -> None:
    watts = np.where((np.arange(200) >= 100) & (np.arange(200) < 140), 50.0, 5.0)
    window = energy_window(trace(np.cumsum(watts) / 20, COUNTER), 0.5, 9.5)
    assert window.total.peak_watts == pytest.approx(50, rel=0.05)


def test_rails_without_a_total_are_never_added() -> None:
    rails = [Channel("VDD_CPU", "power", "rail", False), Channel("VDD_CPU_GPU", "power", "rail", False)]
    window = energy_window(trace(np.ones((200, 2)), *rails), 1, 9)
    assert window.total.energy_joules is None
    assert "no total rail" in str(window.total.reason)
    assert [figures.energy_joules for figures in window.channels.values()] == [pytest.approx(8), pytest.approx(8)]


def test_a_meter_that_died_leaves_the_part_it_measured() -> None:
    window = energy_window(trace(np.full(121, 10.0), BOARD, error="the daemon is gone"), 0, 30)
    assert window.total.energy_joules is None
    assert "6.0 s of 30.0 s: the daemon is gone" in str(window.total.reason)
    assert window.partial is not None
    assert window.partial.energy_joules == pytest.approx(60)
    assert window.coverage == pytest.approx(0.2)
    assert window.errors == ("the daemon is gone",)


def test_a_window_before_any_sample_is_empty() -> None:
    window = energy_window(trace(np.ones(200), BOARD), 100, 110)
    assert window.total.energy_joules is None
    assert window.coverage == 0


def test_a_jump_of_the_wall_clock_is_flagged_and_changes_nothing() -> None:
    made = trace(np.full(201, 10.0), BOARD)
    made.clock[5:, 1] += 3600
    window = energy_window(made, 1, 9)
    assert "+3600.0 s" in window.flags[0]
    assert window.total.energy_joules == pytest.approx(80)


def test_a_ramp_is_integrated_by_trapezoid_not_by_rectangles() -> None:
    times = np.array([0.0, 1.0, 3.0, 6.0, 10.0])
    window = energy_window(trace(times, BOARD, hertz=1, times=times), 0, 10)
    assert window.total.energy_joules == pytest.approx(50)


@pytest.mark.parametrize(("pause", "known"), [(1.0, True), (10.0, False)])
def test_a_pause_that_may_hide_an_overflow_is_no_figure(pause: float, known: bool) -> None:
    times = np.concatenate([np.arange(0, 5, 0.05), np.arange(5 + pause, 10 + pause, 0.05)])
    channel = Channel("package-0", "counter", "package", True, 65.536)
    window = energy_window(trace((20 * times) % 65.536, channel, times=times), 0.5, 9.5 + pause)
    if known:
        assert window.total.energy_joules == pytest.approx(20 * 10)
    else:
        assert window.total.energy_joules is None
        assert "more than once" in str(window.total.reason)


def test_energy_below_that_at_rest_is_flagged() -> None:
    window = energy_window(trace(np.full(201, 5.0), BOARD), 1, 9, idle_watts=6)
    assert window.above_idle_joules == pytest.approx(-8)
    assert "energy above idle is negative: 5.00 W on average, but 6.00 W at rest" in window.flags[0]
    assert not energy_window(trace(np.full(201, 5.0), BOARD), 1, 9, idle_watts=5).flags


def test_failed_readings_of_a_rail_are_its_reason_alone() -> None:
    values = np.full((200, 2), 5.0)
    values[50:53, 1] = np.nan
    window = energy_window(trace(values, BOARD, Channel("VDD_SOC", "power", "rail", False)), 1, 9)
    assert window.total.energy_joules == pytest.approx(40)
    assert window.channels["VDD_SOC"].reason == "3 readings failed"
    assert b",nan" in trace(values, BOARD, Channel("VDD_SOC", "power", "rail", False)).to_csv()
