"""A Ray of one run alone, on the cores of this machine. Its session has a folder of its own, which is removed."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.errors import InputError
from harness.execute.base import ProgressObserver
from harness.execute.session import Session

QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
MAX_FOLDER_BYTES = 40  # so that the path of a socket in Ray's session stays below the 107 bytes that Linux allows
NAME_BYTES = len("/ray-12345678")
SLOW_SECONDS = 20.0  # Ray gives up on its own processes after 30 s; a failure sooner than this has another reason


@contextmanager
def local_ray(ray: Any, cores: int, start_seconds: float, observer: ProgressObserver) -> Iterator[str]:
    """Start Ray, and end it and remove its folder afterwards, even if this process is killed. Yields the folder.

    start_seconds: how long to try again while Ray is too slow to start. Raises `InputError` if it does not start.
    """
    session, kept = _session(observer), False
    try:
        _start(ray, cores, session, start_seconds, observer)
        yield session.folder
    except RayDoesNotStart:
        kept = any(Path(session.folder).iterdir())  # the message names the logs in it
        raise
    finally:
        ray.shutdown()
        session.end(kept)


class RayDoesNotStart(InputError):
    """Ray does not start on this machine."""


def _start(ray: Any, cores: int, session: Session, start_seconds: float, observer: ProgressObserver) -> None:
    end = time.monotonic() + start_seconds
    while True:
        began = time.monotonic()
        try:
            with session.marking():
                # "local" keeps Ray from joining whatever an earlier `ray start` has left on this machine
                ray.init(address="local", num_cpus=cores, include_dashboard=False, _temp_dir=session.folder, **QUIET)
            return
        except Exception as error:  # a busy machine, or no room in /dev/shm or the temporary folder
            ray.shutdown()
            session.end_processes()  # of the incomplete start, which Ray would keep
            why = f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"
            if time.monotonic() - began < SLOW_SECONDS or time.monotonic() > end:
                raise RayDoesNotStart(_does_not_start(why, session.folder)) from error
        observer.note(
            f"Ray has not started within {time.monotonic() - began:.0f} s, probably because the machine is busy; "
            f"trying again for up to {max(0.0, end - time.monotonic()):.0f} s (--start-timeout)"
        )


def _does_not_start(why: str, folder: str) -> str:
    logs = f"; its logs are in {folder}" if any(Path(folder).iterdir()) else ""
    return (
        f"Ray does not start on this machine ({why}): it may be too busy, or /dev/shm or the temporary folder may be "
        f"full; run again later, allow more time with --start-timeout, or run without Ray with --inline{logs}"
    )


def _session(observer: ProgressObserver) -> Session:
    """A new session, with a folder whose path is short enough for the sockets that Ray makes in it."""
    default = os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()
    short = len(default.encode()) + NAME_BYTES <= MAX_FOLDER_BYTES
    try:
        session = Session(tempfile.mkdtemp(prefix="ray-", dir=default if short else "/tmp"))
    except OSError as error:
        raise InputError(f"there is no folder for the session of Ray: {error}; set TMPDIR to a short path") from error
    if not short:
        observer.note(f"{default} is too long for the sockets of Ray, whose session is in {session.folder}")
    return session
