"""The lock of a device. Of all measurements on it one runs at a time, whichever user starts them.

On Linux the lock is an abstract Unix socket, which every user can ask for and which ends with its process: there is no
file that another user could own, replace or keep. Containers with networks of their own do not see each other's socket.
On other systems the lock is a file in the user's runtime folder, which only excludes measurements of the same user.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from harness.edge.power.rails_agent import LOCK_NAME
from harness.errors import InputError

NAME = LOCK_NAME
PAUSE_SECONDS = 0.2  # between two attempts to get the lock
_CREDENTIALS = struct.Struct("3i")  # process, user and group, as in the manual page unix(7)


@contextmanager
def device_lock(on_wait: Callable[[str], None], name: str = NAME) -> Iterator[None]:
    """Hold the lock, which is released however the process ends.

    on_wait: called once if another process holds the lock, with a text that says so.
    """
    with _socket_lock(name, on_wait) if sys.platform == "linux" else _file_lock(name, on_wait):
        yield


@contextmanager
def _socket_lock(name: str, on_wait: Callable[[str], None]) -> Iterator[None]:
    address, waited = f"\0{name}", False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as lock:
        while not _bound(lock, address):
            if not waited:
                on_wait(f"another measurement{_holder(address)} is running on this device")
                waited = True
            time.sleep(PAUSE_SECONDS)
        lock.listen()  # so that `_holder` can connect
        yield


def _bound(lock: socket.socket, address: str) -> bool:
    try:
        lock.bind(address)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return False
    return True


def _holder(address: str) -> str:
    """`` (process 12 of user 1000)``; "" if that cannot be known."""
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.setblocking(False)
        other.connect(address)
        process, user, _ = _CREDENTIALS.unpack(
            other.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )
        return f" (process {process} of user {user})"
    return ""


@contextmanager
def _file_lock(name: str, on_wait: Callable[[str], None]) -> Iterator[None]:
    lock = FileLock(runtime_folder() / f"{name}.lock", mode=0o600)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        on_wait("another measurement is running on this device")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def runtime_folder() -> Path:
    """The user's folder for files of running processes, which no other user can enter.

    It is in ``XDG_RUNTIME_DIR``, or else in the folder for temporary files. Raises `InputError` if it belongs to
    another user or is a link.
    """
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    usable = bool(given) and os.access(given, os.W_OK)
    folder = Path(given, "cosmo-harness") if usable else Path(tempfile.gettempdir(), f"cosmo-harness-{os.getuid()}")
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
        raise InputError(f"{folder} is not a folder of this user: remove it, or set XDG_RUNTIME_DIR to one that is")
    folder.chmod(0o700)
    return folder
