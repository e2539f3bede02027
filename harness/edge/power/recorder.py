"""The parent's end of the sampler: starts it, collects what it says, and gives it out as a trace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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


class Recorder:
    """A running meter: ``with Recorder("ina3221") as recorder: …``, then `trace`.

    meter: ``name`` or ``name:argument``. hertz: readings a second; None: the meter's own. Raises `MeterError` from `start`
    if the meter can't be read; what goes wrong later stands in the trace.
    """

    def __init__(self, meter: str, hertz: float | None = None):
        self.meter, self._hertz = meter, hertz
        self._changed = threading.Condition()
        self._channels: tuple[Channel, ...] | None = None
        self._unreadable: str | None = None
        self._samples: list[list[float]] = []
        self._clock: list[tuple[float, float, float]] = []
        self._error: str | None = None
        self._over = False

    def start(self) -> Recorder:
        make_meter(self.meter)  # a name that there is not is said here, not over there
        self._child = subprocess.Popen(
            [sys.executable, "-m", "harness.edge.power.sampler"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            start_new_session=True,  # Ctrl-C is for the parent, which then stops it in order
        )
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        self._say(json.dumps({"meter": self.meter, "hertz": self._hertz}))
        with self._changed:
            self._changed.wait_for(lambda: self._channels is not None or self._over, START_SECONDS)
            channels = self._channels
        if channels is None:
            self._end()
            raise MeterError(self._unreadable or self._error or "the sampler did not start in time")
        self.trace(until=0.0)  # its first sample lies before whatever is measured
        return self

    def trace(self, until: float | None = None) -> Trace:
        """All that was sampled so far. until: wait for a sample after this moment of the monotonic clock."""
        with self._changed:
            if until is not None and not self._over:
                self._say("flush")
                deadline = time.monotonic() + ANSWER_SECONDS
                while (
                    not self._over
                    and (not self._samples or self._samples[-1][0] < until)
                    and time.monotonic() < deadline
                ):
                    self._changed.wait(0.1)
                    self._say("flush")
            channels = self._channels or ()
            values = np.array(self._samples, dtype=np.float64).reshape(-1, 1 + len(channels))
            clock = np.array(self._clock, dtype=np.float64).reshape(-1, 3)
            return Trace(self.meter, channels, self._rate, values[:, 0], values[:, 1:], clock, self._error)

    def stop(self) -> Trace:
        """End the sampler; all that was sampled."""
        self._say("stop")
        self._end()
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

    def _say(self, text: str) -> None:
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(text + "\n")
            self._child.stdin.flush()
        except (BrokenPipeError, ValueError):
            pass  # it is gone; `_listen` tells

    def _end(self) -> None:
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
                said: dict[str, Any] = json.loads(line)
            except ValueError:
                continue  # a line cut off by its death, or a library's chatter
            with self._changed:
                ended = self._take(said) or ended
                self._changed.notify_all()
        status = self._child.wait()
        with self._changed:
            if not ended:
                self._error = f"the sampler's process died (status {status})"
            self._over = True
            self._changed.notify_all()

    def _take(self, said: dict[str, Any]) -> bool:
        """Take one message; whether it was the last."""
        if "channels" in said:
            self._channels = tuple(Channel(**channel) for channel in said["channels"])
            self._rate: float = said["hertz"]
        elif "samples" in said:
            self._samples += said["samples"]
            self._clock.append((said["at"], said["wall_offset"], said["cpu_seconds"]))
        elif "unreadable" in said:
            self._unreadable = said["unreadable"]
            return True
        elif "end" in said:
            self._error = said["end"] or None
            return True
        return False


def probe(meter: str) -> str | None:
    """Why a meter can't be read here and now; None if it can."""
    try:
        with Recorder(meter) as recorder:
            trace = recorder.trace(until=time.monotonic())
    except MeterError as error:
        return str(error)
    return trace.error or (None if len(trace.times) else "no reading came")


def choose(meter: str, device: str) -> tuple[str | None, dict[str, str]]:
    """The meter to use for work on a device ("cpu", "cuda"), and why not those that were tried and can't be.

    meter: ``auto`` for the first that can be read, ``none``, or one by its name.
    """
    if meter == "none":
        return None, {"none": "the study asks for no meter"}
    names = [meter]
    if meter == "auto":
        plugins = [(registry.get("meters", name), name) for name in registry.paths("meters")]
        names = [
            name
            for plugin, name in sorted(plugins, key=lambda p: (p[0].rank or 0, p[1]))
            if plugin.rank and device in plugin.devices
        ]
    tried: dict[str, str] = {}
    for name in names:
        if (reason := probe(name)) is None:
            return name, tried
        tried[name] = reason
    return None, tried
