"""Samples the state of the device beside its power: clocks, temperatures and throttling, once a second.

The samples are taken in a process of their own, so that they do not delay what is measured. It writes them to a file,
one JSON object a line, and ends when its standard input is closed.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from harness.edge.state import sampled_state, throttling

PERIOD_SECONDS = 1.0
THROTTLED = {  # reasons of NVML for a clock below the one that was asked for
    0x04: "power limit",
    0x08: "hardware slowdown",
    0x20: "temperature (driver)",
    0x40: "temperature (hardware)",
    0x80: "power brake",
}


class StateRecorder:
    """A running sampler of the state. Use it as ``with StateRecorder() as recorder: …``.

    gpu: the UUID of the NVIDIA GPU whose state is sampled too; None for none, "" for the first that CUDA sees.
    """

    def __init__(self, gpu: str | None = None):
        self._gpu = gpu

    def __enter__(self) -> StateRecorder:
        self._file = tempfile.TemporaryFile()
        self._child = subprocess.Popen(
            [sys.executable, "-m", "harness.edge.state_recorder", *([] if self._gpu is None else [self._gpu])],
            stdin=subprocess.PIPE,
            stdout=self._file,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._child.stdin is not None
        self._child.stdin.close()
        try:
            self._child.wait(5 * PERIOD_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def states(self, start: float = float("-inf"), end: float = float("inf")) -> list[dict[str, Any]]:
        """The states between two moments of the monotonic clock, each with its time ``at``."""
        whole = os.pread(self._file.fileno(), os.fstat(self._file.fileno()).st_size, 0).rpartition(b"\n")[0]
        found = [json.loads(line) for line in whole.splitlines()]
        return [state for state in found if start <= state["at"] <= end]

    def summary(self, start: float, end: float) -> dict[str, Any] | None:
        """`summary` of the states between two moments; None if there are none."""
        return summary(self.states(start, end))


def summary(states: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What some states have in common: minimum, mean and maximum of clocks and temperatures, and signs of throttling.

    clocks_pinned: whether clocks were pinned in all states; "partly" if only in some. None without states.
    """
    if not states:
        return None
    found: dict[str, Any] = {"n_states": len(states), "throttling": throttling(states)}
    for quantity in ("clocks_hertz", "temperatures_celsius"):
        names = dict.fromkeys(name for state in states for name in state.get(quantity, {}))
        if names:
            found[quantity] = {
                name: _range([s[quantity][name] for s in states if name in s[quantity]]) for name in names
            }
    pinned = {state["clocks_pinned"] for state in states if "clocks_pinned" in state}
    if pinned:
        found["clocks_pinned"] = pinned.pop() if len(pinned) == 1 else "partly"
    return found


def _range(values: Sequence[float]) -> dict[str, float]:
    return {"min": min(values), "mean": sum(values) / len(values), "max": max(values)}


def _gpu_reader(asked: str) -> Callable[[dict[str, Any]], None]:
    """A function that adds clock, temperature and reasons of throttling of an NVIDIA GPU to a state, if NVML has them.

    asked: the UUID of the GPU; "" for the first that CUDA sees.
    """
    from harness.edge.power.meter import MeterError
    from harness.edge.power.meters.nvml import gpu_handles

    try:
        import pynvml
    except ImportError:
        return lambda state: None
    nvml: Any = pynvml
    try:
        nvml.nvmlInit()
        handles = gpu_handles(nvml, asked or os.environ.get("CUDA_VISIBLE_DEVICES"), [])
    except (nvml.NVMLError, MeterError):
        handles = []
    if not handles:
        return lambda state: None
    number, handle = handles[0]
    name = f"gpu-{number}"

    def add(state: dict[str, Any]) -> None:
        with suppress(nvml.NVMLError):
            clock = nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM) * 1e6
            state.setdefault("clocks_hertz", {})[name] = clock
        with suppress(nvml.NVMLError):
            celsius = nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)
            state.setdefault("temperatures_celsius", {})[name] = celsius
        with suppress(nvml.NVMLError):
            reasons = nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
            state["throttled_by"] = [f"{name}: {text}" for bit, text in THROTTLED.items() if reasons & bit]

    return add


def main() -> None:
    """Run ``python -m harness.edge.state_recorder [UUID]``."""
    add_gpu = _gpu_reader(sys.argv[1]) if len(sys.argv) > 1 else lambda state: None
    due = time.monotonic()
    while True:
        at = time.monotonic()
        state = sampled_state()
        add_gpu(state)
        os.write(1, (json.dumps({"at": at, **state}) + "\n").encode())
        due = max(due + PERIOD_SECONDS, time.monotonic())
        if select.select([sys.stdin], [], [], max(0.0, due - time.monotonic()))[0]:
            return  # the parent has closed the stream, or is gone


if __name__ == "__main__":
    main()
