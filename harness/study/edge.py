"""The section ``edge:`` of a study: which trials are measured, on which devices, and how."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator
from typing_extensions import Self

from harness.options import Options, Positive
from harness.study.ssh_options import check_ssh_options

VERSION = "3"  # of the measurement; raise it when the measurement changes: it is in the key of every profile job
Runtime = Literal["eager", "compile", "onnx", "tensorrt"]
Precision = Literal["fp32", "bf16", "fp16", "int8"]
NAME = "[A-Za-z0-9][A-Za-z0-9._-]{0,60}"
SSH_ADDRESS = r"[A-Za-z0-9][A-Za-z0-9._@:\[\]-]*"  # never an option of ssh
LOCAL = ("cpu", "cuda")  # names of this machine's devices


PowerMode = Annotated[int, Field(ge=0)] | Annotated[str, Field(pattern=f"^{NAME}$")]


def _device(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class Device(Options):
    """A device to measure on.

    The names ``cpu`` and ``cuda`` mean this machine. Any other device is a node that has joined the Ray cluster with
    `harness edge join --name NAME`, unless ``ssh`` or ``offline`` says that it is reached in another way.
    """

    name: str = Field(pattern=f"^{NAME}$", description="name of the device; cpu and cuda mean this machine")
    kind: Literal["cpu", "cuda"] | None = Field(
        default=None, description="processor to run on; by default the one in the name, else cpu"
    )
    ssh: Annotated[str, Field(pattern=f"^{SSH_ADDRESS}$")] | None = Field(
        default=None, description="reach the device by ssh at this address, USER@HOST"
    )
    command: str = Field(
        default="harness",
        pattern=r"^[A-Za-z0-9._~/-]*(harness|python[0-9.]* -m harness)$",
        description="command that starts the harness on the device: a path of harness, or PYTHON -m harness",
    )
    ssh_options: list[str] = Field(
        default=[], description="arguments of ssh, placed before the address, such as [-p, '2222', -i, ~/.ssh/orin]"
    )
    offline: bool = Field(
        default=False, description="the device has no network: jobs and records are carried in a bundle"
    )

    power_modes: list[PowerMode] = Field(
        default=[],
        description="power modes of nvpmodel, by number or name, in each of which the trials are measured",
    )
    may_set_power_mode: bool = Field(
        default=False,
        description="allow the harness to set the power modes; it restores the mode that the device had",
    )

    @model_validator(mode="after")
    def _allows_its_power_modes(self) -> Self:
        if self.power_modes and not self.may_set_power_mode:
            raise ValueError("power_modes are set on the device by nvpmodel: allow it with may_set_power_mode: true")
        return self

    @field_validator("ssh_options")
    @classmethod
    def _are_harmless(cls, options: list[str]) -> list[str]:
        check_ssh_options(options)
        return options

    @model_validator(mode="after")
    def _is_reached_one_way(self) -> Self:
        if self.ssh and self.offline:
            raise ValueError("a device is reached either by ssh or offline: give only one of them")
        if self.name in LOCAL and self.kind not in (None, self.name):
            raise ValueError(f"the name {self.name} means this machine's {self.name}: use another name for the device")
        return self

    @property
    def attachment(self) -> str:
        """How the device is reached: "here", "ssh", "ray" or "offline"."""
        if self.ssh or self.offline:
            return "ssh" if self.ssh else "offline"
        return "here" if self.name in LOCAL else "ray"

    @property
    def runs_on(self) -> str:
        """The processor to run on: "cpu" or "cuda"."""
        return self.kind or (self.name if self.name in LOCAL else "cpu")


LabelRate = Annotated[float, Field(gt=0, le=1)]
DeviceName = Annotated[str, Field(pattern=f"^{NAME}$")]


class LatencySettings(Options):
    """How long inference is timed: until both minima are reached."""

    seconds: float = Field(default=10.0, gt=0, description="minimum time, in seconds")
    count: int = Field(default=100, ge=1, le=100_000, description="minimum number of queries")
    warmup: int = Field(default=10, ge=1, description="untimed queries before the first timed one")


class Measuring(Options):
    """How a trial is measured. All of these settings are part of the key of a profile job."""

    epochs: int | None = Field(
        default=None, ge=1, description="epochs of stage 2 to measure; by default as many as the trial trains"
    )
    minutes: float | None = Field(
        default=None,
        gt=0,
        description="stop after the epoch in which this many minutes of training have passed; by default never."
        " Further repeats train as many epochs as the first",
    )
    extrapolate: bool = Field(
        default=False,
        description="if fewer epochs are measured than the trial trains, also report an estimate for all",
    )
    repeats: int = Field(default=1, ge=1, description="number of times that training is measured")
    meter: str = Field(
        default="auto",
        description="energy meter: auto for the first that is available, none, the name of a meter, or NAME:ARGUMENT",
    )
    hertz: float | None = Field(
        default=None, gt=0, le=1000, description="readings per second; by default the meter's own rate"
    )
    idle_seconds: float = Field(
        default=30.0, ge=0, description="seconds of rest before the job, in which idle power is measured"
    )
    batch_sizes: tuple[Positive, ...] = Field(default=(1, 8, 64), min_length=1, description="batch sizes of inference")
    runtimes: tuple[Runtime, ...] = Field(default=("eager",), description="runtimes of inference")
    precisions: tuple[Precision, ...] = Field(default=("fp32",), description="precisions of inference")
    latency: LatencySettings = Field(default=LatencySettings(), description="how long inference is timed")


class Edge(Measuring):
    """The section ``edge:`` of a study: the trials to measure, the devices, and how to measure."""

    devices: tuple[Annotated[Device, BeforeValidator(_device, json_schema_input_type=DeviceName | Device)], ...] = (
        Field(min_length=1, description="the devices to measure on: names, or mappings")
    )
    methods: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="the study's methods whose trials are measured; by default all"
    )
    label_rates: tuple[LabelRate, ...] | None = Field(
        default=None, min_length=1, description="the label rates whose trials are measured; by default all"
    )
    seeds: tuple[int, ...] | None = Field(
        default=None, min_length=1, description="the study's seeds whose trials are measured; by default the first"
    )

    grid_grams_per_kwh: float | None = Field(
        default=None,
        gt=0,
        description="grams of CO₂ equivalent per kWh of your electricity, to report the emissions; by default none",
    )

    @model_validator(mode="after")
    def _has_distinct_placements(self) -> Self:
        labels = [label for label, _, _ in self.placements]
        if double := [label for label in dict.fromkeys(labels) if labels.count(label) > 1 and "-" in label]:
            raise ValueError(f"two measurements are called {double[0]}: rename a device, or drop a power mode")
        return self

    @property
    def placements(self) -> Iterator[tuple[str, Device, int | str | None]]:
        """Where a trial is measured: a label, its device, and the power mode to set or None."""
        for device in self.devices:
            for mode in device.power_modes or (None,):
                yield device.name if mode is None else f"{device.name}-{mode}", device, mode

    @property
    def measuring(self) -> Measuring:
        """The settings of the measurement, without the choice of trials and devices."""
        return Measuring.model_validate({name: getattr(self, name) for name in Measuring.model_fields})

    def includes(self, method: str, label_rate: float, seed: int, first_seed: int) -> bool:
        """Whether a trial of this method, label rate and seed is measured."""
        return (
            (self.methods is None or method in self.methods)
            and (self.label_rates is None or label_rate in self.label_rates)
            and seed in (self.seeds or (first_seed,))
        )
