"""The contract of a meter plug-in."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

TOTAL_MARK = " (total)"  # in a recorded trace: behind the name of a channel that is part of the total


class MeterError(Exception):
    """A meter cannot be read: no such hardware, no permission, a missing library, or a daemon that has stopped."""


@dataclass(frozen=True)
class Channel:
    """One quantity that a meter reads.

    kind: ``power`` is read in watts, ``counter`` in joules since some moment.
    covers: what it measures, for people.
    in_total: whether it is part of the total. The channels of a total must not overlap.
    wraps_at: joules at which a counter overflows to 0; None if it does not.
    """

    name: str
    kind: Literal["power", "counter"]
    covers: str
    in_total: bool = False
    wraps_at: float | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Meter(ABC):
    """Base class of a meter, which lives in the sampler's process: one `open`, many `read`, one `close`.

    argument: the text after the colon in ``nvml:0,1``; "" if there is none.
    devices: the devices for which ``meter: auto`` may choose it.
    rank: the lowest rank is tried first; None: never chosen automatically.
    hertz: readings a second, unless the study sets them.
    paced: `read` waits for the next reading of the hardware, and `open` sets ``hertz`` to its rate.
    notes: set by `open`: what the reader of the figures must know, such as channels that were left out.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    version: ClassVar[str] = "1"
    devices: ClassVar[frozenset[str]] = frozenset({"cpu", "cuda"})
    rank: ClassVar[int | None] = None
    paced: ClassVar[bool] = False
    hertz: float = 20.0
    notes: tuple[str, ...] = ()

    def __init__(self, argument: str = ""):
        self.argument = argument

    @classmethod
    def argument_for(cls, device: str) -> str:
        """The argument with which the meter reads what a job on a device uses, and nothing else.

        device: as PyTorch names it, such as "cuda:1". It is called in the process of the job.
        """
        return ""

    @abstractmethod
    def open(self) -> tuple[Channel, ...]:
        """Prepare for reading, and return the channels. Raises `MeterError` if the meter cannot be read."""

    @abstractmethod
    def read(self) -> Sequence[float]:
        """Return one value for each channel, in watts or joules.

        A channel outside the total that could not be read this time is NaN. Raises OSError if this reading failed, or
        `MeterError` if all further readings will fail too.
        """

    def close(self) -> None:  # noqa: B027 — most meters have nothing to do
        """Release what `open` has acquired."""


def read_channels(channels: Sequence[Channel], readers: Sequence[Callable[[], float]]) -> list[float]:
    """Read all channels. A channel outside the total that cannot be read is NaN.

    Raises the error (OSError or ValueError) of a channel of the total, or of the last channel if none can be read.
    """
    values: list[float] = []
    for channel, read in zip(channels, readers, strict=True):
        try:
            values.append(read())
        except (OSError, ValueError):
            if channel.in_total or (channel is channels[-1] and all(map(math.isnan, values))):
                raise
            values.append(math.nan)
    return values
