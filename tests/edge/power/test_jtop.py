"""The jtop meter: the real client of jetson-stats against a server with its daemon's protocol, which plays a curve."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import registry
from harness.edge.power.energy import energy_window
from harness.edge.power.recorder import Recorder, probe

pytest.importorskip("jtop", reason="jetson-stats is not installed")

Serve = Callable[..., tuple[str, "subprocess.Popen[str]"]]


AT = """\
from jtop import service
from harness.edge.power.meters.jtop import Jtop

class JtopAt(Jtop):
    name = "jtop_at"

    def open(self):
        service.JTOP_PIPE, self.argument = self.argument, ""
        return super().open()
"""


@pytest.fixture(autouse=True)
def jtop_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The meter with the path of another socket, as a package that is installed."""
    (tmp_path / "jtop_at.py").write_text(AT)
    about = tmp_path / "jtop_at-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: jtop_at\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[cosmo_harness.meters]\njtop_at = jtop_at:JtopAt\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry.paths.cache_clear()
    yield
    registry.paths.cache_clear()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """(curve, interval) → the socket of a daemon that plays it, and its process."""
    running: list[subprocess.Popen[str]] = []
    with tempfile.TemporaryDirectory(prefix="jtop-") as folder:  # a socket's path must be short

        def start(curve: list[list[float]], interval: float, rail: str = "VDD_IN") -> tuple[str, subprocess.Popen[str]]:
            socket = f"{folder}/{len(running)}.sock"
            command = [
                sys.executable,
                str(Path(__file__).parent / "jtop_server.py"),
                socket,
                json.dumps(curve),
                str(interval),
                rail,
            ]
            running.append(
                subprocess.Popen(
                    command,
                    stdout=subprocess.PIPE,
                    text=True,
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                )
            )
            assert running[-1].stdout is not None
            assert running[-1].stdout.readline() == "ready\n"
            return socket, running[-1]

        yield start
        for process in running:
            process.kill()
            process.wait()


def test_a_known_curve_within_one_per_cent(serve: Serve) -> None:
    socket, _ = serve([[0, 4000], [1, 12000], [2, 4000]], 0.02)
    with Recorder(f"jtop_at:{socket}") as recorder:
        for attempt in range(4):  # on a machine that is busy with other things a reading may come late
            start = time.monotonic() + 0.1
            time.sleep(4.1)  # two periods of 8 W on average
            window = energy_window(recorder.trace(start + 4), start, start + 4)
            if attempt == 3 or window.total.energy_joules == pytest.approx(32, rel=0.01):
                break
    assert window.total.energy_joules == pytest.approx(32, rel=0.01)
    assert window.channels["VDD_CPU_GPU_CV"].energy_joules == pytest.approx(16, rel=0.01)
    assert window.total.peak_watts == pytest.approx(12, rel=0.03)
    assert window.asked_hertz == pytest.approx(50)  # the daemon's pace, not the one that the client asked for


def test_jtops_sum_of_rails_that_overlap_is_no_total(serve: Serve) -> None:
    socket, _ = serve([[0, 6000], [1, 6000]], 0.02, "")
    with Recorder(f"jtop_at:{socket}") as recorder:
        assert [(channel.name, channel.in_total) for channel in recorder.trace().channels] == [
            ("VDD_CPU", False),
            ("VDD_CPU_GPU_CV", False),
        ]


def test_a_board_without_sensors_is_a_reason(serve: Serve) -> None:
    socket, _ = serve([[0, 6000], [1, 6000]], 0.02, "no sensors")
    assert probe(f"jtop_at:{socket}") == "jtop's daemon finds no power rails on this machine"


def test_a_rail_that_is_off_is_left_out(serve: Serve) -> None:
    socket, _ = serve([[0, 6000], [1, 6000]], 0.02, "VDD_IN, VDD_SOC off")
    with Recorder(f"jtop_at:{socket}") as recorder:
        trace = recorder.trace()
    assert [channel.name for channel in trace.channels] == ["VDD_CPU_GPU_CV", "VDD_IN"]
    assert trace.notes == ("left out: rail VDD_SOC: jtop's daemon says that it is off",)


def test_a_daemon_that_dies_is_told_with_what_was_measured(serve: Serve) -> None:
    socket, daemon = serve([[0, 5000], [1, 5000]], 0.05)
    with Recorder(f"jtop_at:{socket}") as recorder:
        start = time.monotonic()
        time.sleep(1.5)
        daemon.kill()
        time.sleep(0.7)
        end = time.monotonic()
        window = energy_window(recorder.trace(end), start, end)
    assert "jtop's daemon is gone" in window.errors[0]
    assert window.total.energy_joules is None
    assert window.partial is not None
    assert window.partial.energy_joules == pytest.approx(5 * 1.5, rel=0.1)


def test_without_a_daemon_the_reason_is_the_clients_own(tmp_path: Path) -> None:
    assert "jtop.service is not active" in str(probe(f"jtop_at:{tmp_path}/no.sock"))


def test_a_study_cannot_name_another_socket() -> None:
    """Its owner could make the client run code: what the daemon sends is unpickled."""
    assert "jtop takes no argument" in str(probe("jtop:/tmp/other.sock"))
