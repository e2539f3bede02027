"""Power modes, with a stand-in for nvpmodel that changes the power of the rails as a board would."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from small import planned, profiles, run
from trees import jetson

from harness.edge import power_mode
from harness.edge.power_mode import PowerModeError, number_of, power_mode_set, read_mode
from harness.errors import StudyError
from harness.results.profiles import edge_tables, grams_co2e
from harness.results.run import RunResults
from harness.study.edge import Edge

NVPMODEL = """\
#!/bin/sh
# -q prints the mode, -m sets it; mode 8 is refused, mode 9 needs a restart
cd "$(dirname "$0")"
if [ "$1" = -m ]; then
  [ "$2" = 8 ] && { echo "NVPM ERROR: no such mode" >&2; exit 1; }
  [ "$2" = 9 ] && exit 0
  echo "$2" > mode; echo "$2" >> log
  for file in rails/bus/i2c/devices/0-0041/iio:device1/in_power0_input; do
    [ -f $file ] && { if [ "$2" = 0 ]; then echo 10000; else echo 5000; fi > $file; }
  done; exit 0
fi
echo "NVPM WARN: fan mode is not set!"
echo "NV Power Mode: MODE_$(cat mode)"
cat mode
"""


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of nvpmodel, first on the path: ``mode`` is the current mode, ``log`` lists the modes that were set."""
    folder = tmp_path / "board"
    folder.mkdir()
    (folder / "nvpmodel").write_text(NVPMODEL)
    (folder / "nvpmodel").chmod(0o755)
    (folder / "sudo").write_text('#!/bin/sh\nshift\nexec "$@"\n')
    (folder / "sudo").chmod(0o755)
    (folder / "mode").write_text("1\n")
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(power_mode, "SETTLE_SECONDS", 0)
    return folder


def test_the_mode_is_set_and_restored_also_after_an_error(board: Path) -> None:
    with power_mode_set(2) as name:
        assert (name, read_mode()) == ("MODE_2", ("MODE_2", 2))
    assert read_mode()[1] == 1
    with pytest.raises(RuntimeError), power_mode_set(0):
        raise RuntimeError("the measurement failed")
    assert (board / "log").read_text().split() == ["2", "1", "0", "1"]
    with power_mode_set(None) as name:
        assert name is None
    assert (board / "log").read_text().split() == ["2", "1", "0", "1"]


@pytest.mark.parametrize(("mode", "said"), [(8, "NVPM ERROR: no such mode"), (9, "does it need a restart")])
def test_a_mode_that_cannot_be_set_is_an_error(mode: int, said: str, board: Path) -> None:
    with pytest.raises(PowerModeError, match=said), power_mode_set(mode):
        pass
    assert read_mode()[1] == 1


def test_a_mode_left_by_a_killed_measurement_is_restored(board: Path, tmp_path: Path) -> None:
    with power_mode_set(2):
        kept = tmp_path / "state" / "cosmo-harness" / "power-mode"
        content = kept.read_text()
    kept.write_text(content)  # as if the process had been killed in mode 2
    (board / "mode").write_text("2\n")
    with power_mode_set(0):
        pass
    assert read_mode()[1] == 1
    assert not kept.exists()
    kept.write_text("-1 or so")
    with pytest.raises(PowerModeError, match="remove the file"), power_mode_set(0):
        pass


def test_the_mode_is_restored_before_a_signal_ends_the_process(board: Path) -> None:
    program = (
        "import time\nfrom harness.edge.power_mode import power_mode_set\n"
        "with power_mode_set(2):\n    print('set', flush=True)\n    time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "set\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 128 + signal.SIGTERM
    assert read_mode()[1] == 1


def test_modes_have_names(tmp_path: Path) -> None:
    path = tmp_path / "nvpmodel.conf"
    path.write_text("# comment\n< POWER_MODEL ID=0 NAME=MAXN >\nCPU_ONLINE CORE_0 1\n< POWER_MODEL ID=2 NAME=15W >\n")
    assert [number_of(mode, path) for mode in ("MAXN", "15W", 7)] == [0, 2, 7]
    with pytest.raises(PowerModeError, match="no power mode '30W'; it has MAXN, 15W"):
        number_of("30W", path)
    with pytest.raises(PowerModeError, match="give the number"):
        number_of("MAXN", tmp_path / "none.conf")


def test_a_machine_without_nvpmodel_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PowerModeError, match="there is no nvpmodel"), power_mode_set(0):
        pass


def test_a_study_must_allow_it(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="may_set_power_mode: true"):
        planned(tmp_path, "[{name: cpu, power_modes: [0, 2]}]")
    with pytest.raises(StudyError, match="two measurements are called cpu-0"):
        planned(tmp_path, "[{name: cpu, power_modes: [0, 0], may_set_power_mode: true}]")
    edge = Edge.from_plain({"devices": [{"name": "a", "power_modes": ["15W", 0], "may_set_power_mode": True}, "cpu"]})
    assert [(label, mode) for label, _, mode in edge.placements] == [("a-15W", "15W"), ("a-0", 0), ("cpu", None)]


@pytest.mark.slow
def test_a_sweep_of_power_modes_is_measured_and_the_mode_restored(board: Path, tmp_path: Path) -> None:
    """In mode 0 the board takes 10 W and in mode 2 it takes 5 W."""
    jetson(board / "rails", "TX2")
    plan, ledger = planned(
        tmp_path,
        "[{name: cpu, power_modes: [0, 2], may_set_power_mode: true}]\n  grid_grams_per_kwh: 360",
        meter=f"ina3221:{board / 'rails'}",
        seconds=2.5,
    )
    run(plan, ledger, "anywhere", "here")
    zero, two = (ledger.record(job.key) for job in profiles(plan))
    assert zero is not None
    assert two is not None
    assert [record["result"]["power_mode"] for record in (zero, two)] == ["MODE_0", "MODE_2"]
    watts = [record["result"]["inference"][0]["energy"]["total"]["mean_watts"] for record in (zero, two)]
    assert watts == pytest.approx([10, 5])
    assert (board / "mode").read_text() == "1\n"
    training, *_ = edge_tables(RunResults(ledger.root))
    assert training.title.endswith("measured on cpu-0")
    assert any("Power mode MODE_0" in note for note in training.notes)
    assert "at 360 g/kWh as given in the study" in training.notes[0]


def test_grams_of_co2() -> None:
    assert grams_co2e(7.2e6, 380) == pytest.approx(760)
    assert grams_co2e(None, 380) is None
