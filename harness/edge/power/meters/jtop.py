"""The power of a Jetson through jetson-stats, whose daemon (jtop.service) reads the rails for its clients.

It is meant for users who may not read sysfs. The first client sets the daemon's interval, 1 s by default; the energy
window records the actual rate. jtop's "total" is used only if it is a rail of its own, since otherwise jtop adds up
rails that may overlap. Its "avg" is not a mean and is not used.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.edge.power.meter import Channel, Meter, MeterError
from harness.edge.power.rails import covers, missing_total, total_rails

PATIENCE_SECONDS = 5.0


class Jtop(Meter):
    """The rails of a Jetson through the daemon of jetson-stats.

    It has no argument, since whoever listens on a socket that a study names could make the client run code (pickle).
    """

    name = "jtop"
    title = "Jetson power rails (jetson-stats' daemon)"
    rank = 2
    paced = True
    hertz = 10.0

    def open(self) -> tuple[Channel, ...]:
        if self.argument:
            raise MeterError(f"jtop takes no argument: give jtop instead of jtop:{self.argument}")
        try:
            import jtop
        except ImportError as error:
            raise MeterError("jetson-stats is not installed: pip install 'cosmo-harness[jetson]'") from error
        self._new = threading.Event()
        try:
            self._client: Any = self._started(jtop.jtop, 1 / self.hertz)
            interval = self._client.interval
            if interval > 1.01 / self.hertz:  # set by another client; at a shorter one, readings would come twice
                self._client.close()
                self._client = self._started(jtop.jtop, interval)
        except Exception as error:  # JtopException, or whatever else the client raises
            raise MeterError(f"{' '.join(str(error).split())}") from error
        self.hertz = 1 / self._client.interval
        watts = self._watts()
        if not watts:
            raise MeterError("jtop's daemon finds no power rails on this machine")
        self._labels, total = tuple(watts), total_rails(watts)
        self._channels = [Channel(label, "power", covers(label), label in total) for label in self._labels]
        self.notes = tuple(filter(None, [*self._left_out(), missing_total(watts)]))
        return tuple(self._channels)

    def read(self) -> Sequence[float]:
        end = time.monotonic() + PATIENCE_SECONDS
        while not self._new.wait(0.1):
            try:
                self._client.ok(spin=True)
            except Exception as error:
                raise MeterError(f"jtop's daemon is gone: {error}") from error
            if time.monotonic() > end:
                raise MeterError(f"jtop's daemon is gone: no reading in {PATIENCE_SECONDS:g} s")
        self._new.clear()
        watts = self._watts()
        missing = {channel.name for channel in self._channels if channel.name not in watts}
        if missing and (missing == set(self._labels) or any(c.in_total and c.name in missing for c in self._channels)):
            raise OSError(f"the reading of jtop lacks {', '.join(sorted(missing))}")
        return [watts.get(label, math.nan) for label in self._labels]

    def close(self) -> None:
        self._client.close()

    def _started(self, client: Any, interval: float) -> Any:
        """Start a client that sets `_new` at every reading.

        Its own method of waiting gives up after three intervals.
        """
        started = client(interval=interval)
        started.attach(lambda _: self._new.set())
        started.start()
        return started

    def _rails(self) -> dict[str, dict[str, Any]]:
        """The rails of the latest reading, with the total if it is a rail of its own; {} if there are no sensors."""
        power = self._client.power or {}
        total = power.get("tot", {})
        return {**power.get("rail", {}), **({total["name"]: total} if total.get("name") else {})}

    def _watts(self) -> dict[str, float]:
        return {name: rail["power"] * 1e-3 for name, rail in sorted(self._rails().items()) if _is_on(rail)}

    def _left_out(self) -> Iterator[str]:
        for name, rail in sorted(self._rails().items()):
            if not _is_on(rail):
                why = "says that it is off" if "power" in rail else "gives no power for it"
                yield f"left out: rail {name}: jtop's daemon {why}"


def _is_on(rail: Mapping[str, Any]) -> bool:
    return "power" in rail and bool(rail.get("online", True))
