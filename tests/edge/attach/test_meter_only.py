"""Meter-only: the agent reads rails that change while a command runs, here and over a real sshd."""

from __future__ import annotations

import ast
import re
import shutil
import stat
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from small import planned
from trees import jetson
from typer.testing import CliRunner

from harness.cli import app
from harness.edge.attach.meter_only import lines, meter_command
from harness.edge.attach.ssh import require
from harness.edge.power import rails_agent
from harness.edge.power.meter import MeterError
from harness.edge.power.meters.replay import Replay
from harness.errors import InputError

WORK = """\
import glob, socket, sys, time
try:
    socket.socket(socket.AF_UNIX).bind("\\0" + sys.argv[2])
except OSError:
    print("locked")
(path,) = glob.glob(sys.argv[1] + "/bus/i2c/devices/*-0041/iio:device*/in_power0_input")
open(path, "w").write("12000")
time.sleep(3)
open(path, "w").write("4000")
print("done")
"""


def test_the_agent_needs_python_3_6_and_its_standard_library_alone() -> None:
    text = Path(rails_agent.__file__).read_text(encoding="utf-8")
    assert text.isascii()  # Python 3.6 takes nothing else from a command line in the locale C
    tree = ast.parse(text, feature_version=(3, 6))
    names = {
        (node.module or "").partition(".")[0] if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
    }
    assert names <= sys.stdlib_module_names
    assert "__future__" not in names  # annotations as strings came with 3.7
    newer = re.compile(
        r"capture_output|removeprefix|removesuffix|shlex\.join|strict=|:=|dataclass|collections|\blist\["
    )
    assert not newer.search(text)


def test_a_command_is_metered_from_its_start_to_its_end(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    jetson(tmp_path, "TX2")["VDD_IN"](4.0)
    found = meter_command(
        [sys.executable, "-c", WORK, str(tmp_path), rails_agent.LOCK_NAME],
        hertz=100,
        idle_seconds=3,
        root=str(tmp_path),
    )
    assert found.status == 0
    assert found.idle is not None
    assert found.work.idle_watts == pytest.approx(4)
    assert 3 <= found.work.seconds < 6
    assert found.work.total.peak_watts == pytest.approx(12)
    above = found.work.above_idle_joules
    assert above == pytest.approx(8 * 3, rel=0.1)  # 12 W instead of 4 W for 3 s, however long Python takes to start
    assert found.work.covers == "the whole module"
    assert "locked\ndone" in capfd.readouterr().err  # the output of the command; no other measurement runs meanwhile
    assert lines(found)[1] == "covers: the whole module"
    (tmp_path / "power.csv").write_bytes(found.trace.to_csv())
    assert "VDD_IN" in [channel.name for channel in Replay(str(tmp_path / "power.csv")).open()]


def test_what_cannot_be_measured_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="this machine has no INA3221 power monitor"):
        meter_command([], 1.0, root=str(tmp_path))
    jetson(tmp_path, "TX2")
    with pytest.raises(InputError, match="no-such-command cannot be run"):
        meter_command(["no-such-command"], root=str(tmp_path))
    (path,) = tmp_path.glob("bus/i2c/devices/0-0041/iio:device*/in_power0_input")
    path.write_text("")
    with pytest.raises(MeterError, match=r"rail VDD_IN cannot be read: .* is empty"):
        meter_command([], 0.2, root=str(tmp_path))


def test_a_window_that_is_too_short_has_no_energy(tmp_path: Path) -> None:
    jetson(tmp_path, "Nano")
    found = meter_command(["false"], idle_seconds=0.1, root=str(tmp_path))
    assert found.status == 1
    said = " ".join(lines(found))
    assert "energy: not measured: window too short" in said
    assert "above idle: not measured: at rest, window too short" in said


@pytest.mark.parametrize("path", ["missing/power.csv", "folder", "power.csv/x.csv"])
def test_a_file_that_cannot_be_written_is_told_before_anything_is_measured(path: str, tmp_path: Path) -> None:
    jetson(tmp_path, "TX2")
    (tmp_path / "folder").mkdir()
    (tmp_path / "power.csv").touch()
    before = set(tmp_path.rglob("*"))
    arguments = ["edge", "meter", "--root", str(tmp_path), "--out", str(tmp_path / path), "--", "touch"]
    done = CliRunner().invoke(app, [*arguments, str(tmp_path / "has run")])
    assert isinstance(done.exception, InputError)
    assert "cannot be written" in str(done.exception)
    assert set(tmp_path.rglob("*")) == before


def test_without_an_ssh_client_there_is_one_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="there is no ssh on this machine"):
        meter_command(["true"], ssh="user@board")
    with pytest.raises(InputError, match="there is no ssh on this machine"):
        require(planned(tmp_path, "[{name: orin, ssh: user@board}]")[0].jobs.values())


def test_over_ssh_nothing_is_installed(device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (about,) = YAML(typ="safe").load(f"[{device}]")
    wrapper = tmp_path / "bin/ssh"  # the real ssh, with the port and key of the test's own server
    wrapper.parent.mkdir()
    options = " ".join(f"'{option}'" for option in about["ssh_options"])
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} {options} "$@"\n')
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:/usr/bin:/bin")
    jetson(tmp_path / "sys", "TX2")["VDD_IN"](7.0)
    arguments = ["edge", "meter", "--ssh", about["ssh"], "--root", str(tmp_path / "sys"), "--hertz", "100"]
    done = CliRunner().invoke(app, [*arguments, "--python", "/usr/bin/python3 -I -S", "--", "sleep", "3"])
    assert done.exit_code == 0, done.output
    energy = re.search(r"energy: ([\d.]+) J, mean 7.00 W", done.output)
    assert energy is not None
    assert float(energy[1]) == pytest.approx(21, rel=0.1)
    refused = CliRunner().invoke(app, ["edge", "meter", "--ssh=-oProxyCommand=evil", "--", "true"])
    assert "is not an address" in str(refused.exception)
