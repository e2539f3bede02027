"""A Ray of one run alone, on the cores of this machine. Its session has a folder of its own, which is removed."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from harness.errors import InputError
from harness.execute.base import ProgressObserver

QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
MAX_FOLDER_BYTES = 40  # so that the path of a socket in Ray's session stays below the 107 bytes that Linux allows
NAME_BYTES = len("/ray-12345678")
SLOW_SECONDS = 20.0  # Ray gives up on its own processes after 30 s; a failure sooner than this has another reason
ABANDON_SCANS = 3  # a process has no command line for a moment when it starts
REMOVAL_SECONDS = 5.0  # Ray's processes may still write to their logs while they end


@contextmanager
def local_ray(ray: Any, cores: int, start_seconds: float, observer: ProgressObserver) -> Iterator[None]:
    """Start Ray, and end it and remove its folder afterwards.

    start_seconds: how long to try again while Ray is too slow to start. Raises `InputError` if it does not start.
    """
    folder = _session_folder(observer)
    try:
        _start(ray, cores, folder, start_seconds, observer)
    except InputError:  # it may name logs in the folder
        raise
    except BaseException:  # Ctrl-C
        _abandon(ray, folder)
        _remove(folder)
        raise
    try:
        yield
    finally:
        ray.shutdown()
        _remove(folder)


def _start(ray: Any, cores: int, folder: str, start_seconds: float, observer: ProgressObserver) -> None:
    end = time.monotonic() + start_seconds
    while True:
        began = time.monotonic()
        try:
            # "local" keeps Ray from joining whatever an earlier `ray start` has left on this machine
            ray.init(address="local", num_cpus=cores, include_dashboard=False, _temp_dir=folder, **QUIET)
            return
        except Exception as error:  # a busy machine, or no room in /dev/shm or the temporary folder
            _abandon(ray, folder)
            why = f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"
            if time.monotonic() - began < SLOW_SECONDS or time.monotonic() > end:
                raise InputError(_does_not_start(why, folder)) from error
        observer.note(
            f"Ray has not started within {time.monotonic() - began:.0f} s, probably because the machine is busy; "
            f"trying again for up to {max(0.0, end - time.monotonic()):.0f} s (--start-timeout)"
        )


def _abandon(ray: Any, folder: str) -> None:
    """Kill the processes of an incomplete start, which Ray would keep. They name the folder."""
    ray.shutdown()
    for _ in range(ABANDON_SCANS):
        for command_line in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):  # it has ended, or belongs to another user
                if folder.encode() in command_line.read_bytes():
                    os.kill(int(command_line.parent.name), signal.SIGKILL)
        time.sleep(0.1)


def _does_not_start(why: str, folder: str) -> str:
    if any(Path(folder).iterdir()):
        logs = f"; its logs are in {folder}"
    else:
        os.rmdir(folder)
        logs = ""
    return (
        f"Ray does not start on this machine ({why}): it may be too busy, or /dev/shm or the temporary folder may be "
        f"full; run again later, allow more time with --start-timeout, or run without Ray with --inline{logs}"
    )


def _session_folder(observer: ProgressObserver) -> str:
    """A new folder for Ray's session, with a path that is short enough for the sockets in it."""
    default = os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()
    short = len(default.encode()) + NAME_BYTES <= MAX_FOLDER_BYTES
    try:
        folder = tempfile.mkdtemp(prefix="ray-", dir=default if short else "/tmp")
    except OSError as error:
        raise InputError(f"there is no folder for the session of Ray: {error}; set TMPDIR to a short path") from error
    if not short:
        observer.note(f"{default} is too long for the sockets of Ray, whose session is in {folder}")
    return folder


def _remove(folder: str) -> None:
    end = time.monotonic() + REMOVAL_SECONDS
    while os.path.exists(folder):
        shutil.rmtree(folder, ignore_errors=True)
        if time.monotonic() > end:
            return
        time.sleep(0.05)
