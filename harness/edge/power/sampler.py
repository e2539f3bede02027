"""The sampler: a separate process that reads a meter at a steady rate, so that the measured work cannot delay it.

It receives the meter as a line of JSON on standard input. On standard output it writes lines of JSON: its channels,
samples about once a second, and how it ended. It ends on ``stop``, or when its parent is gone. To start fast and use
little memory, it imports neither NumPy nor torch.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from typing import Any, TextIO

from harness import registry
from harness.edge.power.meter import Meter, MeterError

REPORT_SECONDS = 1.0
MAX_MISSES = 10  # this many failed readings in a row mean that the meter is lost


def make_meter(spec: str) -> Meter:
    """Create the meter for ``name`` or ``name:argument``. Raises `harness.errors.InputError` if the name is unknown."""
    name, _, argument = spec.partition(":")
    meter: Meter = registry.get("meters", name)(argument)
    return meter


class Sampler:
    """Reads a meter until its parent stops it."""

    def __init__(self, meter: Meter, hertz: float | None, out: TextIO):
        self._meter, self._out = meter, out
        if hertz:
            meter.hertz = hertz
        self._stop, self._flush = threading.Event(), threading.Event()
        self._batch: list[list[float]] = []

    def send(self, **message: Any) -> None:
        self._out.write(json.dumps(message) + "\n")
        self._out.flush()

    def listen(self, commands: TextIO) -> None:
        """Follow the commands of the parent until ``stop`` or the end of the stream."""
        for line in commands:
            if line.strip() == "stop":
                break
            self._flush.set()
        self._stop.set()

    def run(self) -> None:
        """Open the meter, read it until stopped, and close it. Errors are sent to the parent, after all samples."""
        try:
            channels = self._meter.open()
        except MeterError as error:
            self.send(unreadable=str(error))
            return
        except Exception as error:  # a fault of the meter: its traceback goes to the error output
            traceback.print_exc()
            self.send(unreadable=f"{type(error).__name__}: {error}")
            return
        self._n_channels = len(channels)
        notes = list(self._meter.notes)
        self.send(channels=[channel.to_json() for channel in channels], hertz=self._meter.hertz, notes=notes)
        why = ""
        try:
            self._sample()
        except MeterError as error:
            why = str(error)
        self._send_batch()
        self.send(end=why, at=time.monotonic())
        self._meter.close()

    def _sample(self) -> None:
        period, due, sent, misses = 1 / self._meter.hertz, time.monotonic(), time.monotonic(), 0
        last = False
        while not last:
            last = self._stop.is_set()  # one more sample, so that the end of the window lies before the last one
            misses = self._read(misses)
            now = time.monotonic()
            if now - sent >= REPORT_SECONDS or self._flush.is_set():
                self._flush.clear()
                self._send_batch()
                sent = now
            if not self._meter.paced:
                due += period
                if due <= now:
                    due = now + period  # running late: missed readings are not made up for
                self._stop.wait(due - now)

    def _read(self, misses: int) -> int:
        """Take a sample. misses: failed readings in a row so far. Returns their number after this one."""
        before = time.monotonic()
        try:
            values = [float(value) for value in self._meter.read()]
            if len(values) != self._n_channels:
                raise ValueError(f"{len(values)} values for {self._n_channels} channels")
        except PermissionError as error:
            raise MeterError(f"permission lost: {error}") from error
        except MeterError:
            raise
        except Exception as error:  # a reading that failed, or a fault of the meter
            if misses + 1 >= MAX_MISSES:
                traceback.print_exc()
                what = error if isinstance(error, (OSError, ValueError)) else f"{type(error).__name__}: {error}"
                raise MeterError(f"{MAX_MISSES} readings in a row failed: {what}") from error
            return misses + 1
        after = time.monotonic()
        self._batch.append([after if self._meter.paced else (before + after) / 2, *values])
        return 0

    def _send_batch(self) -> None:
        now = time.monotonic()
        self.send(samples=self._batch, at=now, wall_offset=time.time() - now, cpu_seconds=time.process_time())
        self._batch = []


def main() -> None:
    """Run a sampler with the meter and rate given on standard input."""
    settings = json.loads(sys.stdin.readline())
    try:
        sampler = Sampler(make_meter(settings["meter"]), settings["hertz"], sys.stdout)
        threading.Thread(target=sampler.listen, args=(sys.stdin,), daemon=True).start()
        sampler.run()
    except BrokenPipeError:  # the parent is gone
        os._exit(1)
    os._exit(0)  # do not wait for the listening thread, nor for threads of a client library


if __name__ == "__main__":
    main()
