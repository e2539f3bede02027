"""The cost of a trial on a device, as types."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from harness.results.record_model import RecordModel


class Extrapolation(RecordModel):
    seconds: float | None = Field(default=None, description="time of all epochs")
    energy_joules: float | None = Field(default=None, description="gross energy of all epochs")
    reason: str | None = Field(default=None, description="why there is no extrapolation")


class PowerTotal(RecordModel):
    energy_joules: float | None = Field(default=None, description="gross energy; if null, there is a reason")
    mean_watts: float | None = Field(default=None, description="mean power")
    peak_watts: float | None = Field(
        default=None, description="highest sample of the power; of energy counters, the highest mean over 1 s"
    )
    reason: str | None = Field(default=None, description="why the figures are null")


class Energy(RecordModel):
    """What a meter measured over one window of time."""

    model_config = ConfigDict(extra="allow")
    meter: str = Field(description="the meter and what it reads")
    covers: str = Field(description="what its readings include: the board, a processor, …")
    asked_hertz: float = Field(description="readings per second that were requested")
    hertz: float | None = Field(default=None, description="readings per second that the meter gave")
    total: PowerTotal | None = Field(
        default=None, description="energy and power, summed over the channels that make up the total"
    )
    above_idle_joules: float | None = Field(default=None, description="gross energy minus idle power over the window")
    flags: list[str] = Field(default=[], description="warnings about the measurement")


class Repeat(RecordModel):
    """One measured training."""

    model_config = ConfigDict(extra="allow")
    epochs: int = Field(description="epochs trained")
    seconds: float = Field(description="time of training alone")
    energy: Energy | None = Field(default=None, description="null where no meter could be read")


class TrainingCost(RecordModel):
    """The cost of stage 2 on the device: means over the repeats."""

    epochs: int = Field(description="epochs trained in each repeat")
    epochs_of_the_trial: int = Field(description="epochs of the whole trial")
    seconds: float = Field(description="time of training alone")
    energy_joules: float | None = Field(default=None, description="gross energy")
    above_idle_joules: float | None = Field(
        default=None, description="gross energy minus idle power over the same time"
    )
    mean_watts: float | None = Field(default=None, description="mean power")
    peak_watts: float | None = Field(
        default=None, description="highest sample of the power; of energy counters, the highest mean over 1 s"
    )
    energy_absent: str | None = Field(default=None, description="why there is no energy")
    extrapolated: Extrapolation | None = Field(
        default=None, description="estimate for the whole trial, if fewer epochs were measured"
    )
    repeats: list[Repeat] = Field(default=[], description="each measured training")


class InferenceCost(RecordModel):
    """Latency with one runtime, precision and batch size. If a time is null or missing, `absent` has the reason."""

    runtime: str = Field(description="eager, compile, onnx or tensorrt")
    precision: str = Field(description="fp32, bf16, fp16 or int8")
    batch_size: int = Field(description="samples per query")
    n_queries: int | None = Field(
        default=None, description="number of timed queries; above 100,000, the times are those of an evenly spread part"
    )
    load_seconds: float | None = Field(default=None, description="time to build the model in the runtime")
    first_seconds: float | None = Field(default=None, description="latency of the first query")
    mean_seconds: float | None = Field(default=None, description="mean latency of a query")
    min_seconds: float | None = Field(default=None, description="shortest latency")
    max_seconds: float | None = Field(default=None, description="longest latency")
    p50_seconds: float | None = Field(default=None, description="50th percentile; null if there are too few queries")
    p90_seconds: float | None = Field(default=None, description="90th percentile, likewise")
    p95_seconds: float | None = Field(default=None, description="95th percentile, likewise")
    p99_seconds: float | None = Field(default=None, description="99th percentile, likewise")
    throughput_per_second: float | None = Field(default=None, description="samples per second")
    peak_rss_bytes: int | None = Field(default=None, description="highest resident memory of the process")
    peak_cuda_bytes: int | None = Field(default=None, description="highest memory allocated on the GPU")
    agreement: float | None = Field(
        default=None, description="fraction of predictions equal to those of eager fp32, 0 to 1"
    )
    joules_per_sample: float | None = Field(default=None, description="gross energy per sample")
    throttling: list[str] = Field(default=[], description="signs of throttling while these queries were timed")
    absent: dict[str, str] = Field(default={}, description="figure → why it is missing")


class ProfileResult(RecordModel):
    """The cost of a trial on a device."""

    trial: str = Field(default="", description="key of the train job that was measured")
    meter: str | None = Field(default=None, description="meter that was read; null if there was none")
    meters_tried: dict[str, str] = Field(default={}, description="meter → why it was not used")
    training: TrainingCost | None = Field(default=None, description="cost of stage 2; null if the job failed before")
    inference: list[InferenceCost] = Field(
        default=[], description="latency, one entry per runtime, precision and batch size"
    )
    power_mode: str | None = Field(default=None, description="power mode of a Jetson; null on other machines")
    throttling: list[str] = Field(default=[], description="signs of throttling of the device")
    absent: dict[str, str] = Field(default={}, description="figure → why it is missing")
    sampler_core_share: float | None = Field(
        default=None, description="CPU time of the meter's sampler, as a fraction of one core"
    )
    sampler_stderr: str = Field(default="", description="last lines of the error output of the meter's sampler")
