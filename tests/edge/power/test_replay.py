"""A replayed trace: a known curve gives its known integral, and the trace that a run records can be replayed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from harness.edge.power.energy import energy_window
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


def test_replay_needs_a_file() -> None:
    assert "replay:FILE.csv" in str(probe("replay"))
