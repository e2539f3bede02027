"""Reads the power rails of a Jetson, and runs a command meanwhile: a single file that a device can run by itself.

It needs Python 3.6 and its standard library alone, for boards whose JetPack has nothing newer, and its text is ASCII,
which is all that Python 3.6 takes from a command line in the locale C. `harness edge meter` sends it over SSH, so that
nothing is installed on the device; the meter ``ina3221`` shares its functions. On standard output it writes lines of
JSON: the rails, their samples, and the marks of what happened in between, all in seconds of the device's
monotonic clock. The command's own output goes to standard error.
"""

import argparse
import errno
import glob
import json
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from typing import Any, Callable, Iterator, List, NamedTuple, Optional

CHIPS = ("ina3221", "ina238")
REPORT_SECONDS = 1.0
REST_SECONDS = 1.0  # between the idle phase and the command
LOCK_NAME = "cosmo-harness-measuring"  # of the abstract socket that is the lock of a device, see device_lock.py


class Rail(NamedTuple):
    """A rail: its label, the i2c address of its chip, and the function that reads its watts.

    note: what a reader of its figures must know; "" if there is nothing.
    """

    label: str
    address: str
    read: Callable[[], float]
    note: str


def find_rails(root: str) -> List[Rail]:
    """All rails under a path such as /sys, by label and address. Those that are not connected (NC) are left out."""
    found = []  # type: List[Rail]
    for device in sorted(glob.glob(os.path.join(root, "bus/i2c/devices/*-00*"))):
        name, address = _text(os.path.join(device, "name")), os.path.basename(device)
        if not name.startswith(CHIPS):
            continue
        for folder in sorted(glob.glob(os.path.join(device, "hwmon/hwmon*"))):
            found += _ina238(folder, address) if name.startswith("ina238") else _hwmon(folder, address)
        for folder in sorted(glob.glob(os.path.join(device, "iio:device*"))):
            found += _iio(folder, address)
    return sorted(found, key=lambda rail: (rail.label, rail.address))


def unreadable(rail: Rail) -> Optional[str]:
    """Why a rail cannot be read; None if it can."""
    try:
        rail.read()
    except PermissionError as error:
        return f"permission: {error.filename} cannot be read"
    except (OSError, ValueError) as error:
        return f"rail {rail.label} cannot be read: {error}"
    return None


def _ina238(folder: str, address: str) -> Iterator[Rail]:
    """The input of an INA238: power1_input in microwatts, or else in1_input in mV times curr1_input in mA."""
    power = os.path.join(folder, "power1_input")
    if os.path.exists(power):
        yield Rail("VIN", address, _scaled(1e-6, power), "")
        return
    files = [os.path.join(folder, name) for name in ("in1_input", "curr1_input")]
    yield Rail("VIN", address, _scaled(1e-6, *files), "VIN is voltage times current: its INA238 gives no power")


def _hwmon(folder: str, address: str) -> Iterator[Rail]:
    """The channels of an hwmon folder: in*_input in mV, curr*_input in mA."""
    for path in sorted(glob.glob(os.path.join(folder, "in*_label"))):
        label, number = _text(path), os.path.basename(path)[len("in") : -len("_label")]
        files = [os.path.join(folder, name.format(number)) for name in ("in{}_input", "curr{}_input")]
        if _is_rail(label) and os.path.exists(files[1]):
            yield Rail(label, address, _scaled(1e-6, *files), "")


def _iio(folder: str, address: str) -> Iterator[Rail]:
    """The channels of an iio folder: in_power*_input in mW."""
    for path in sorted(glob.glob(os.path.join(folder, "rail_name_*"))):
        label, number = _text(path), os.path.basename(path)[len("rail_name_") :]
        if _is_rail(label):
            yield Rail(label, address, _scaled(1e-3, os.path.join(folder, f"in_power{number}_input")), "")


def _is_rail(label: str) -> bool:
    return bool(label) and label != "NC" and not label.startswith("sum of")


def _scaled(scale: float, *paths: str) -> Callable[[], float]:
    """A function that reads files and returns the product of their numbers, times ``scale``."""

    def read() -> float:
        value = scale
        for path in paths:
            words = read_file(path).split()
            if not words:
                raise ValueError(f"{path} is empty")
            value *= int(words[0])
        return value

    return read


