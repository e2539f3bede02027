"""Sets the power mode of a Jetson with ``nvpmodel`` for the time of a measurement, and restores the mode that it had.

A study has to allow it (``may_set_power_mode``). It needs the rights of root, or ``sudo`` without a password for
nvpmodel. If the measuring process is killed, the next measurement on the device restores the mode of before.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platformdirs import user_state_path

CONFIGURATION = Path("/etc/nvpmodel.conf")
MODEL = re.compile(r"<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+?)\s*>")
SETTLE_SECONDS = 2.0  # until the clocks of the new mode are in force
LIMIT_SECONDS = 30.0


class PowerModeError(Exception):
    """The power mode cannot be read, set or restored; the message says why."""


@contextmanager
def power_mode_set(mode: int | str | None) -> Iterator[str | None]:
    """Set a power mode, yield its name, and restore the mode of before. With None, nothing is changed.

    mode: the number or the name of a mode. SIGTERM and SIGHUP end the process only after the mode has been restored.
    Raises `PowerModeError` if the mode cannot be set, or if nvpmodel then reports another one.
    """
    if mode is None:
        yield None
        return
    _, number = read_mode()
    kept = user_state_path("cosmo-harness", appauthor=False) / "power-mode"  # modes outlive a restart, and so does this
    if kept.is_file():
        number = _number_in(kept)  # an earlier measurement was killed before it restored the mode
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(str(number), encoding="ascii")
    with _terminated_in_order():
        try:
            yield _set(number_of(mode))
        finally:
            _set(number)
            kept.unlink()


def read_mode() -> tuple[str, int]:
    """Name and number of the current mode. Raises `PowerModeError` if nvpmodel cannot tell."""
    output = _nvpmodel("-q")
    name = re.search(r"^NV Power Mode:\s*(\S+)", output, re.MULTILINE)
    numbers = re.findall(r"^\s*(\d+)\s*$", output, re.MULTILINE)
    if not name or not numbers:
        raise PowerModeError(f"`nvpmodel -q` gave an unexpected answer: {' '.join(output.split())[:200]!r}")
    return name[1], int(numbers[-1])


def number_of(mode: int | str, configuration: Path = CONFIGURATION) -> int:
    """The number of a mode that is given by number or name. Raises `PowerModeError` if there is no such mode."""
    if isinstance(mode, int):
        return mode
    try:
        modes = {name: int(number) for number, name in MODEL.findall(configuration.read_text(encoding="utf-8"))}
    except OSError as error:
        raise PowerModeError(f"{configuration} cannot be read: {error}; give the number of the mode") from error
    if mode not in modes:
        raise PowerModeError(f"this board has no power mode {mode!r}; it has {', '.join(modes)}")
    return modes[mode]


def _number_in(kept: Path) -> int:
    text = kept.read_text(encoding="utf-8", errors="replace").strip()
    if not re.fullmatch("[0-9]{1,3}", text):
        raise PowerModeError(f"{kept} should hold the number of a power mode: set the mode by hand and remove the file")
    return int(text)


def _set(number: int) -> str:
    """Set a mode and return its name."""
    name, now = read_mode()
    if now == number:
        return name
    _nvpmodel("-m", str(number), as_root=True)
    name, now = read_mode()
    if now != number:
        raise PowerModeError(f"power mode {number} was set, but nvpmodel reports {now}: does it need a restart?")
    time.sleep(SETTLE_SECONDS)
    return name


def _nvpmodel(*arguments: str, as_root: bool = False) -> str:
    program = shutil.which("nvpmodel") or shutil.which("nvpmodel", path="/usr/sbin")
    if program is None:
        raise PowerModeError("the study sets power modes, but there is no nvpmodel: this is not a Jetson")
    command = [*(["sudo", "-n"] if as_root and os.geteuid() else []), program, *arguments]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PowerModeError(f"`{' '.join(command)}` failed: {error}") from error
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())
        hint = f"; allow it with a line in sudoers: {getpass.getuser()} ALL=(root) NOPASSWD: {program}"
        raise PowerModeError(f"`{' '.join(command)}` failed: {said}" + (hint if "sudo" in command else ""))
    return done.stdout


@contextmanager
def _terminated_in_order() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise SystemExit, so that what has to be restored is restored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda number, _: sys.exit(128 + number)) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
