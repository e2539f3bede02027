"""A replayed trace: a known curve gives its known integral, and the trace that a run records can be replayed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from harness.edge.power.energy import Trace, energy_window
from harness.edge.power.meter import Channel, MeterError
from harness.edge.power.meters.replay import Replay
from harness.edge.power.recorder import Recorder, probe


def test_a_curve_gives_its_integral_and_says_that_nothing_was_measured(tmp_path: Path) -> None:
    (tmp_path / "trace.csv").write_text("seconds,VDD_IN_watts,VDD_CPU_watts\n0,4,1\n0.5,12,2\n1,4,1\n")
    with Recorder(f"replay:{tmp_path}/trace.csv", 100) as recorder:
        start = time.monotonic()
        time.sleep(2)
        end = start + 2.0
        trace = recorder.trace(end)
    window = energy_window(trace, start, end)
    assert window.total.energy_joules == pytest.approx(16, rel=0.02)
    assert window.channels["VDD_CPU"].energy_joules == pytest.approx(3, rel=0.02)
    assert any("nothing was measured" in flag for flag in window.flags)
    assert "not measured" in window.covers
    (tmp_path / "again.csv").write_bytes(trace.to_csv())
    assert probe(f"replay:{tmp_path}/again.csv") is None


def test_a_recorded_trace_keeps_its_total_and_its_joules(tmp_path: Path) -> None:
    """Of counters, one of which overflows, and a part of a package that is not added."""
    channels = (
        Channel("package-0", "counter", "package", True, 50_005.0),
        Channel("package-0/core", "counter", "cores", False, 50_005.0),
        Channel("package-1", "counter", "package", True, 50_005.0),
    )
    times = np.arange(201) / 20
    counters = np.stack([50_000 + times, 100 + 0.5 * times, 300 + 0.01 * times], axis=1) % 50_005
    trace = Trace("rapl", channels, 20.0, times, counters, np.zeros((0, 3)))
    (tmp_path / "power.csv").write_bytes(trace.to_csv())
    replay = Replay(str(tmp_path / "power.csv"))
    assert [(channel.name, channel.in_total) for channel in replay.open()] == [
        (channel.name, channel.in_total) for channel in channels
    ]
    replayed = np.array(replay._columns).T
    assert replayed - replayed[0] == pytest.approx(np.outer(times, [1, 0.5, 0.01]), abs=1e-5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read as a trace"),
        ("seconds,a_watts\n0,1\n", "is not a trace"),
        ("seconds,a_watts\n1,1\n0,1\n", "is not a trace"),
        ("seconds,a\n0,1\n1,1\n", "ends neither in _watts nor in _joules"),
        ("seconds,a_watts\n0,1\n1\n", "cannot be read as a trace"),
    ],
)
def test_a_bad_trace_is_named(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "trace.csv").write_text(text)
    assert said in str(probe(f"replay:{tmp_path}/trace.csv"))


@pytest.mark.parametrize("path", ["/dev/zero", "pipe"])
def test_a_trace_is_a_regular_file(path: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MeterError, match="is not a regular file"):
        Replay(str(tmp_path / path)).open()


def test_replay_needs_a_file() -> None:
    assert "replay:FILE.csv" in str(probe("replay"))
