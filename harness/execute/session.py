"""A temporary folder, and the processes that belong to it, which do not outlive the process that made it.

Run as a program, this module waits until its standard input is closed, which the operating system does when the process
at the other end has ended, even by SIGKILL. It then says so and, if it was given a folder, ends the session of that
folder. It imports nothing but the standard library, so that it starts quickly and needs little memory.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MARK = "HARNESS_SESSION"  # the environment variable that processes of a session have; it names its folder
END, KEEP = b"end", b"keep"  # sent to the watcher if the session ends in order
UNEXPECTED = (
    "the run has ended unexpectedly: its process or one of Ray was killed, or the machine ran out of memory. "
    "What is finished is kept: the same command goes on"
)
END_SECONDS = 5.0  # processes may still start others, or write to their logs, while they are ended


@contextmanager
def told_if_killed() -> Iterator[None]:
    """Let a watching process say so if this process ends without leaving the context."""
    watcher = _watcher()
    try:
        yield
    finally:
        watcher.communicate(END)


def _watcher(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-IS", __file__, *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if name != MARK},
        start_new_session=True,  # neither Ctrl-C nor the end of the process group reaches it
        cwd="/",
    )  # fmt: skip


class Session:
    """A folder with a watching process, which ends the session if this process ends without doing so."""

    def __init__(self, folder: str):
        self.folder = folder
        self._watcher = _watcher(folder)

    @contextmanager
    def marking(self) -> Iterator[None]:
        """Mark the processes that are started meanwhile, and those that they start, as processes of the session."""
        before = os.environ.get(MARK)
        os.environ[MARK] = self.folder
        try:
            yield
        finally:
            if before is None:
                del os.environ[MARK]
            else:
                os.environ[MARK] = before

    def end_processes(self) -> None:
        """Kill the processes of the session."""
        end_processes(self.folder)

    def end(self, keep_folder: bool = False) -> None:
        """Kill the processes of the session and remove its folder."""
        self.end_processes()
        self._watcher.communicate(KEEP if keep_folder else END)


def end_processes(folder: str, scans: int = 3) -> None:
    """Kill the processes of the session with this folder, as far as the system tells which they are.

    scans: how often to find none before it is believed, because one that has just started is not marked for a moment.
    """
    end, scans_without = time.monotonic() + END_SECONDS, 0
    while scans_without < scans and time.monotonic() < end:
        found = _processes(folder)
        for pid in found:
            with suppress(OSError):  # it has ended
                os.kill(pid, signal.SIGKILL)
        scans_without = 0 if found else scans_without + 1
        time.sleep(0.05)


def _processes(folder: str) -> list[int]:
    """The living processes of a session."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc") if os.path.isdir("/proc") else ()):
        with suppress(OSError):  # it has ended, or belongs to another user
            if _is_marked(pid, folder) or works_for_ray(pid, folder):
                found.append(int(pid))
    return found


def _is_marked(pid: str, folder: str) -> bool:
    return f"{MARK}={folder}".encode() in Path("/proc", pid, "environ").read_bytes().split(b"\0")


def works_for_ray(pid: str, folder: str) -> bool:
    """Whether it has a title of Ray, which may hide its environment, and a file in the folder open."""
    if not Path("/proc", pid, "cmdline").read_bytes().startswith(b"ray::"):
        return False
    return any(os.readlink(file).startswith(f"{folder}/") for file in Path("/proc", pid, "fd").iterdir())


def remove(folder: str) -> None:
    """Remove a folder, even if files are added to it for a while."""
    end = time.monotonic() + END_SECONDS
    while os.path.exists(folder) and time.monotonic() < end:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.05)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    message = sys.stdin.buffer.read()
    for folder in sys.argv[1:]:
        end_processes(folder, scans=3 if message else 40)  # after an unexpected end, nobody waits for this program
        if message != KEEP:
            remove(folder)
    if not message:
        print(UNEXPECTED, file=sys.stderr)


if __name__ == "__main__":
    main()
