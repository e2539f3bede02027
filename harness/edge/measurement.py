"""What all parts of a measurement share: its settings, the data and the running meter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from harness.edge.power.energy import EnergyWindow, Trace, energy_window
from harness.edge.power.meter import MeterError
from harness.edge.power.recorder import Recorder, choose
from harness.edge.state_recorder import StateRecorder
from harness.study.edge import Measuring
from harness.training import TrainingData

OnPart = Callable[[str, object], None]
"""Receives the name of a part of the result, and all that has been measured of this part."""


class MeterSession:
    """A running meter and the energy of windows of time. Does nothing if there is no meter that can be read.

    name: of the meter; None if there is none. tried: meter → why it cannot be read. idle_watts: mean power at rest,
    once it is known. trace, stderr: all samples and the last lines of the sampler's error output, once the session has
    ended.
    """

    def __init__(self, settings: Measuring, device: str):
        self.name, self.tried = choose(settings.meter, device)
        self.idle_watts: float | None = None
        self.trace: Trace | None = None
        self.stderr = ""
        self._recorder = Recorder(self.name, settings.hertz) if self.name else None

    def __enter__(self) -> MeterSession:
        if self._recorder:
            try:
                self._recorder.start()
            except MeterError as error:
                self.tried[str(self.name)] = str(error)
                self._recorder = self.name = None
        return self

    def __exit__(self, *_: object) -> None:
        if self._recorder:
            self.trace, self.stderr = self._recorder.stop(), self._recorder.stderr

    def window(self, start: float, end: float) -> EnergyWindow | None:
        """The energy of a window in the past, in seconds of the monotonic clock; None without a meter."""
        return energy_window(self._recorder.trace(until=end), start, end, self.idle_watts) if self._recorder else None

    @property
    def absent(self) -> str:
        """Why there is no energy at all."""
        reasons = "; ".join(f"{name}: {reason}" for name, reason in self.tried.items())
        return f"no readable meter ({reasons})" if reasons else "no readable meter"


@dataclass(frozen=True)
class Measurement:
    """The measurement of one trial."""

    settings: Measuring
    data: TrainingData
    meter: MeterSession
    states: StateRecorder
    on_part: OnPart

    @property
    def on_cuda(self) -> bool:
        return torch.device(self.data.device).type == "cuda"

    def synchronise(self) -> None:
        """Wait until the device has completed all its work."""
        if self.on_cuda:
            torch.cuda.synchronize()