def read_file(path: str) -> str:
    """The text of a regular file of at most 4096 bytes, as all of sysfs. Raises OSError for a device or a pipe."""
    with open(path, "rb", opener=_open_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(f"{path} is not a regular file")
        return file.read(4096).decode("utf-8", "replace")


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without waiting, as for the writer of a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def _text(path: str) -> str:
    try:
        return read_file(path).strip()
    except OSError:
        return ""


# -- the agent ---------------------------------------------------------------------------------------------------------


class _Reader:
    """Reads the rails at a steady rate in a thread, and writes them about once a second."""

    def __init__(self, rails: List[Rail], hertz: float):
        self._rails, self._period = rails, 1 / hertz
        self._batch = []  # type: List[List[Any]]
        self._over, self._begun, self._lock = threading.Event(), threading.Event(), threading.Lock()
        self.broken = threading.Event()  # nobody reads the output any more
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Start reading, and wait for the first sample, so that it precedes all that is measured."""
        self._thread.start()
        self._begun.wait()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def send(self, **message: Any) -> None:
        try:
            with self._lock:
                sys.stdout.write(json.dumps(message) + "\n")
                sys.stdout.flush()
        except OSError:
            self.broken.set()

    def _run(self) -> None:
        due = sent = time.monotonic()
        last = False
        while not last:
            last = self._over.is_set()  # one more sample, so that the end of the window lies before the last one
            before = time.monotonic()
            values = [_value(rail) for rail in self._rails]
            now = time.monotonic()
            self._batch.append([(before + now) / 2] + values)
            self._begun.set()
            if last or now - sent >= REPORT_SECONDS:
                self.send(samples=self._batch)
                self._batch, sent = [], now
            due = max(due + self._period, now)
            self._over.wait(due - now)


def _value(rail: Rail) -> Optional[float]:
    try:
        return rail.read()
    except (OSError, ValueError):
        return None


def _lock(reader: _Reader) -> socket.socket:
    """Wait until no other measurement runs on this device. Those that start later wait until the socket is closed."""
    lock, waited = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), False
    while True:
        try:
            lock.bind("\0" + LOCK_NAME)
            lock.listen(1)  # so that the others can ask which process holds it
            return lock
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        if not waited:
            sys.stderr.write("another measurement is running on this device: waiting for its end\n")
            waited = True
        reader.send(waiting=True)
        if reader.broken.is_set():
            sys.exit(1)
        time.sleep(0.2)


def _run_command(command: List[str], reader: _Reader) -> None:
    """Run a command and send when it started and ended. It is ended if nobody reads the output any more."""
    try:
        start = time.monotonic()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    except OSError as error:
        reader.send(failed=f"{command[0]} cannot be run: {error}")
        return
    ended = []  # type: List[float]

    def wait() -> None:
        child.wait()
        ended.append(time.monotonic())

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    while waiting.is_alive() and not reader.broken.is_set():
        waiting.join(0.2)
    if waiting.is_alive():
        child.terminate()
        return
    reader.send(mark="work", start=start, end=ended[0], status=child.returncode)


def main() -> None:
    """Run the agent: ``python3 rails_agent.py [options] [COMMAND ...]``."""
    parser = argparse.ArgumentParser(description="Read the power rails of a Jetson while a command runs.")
    parser.add_argument("--root", default="/sys")
    parser.add_argument("--hertz", type=float, default=20.0)
    parser.add_argument("--idle", type=float, default=0.0, help="seconds of rest before the command")
    parser.add_argument("--seconds", type=float, default=0.0, help="time to measure without a command")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    rails = find_rails(arguments.root)
    reasons = [unreadable(rail) for rail in rails]
    reader = _Reader([rail for rail, why in zip(rails, reasons) if why is None], arguments.hertz)
    about = [
        {"label": rail.label, "address": rail.address, "note": rail.note, "unreadable": why}
        for rail, why in zip(rails, reasons)
    ]
    reader.send(rails=about, board=_text("/proc/device-tree/model").strip("\0"))
    if all(reasons):
        return  # no rail can be read
    lock = _lock(reader)
    reader.start()
    if arguments.idle:
        start = time.monotonic()
        time.sleep(arguments.idle)
        reader.send(mark="idle", start=start, end=time.monotonic())
        time.sleep(REST_SECONDS)
    if arguments.command:
        _run_command(arguments.command, reader)
    else:
        start = time.monotonic()
        while time.monotonic() < start + arguments.seconds and not reader.broken.is_set():
            time.sleep(min(0.2, max(0.0, start + arguments.seconds - time.monotonic())))
        reader.send(mark="work", start=start, end=time.monotonic(), status=0)
    reader.stop()
    lock.close()
    reader.send(ended=True)


if __name__ == "__main__":
    main()
