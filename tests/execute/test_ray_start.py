"""A Ray that can't start is one message, and a temporary folder with a long name is no reason for it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock

import pytest

from harness.errors import InputError
from harness.execute import local_ray, session
from harness.execute.ray_tune import RayExecutor, _told_if_ray_dies


def job() -> Mock:
    return Mock(workers=1, threads=1, gpus=0, content={"device": "cpu"})


@pytest.mark.parametrize(
    "error", [OSError("AF_UNIX path too long"), ValueError("x\ny"), Exception("timed out"), TimeoutError()]
)
def test_a_ray_that_does_not_start_is_one_message(error: Exception) -> None:
    ray = Mock()
    ray.is_initialized.return_value = False
    ray.init.side_effect = error
    with (
        pytest.raises(InputError, match=r"Ray does not start on this machine .*--inline"),
        RayExecutor(perform=Mock())._connected(ray, [job()], Mock()),
    ):
        pass
    ray.shutdown.assert_called()


def test_ctrl_c_while_ray_starts_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(local_ray.tempfile, "mkdtemp", lambda **_: str(tmp_path / "session"))
    (tmp_path / "session").mkdir()
    ray = Mock()
    ray.init.side_effect = KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt), local_ray.local_ray(ray, 1, 1000, Mock()):
        pass
    ray.shutdown.assert_called_once()
    assert not list(tmp_path.iterdir())


KILLED = """
import os, shutil, subprocess, sys
from harness.execute.session import Session
session = Session(sys.argv[1])
unmarked = subprocess.Popen(["sleep", "60"], stderr=subprocess.DEVNULL)
with open(sys.argv[1] + "/log", "w") as log:  # as a process of Ray whose title hides its environment
    subprocess.Popen(["ray::Agent", "60"], executable=shutil.which("sleep"), stdout=log, stderr=subprocess.DEVNULL)
with session.marking():
    marked = subprocess.Popen(["sh", "-c", "setsid sleep 60 & exec sleep 60"], stderr=subprocess.DEVNULL)
print(unmarked.pid, marked.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
def test_a_killed_driver_leaves_neither_processes_nor_a_folder(tmp_path: Path) -> None:
    (folder := tmp_path / "session").mkdir()
    command = [sys.executable, "-c", KILLED, str(folder)]
    driver = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert driver.stdout
    unmarked, _ = map(int, driver.stdout.readline().split())
    while len(session._processes(str(folder))) < 3:  # with the one that has left its process group
        time.sleep(0.01)
    driver.kill()
    assert driver.stderr
    assert driver.stderr.read().decode() == f"{session.UNEXPECTED}\n"
    driver.wait()
    end = time.monotonic() + 20
    while folder.exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not folder.exists()
    assert session._processes(str(folder)) == []
    os.kill(unmarked, signal.SIGKILL)  # raises if it were gone


@pytest.mark.parametrize(("end", "said"), [("os._exit(1)", f"{session.UNEXPECTED}\n"), ("", "")])
def test_an_unexpected_end_on_a_cluster_is_said(end: str, said: str) -> None:
    code = f"import os\nfrom harness.execute.session import told_if_killed\nwith told_if_killed():\n    {end or 'pass'}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == said


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
def test_a_slow_start_is_tried_again_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock = iter(range(0, 1000, 25))
    monkeypatch.setattr(local_ray, "time", Mock(monotonic=lambda: float(next(clock))))
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")
    ray, observer, folders, started = Mock(), Mock(), set(), []

    def init(_temp_dir: str, **_: object) -> None:
        folders.add(Path(_temp_dir))
        (log := Path(_temp_dir) / "log").touch()
        started.append(process := subprocess.Popen(["tail", "-f", str(log)]))
        while process.pid not in session._processes(_temp_dir):  # it is still about to become `tail`
            time.sleep(0.01)
        if ray.init.call_count < 3:
            raise Exception("The current node timed out during startup.")

    ray.init.side_effect = init
    with local_ray.local_ray(ray, 1, 1000, observer):
        (folder,) = folders
        assert folder.is_dir()
        assert [process.wait(5) for process in started[:2]] == [-signal.SIGKILL] * 2  # of the failed starts
        started[2].kill()
    assert not folder.exists()
    assert [call.args[0].split(",")[0] for call in observer.note.call_args_list] == [
        "Ray has not started within 75 s"
    ] * 2
    ray.init.side_effect = Exception("The current node timed out during startup.")
    with (
        pytest.raises(InputError, match=r"Ray does not start .* timed out .* --start-timeout"),
        local_ray.local_ray(ray, 1, 50, observer),
    ):
        pass


@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
def test_the_session_of_ray_has_a_short_folder(variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (long := tmp_path / ("a" * 60)).mkdir()
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv(variable, str(long))
    monkeypatch.setattr("tempfile.tempdir", None)
    observer = Mock()
    made = local_ray._session(observer)
    assert Path(made.folder).is_dir()
    assert len(made.folder) < 40
    made.end()
    assert not Path(made.folder).exists()
    assert str(long) in observer.note.call_args.args[0]


def test_a_process_of_ray_that_dies_is_one_message() -> None:
    exceptions = pytest.importorskip("ray.exceptions")
    ray = Mock(exceptions=exceptions)
    with (
        pytest.raises(InputError, match=r"\(LocalRayletDiedError: .*\).* What is finished is kept"),
        _told_if_ray_dies(ray),
    ):
        raise exceptions.LocalRayletDiedError
    with pytest.raises(exceptions.RayTaskError), _told_if_ray_dies(ray):
        raise exceptions.RayTaskError("relay", "Traceback of our own code", ValueError())
