"""The contract of a meter: what one file must say to be read by the sampler."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal


class MeterError(Exception):
    """Why a meter can't be read: no such hardware, no permission, no library, a dead daemon."""


@dataclass(frozen=True)
class Channel:
    """One thing that a meter reads.

    kind: ``power`` is read in watts, ``counter`` in joules since some moment. covers: what it measures, for people.
    in_total: it is part of the total; the channels of a total never overlap. wraps_at: joules at which a counter begins
    anew; None: it never should.
    """

    name: str
    kind: Literal["power", "counter"]
    covers: str
    in_total: bool = False
    wraps_at: float | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Meter(ABC):
    """A meter plug-in: one file, one subclass. It lives in the sampler's process: one `open`, many `read`, one `close`.

    ``argument`` is what follows the colon in ``nvml:0,1``; "" if nothing does. devices: for which it may be chosen by
    itself, lowest ``rank`` first; a rank of None: never. hertz: how often it is read unless the study says otherwise;
    a meter with ``paced`` waits in `read` for its next reading, and sets ``hertz`` in `open` to its own pace.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    version: ClassVar[str] = "1"
    devices: ClassVar[frozenset[str]] = frozenset({"cpu", "cuda"})
    rank: ClassVar[int | None] = None
    paced: ClassVar[bool] = False
    hertz: float = 20.0

    def __init__(self, argument: str = ""):
        self.argument = argument

    @abstractmethod
    def open(self) -> tuple[Channel, ...]:
        """Make ready to read, and say what will be read. Raises `MeterError` with the reason why that can't be."""

    @abstractmethod
    def read(self) -> Sequence[float]:
        """One value a channel, in watts or joules. Raises OSError for a reading that failed, `MeterError` when all will."""

    def close(self) -> None:  # noqa: B027 — most have nothing to do
        """Let go of what `open` took."""
