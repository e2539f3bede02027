"""The ``edge:`` section of a study: which trials are measured on which devices, and how."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator
from typing_extensions import Self

from harness.options import Options, Positive

VERSION = "1"  # of what is measured and how; raise when it changes: it is in every profile job's key
Runtime = Literal["eager", "compile", "onnx"]
Precision = Literal["fp32", "bf16", "fp16"]
NAME = "[A-Za-z0-9][A-Za-z0-9._-]{0,60}"
HERE = ("cpu", "cuda")  # names of this machine's own devices


def _device(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class Device(Options):
    """A device to measure on.

    ``cpu`` and ``cuda`` are this machine. Any other name is a node of the Ray cluster (`harness edge join --name NAME`), unless
    it says how else it is reached: ``ssh`` (user@host, as ssh knows it) or ``offline`` (by a bundle that is carried there).
    kind: what the work runs on there. command: how the harness is called there. ssh_options: put before the host.
    """

    name: Annotated[str, Field(pattern=f"^{NAME}$")]
    kind: Literal["cpu", "cuda"] | None = None
    ssh: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@:\[\]-]*$")] | None = None
    command: str = "harness"
    ssh_options: list[str] = Field(default_factory=list)
    offline: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.ssh and self.offline:
            raise ValueError("a device is reached by ssh, or it is offline: give one of them")
        if self.name in HERE and self.kind not in (None, self.name):
            raise ValueError(f"{self.name} is this machine's own {self.name}: give the device another name")
        return self

    @property
    def attachment(self) -> str:
        """How it is reached: "ssh", "offline", "here" or "ray"."""
        if self.ssh or self.offline:
            return "ssh" if self.ssh else "offline"
        return "here" if self.name in HERE else "ray"

    @property
    def runs_on(self) -> str:
        return self.kind or (self.name if self.name in HERE else "cpu")


class LatencySettings(Options):
    """How long a model is timed: at least ``seconds`` and at least ``count`` queries, after ``warmup`` that don't count."""

    seconds: Annotated[float, Field(gt=0)] = 10.0
    count: Positive = 100
    warmup: Positive = 10


class Measuring(Options):
    """How a trial is measured; all of it is part of a profile job's key.

    epochs: of stage 2, None: as many as the trial trains. minutes: stop after the epoch in which they are over. extrapolate: if
    that was fewer than the trial trains, also say what all would take, marked as such. repeats: of the training. meter: ``auto``,
    ``none``, a meter's name, or ``name:argument``. hertz: readings a second, None: the meter's own. idle_seconds: of rest
    before, to know the power at rest. batch_sizes, runtimes, precisions: of inference, all combinations.
    """

    epochs: Positive | None = None
    minutes: Annotated[float, Field(gt=0)] | None = None
    extrapolate: bool = False
    repeats: Positive = 1
    meter: str = "auto"
    hertz: Annotated[float, Field(gt=0, le=1000)] | None = None
    idle_seconds: Annotated[float, Field(ge=0)] = 30.0
    batch_sizes: Annotated[tuple[Positive, ...], Field(min_length=1)] = (1, 8, 64)
    runtimes: tuple[Runtime, ...] = ("eager",)
    precisions: tuple[Precision, ...] = ("fp32",)
    latency: LatencySettings = LatencySettings()


class Edge(Measuring):
    """The section. methods, label_rates, seeds: of the study's trials; None: all methods, all rates, the first seed."""

    devices: Annotated[tuple[Annotated[Device, BeforeValidator(_device)], ...], Field(min_length=1)]
    methods: tuple[str, ...] | None = None
    label_rates: tuple[float, ...] | None = None
    seeds: tuple[int, ...] | None = None

    @property
    def measuring(self) -> Measuring:
        return Measuring.model_validate({name: getattr(self, name) for name in Measuring.model_fields})

    def wants(self, method: str, label_rate: float, seed: int, first_seed: int) -> bool:
        """Whether a trial is measured."""
        return (
            (self.methods is None or method in self.methods)
            and (self.label_rates is None or label_rate in self.label_rates)
            and seed in (self.seeds or (first_seed,))
        )
