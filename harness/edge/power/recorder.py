"""The parent's side of the sampler: starts its process, collects the samples, and returns them as a trace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from types import TracebackType
from typing import Any

import numpy as np

from harness import registry
from harness.edge.power.energy import Trace
from harness.edge.power.meter import Channel, MeterError
from harness.edge.power.sampler import make_meter

START_SECONDS = 30.0
ANSWER_SECONDS = 5.0
STDERR_LINES = 20  # of the sampler's error output that are kept


class Recorder:
    """A running meter. Use it as ``with Recorder("ina3221") as recorder: …``, and call `trace`.

    meter: ``name`` or ``name:argument``. hertz: readings a second; None: the default of the meter.

    `start` raises `MeterError` if the meter cannot be read. Later errors are part of the trace.
    """

    def __init__(self, meter: str, hertz: float | None = None):
        self.meter, self._hertz = meter, hertz
        self._changed = threading.Condition()
        self._channels: tuple[Channel, ...] | None = None
        self._notes: tuple[str, ...] = ()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 — open as long as the child
        self._unreadable: str | None = None
        self._samples: list[list[float]] = []
        self._clock: list[tuple[float, float, float]] = []
        self._error: str | None = None
        self._ended = False

    def start(self) -> Recorder:
        make_meter(self.meter)  # so that an unknown name raises here and not in the child
        self._child = subprocess.Popen(
            [sys.executable, "-m", "harness.edge.power.sampler"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            start_new_session=True,  # Ctrl-C goes to the parent alone, which then stops the child in order
        )
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        self._send(json.dumps({"meter": self.meter, "hertz": self._hertz}))
        with self._changed:
            self._changed.wait_for(lambda: self._channels is not None or self._ended, START_SECONDS)
            channels = self._channels
        if channels is None:
            self._wait()
            raise MeterError(self._unreadable or self._error or "the sampler did not start in time")
        self.trace(until=0.0)  # so that the first sample precedes all that is measured
        return self

    def trace(self, until: float | None = None) -> Trace:
        """All samples so far. until: a time of the monotonic clock; wait for the first sample after it."""
        with self._changed:
            if until is not None and not self._ended:
                self._send("flush")
                deadline = time.monotonic() + ANSWER_SECONDS
                while (
                    not self._ended
                    and (not self._samples or self._samples[-1][0] < until)
                    and time.monotonic() < deadline
                ):
                    self._changed.wait(0.1)
                    self._send("flush")
            channels = self._channels or ()
            values = np.array(self._samples, dtype=np.float64).reshape(-1, 1 + len(channels))
            clock = np.array(self._clock, dtype=np.float64).reshape(-1, 3)
            return Trace(self.meter, channels, self._rate, values[:, 0], values[:, 1:], clock, self._error, self._notes)

    def stop(self) -> Trace:
        """Stop the sampler, and return all samples."""
        self._send("stop")
        self._wait()
        return self.trace()

    def __enter__(self) -> Recorder:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def stderr(self) -> str:
        """The last lines that the sampler's process has written to its error output."""
        file = self._stderr.fileno()  # shared with the child: reading must not move its position
        text = os.pread(file, os.fstat(file).st_size, 0).decode(errors="replace")
        return "\n".join(text.splitlines()[-STDERR_LINES:])

    def _send(self, text: str) -> None:
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(text + "\n")
            self._child.stdin.flush()
        except (BrokenPipeError, ValueError):
            pass  # the child is gone, which `_listen` records

    def _wait(self) -> None:
        try:
            self._child.wait(ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._thread.join(ANSWER_SECONDS)

    def _listen(self) -> None:
        assert self._child.stdout is not None
        ended = False
        for line in self._child.stdout:
            try:
                message: dict[str, Any] = json.loads(line)
            except ValueError:
                continue  # a line cut off when the child died, or output of some library
            with self._changed:
                ended = self._take(message) or ended
                self._changed.notify_all()
        status = self._child.wait()
        with self._changed:
            if not ended:
                last = self.stderr.splitlines()[-1:]
                self._error = ": ".join([f"the sampler's process died (status {status})", *last])
            self._ended = True
            self._changed.notify_all()

    def _take(self, message: dict[str, Any]) -> bool:
        """Process one message of the sampler. Returns whether it was the last one."""
        if "channels" in message:
            self._channels = tuple(Channel(**channel) for channel in message["channels"])
            self._notes = tuple(message["notes"])
            self._rate: float = message["hertz"]
        elif "samples" in message:
            self._samples += message["samples"]
            self._clock.append((message["at"], message["wall_offset"], message["cpu_seconds"]))
        elif "unreadable" in message:
            self._unreadable = message["unreadable"]
            return True
        elif "end" in message:
            self._error = message["end"] or None
            return True
        return False


def probe(meter: str) -> str | None:
    """Why a meter cannot be read at the moment; None if it can."""
    try:
        with Recorder(meter) as recorder:
            trace = recorder.trace(until=time.monotonic())
    except MeterError as error:
        return str(error)
    return trace.error or (None if len(trace.times) else "the meter gave no reading")


def choose(meter: str, device: str) -> tuple[str | None, dict[str, str]]:
    """Choose the meter for work on a device, as PyTorch names it ("cpu", "cuda", "cuda:1").

    meter: ``auto`` for the first that can be read, ``none``, or the name of a meter. Returns the name of the chosen
    meter with the argument that restricts it to the device, or None, and the reason against each meter that was tried
    in vain.
    """
    if meter == "none":
        return None, {"none": "the study asks for no meter"}
    names = [meter]
    if meter == "auto":
        plugins = [(registry.get("meters", name), name) for name in registry.paths("meters")]
        names = [
            name
            for plugin, name in sorted(plugins, key=lambda p: (p[0].rank or 0, p[1]))
            if plugin.rank and device.partition(":")[0] in plugin.devices
        ]
    tried: dict[str, str] = {}
    for name in names:
        argument = "" if ":" in name else registry.get("meters", name).argument_for(device)
        full = f"{name}:{argument}" if argument else name
        if (reason := probe(full)) is None:
            return full, tried
        tried[name] = reason
    return None, tried
