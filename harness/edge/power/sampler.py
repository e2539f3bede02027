"""The sampler: a process of its own that reads a meter at a steady pace, so that the work it measures can't hold it up.

It is told the meter in one line of JSON on standard input, and says on standard output, one JSON a line: what it will read
(``channels``), samples about once a second, and how it ended. It ends when told ``stop``, or when its parent is gone. Imports
nothing heavy: neither NumPy nor torch.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any, TextIO

from harness import registry
from harness.edge.power.meter import Meter, MeterError

TELL_SECONDS = 1.0
MISSES = 10  # readings that may fail one after another before the meter counts as gone


def make_meter(spec: str) -> Meter:
    """The meter behind ``name`` or ``name:argument``. Raises `harness.errors.InputError` for a name that there is not."""
    name, _, argument = spec.partition(":")
    meter: Meter = registry.get("meters", name)(argument)
    return meter


class Sampler:
    """Reads a meter until it is told to stop."""

    def __init__(self, meter: Meter, hertz: float | None, out: TextIO):
        self._meter, self._out = meter, out
        if hertz:
            meter.hertz = hertz
        self._stop, self._flush = threading.Event(), threading.Event()
        self._batch: list[list[float]] = []

    def tell(self, **what: Any) -> None:
        self._out.write(json.dumps(what) + "\n")
        self._out.flush()

    def listen(self, commands: TextIO) -> None:
        """Obey what the parent says; its end is the end."""
        for line in commands:
            if line.strip() == "stop":
                break
            self._flush.set()
        self._stop.set()

    def run(self) -> None:
        """Open, read, close. Whatever goes wrong is told, with what was read before."""
        try:
            channels = self._meter.open()
        except MeterError as error:
            self.tell(unreadable=str(error))
            return
        self.tell(channels=[channel.to_json() for channel in channels], hertz=self._meter.hertz)
        why = ""
        try:
            self._sample()
        except MeterError as error:
            why = str(error)
        self._tell_batch()
        self.tell(end=why, at=time.monotonic())
        self._meter.close()

    def _sample(self) -> None:
        period, due, told, misses = 1 / self._meter.hertz, time.monotonic(), time.monotonic(), 0
        last = False
        while not last:
            last = self._stop.is_set()  # one sample more: the window's edge lies before it
            misses = self._read(misses)
            now = time.monotonic()
            if now - told >= TELL_SECONDS or self._flush.is_set():
                self._flush.clear()
                self._tell_batch()
                told = now
            if not self._meter.paced:
                due += period
                if due <= now:
                    due = now + period  # too late: the readings that were missed stay missed
                self._stop.wait(due - now)

    def _read(self, misses: int) -> int:
        """Take a sample; how many have failed one after another."""
        before = time.monotonic()
        try:
            values = self._meter.read()
        except PermissionError as error:
            raise MeterError(f"permission lost: {error}") from error
        except (OSError, ValueError) as error:
            if misses + 1 >= MISSES:
                raise MeterError(f"{MISSES} readings failed one after another: {error}") from error
            return misses + 1
        after = time.monotonic()
        self._batch.append([after if self._meter.paced else (before + after) / 2, *values])
        return 0

    def _tell_batch(self) -> None:
        now = time.monotonic()
        self.tell(samples=self._batch, at=now, wall_offset=time.time() - now, cpu_seconds=time.process_time())
        self._batch = []


def main() -> None:
    """The process' whole life."""
    asked = json.loads(sys.stdin.readline())
    try:
        sampler = Sampler(make_meter(asked["meter"]), asked["hertz"], sys.stdout)
        threading.Thread(target=sampler.listen, args=(sys.stdin,), daemon=True).start()
        sampler.run()
    except BrokenPipeError:  # the parent is gone
        os._exit(1)
    os._exit(0)  # not waiting for the thread that listens, nor for a client library's threads


if __name__ == "__main__":
    main()
