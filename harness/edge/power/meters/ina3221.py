"""The INA3221 power monitors of a Jetson, read from sysfs: hwmon (JetPack 5 and later) or iio (JetPack 4).

Rails are identified by their labels, never by their numbers. Disabled channels (label NC) and the driver's "sum of
shunt voltages" are left out, and so is a rail that cannot be read unless it is part of the total. The chip has no
energy counter, so energy is the integral of power. The INA238 at the input of AGX Thor, in the same tree, is read too.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.edge.power.meter import Channel, Meter, MeterError, read_channels
from harness.edge.power.rails import FoundRail, rail_channels
from harness.edge.power.rails_agent import find_rails, unreadable


class Ina3221(Meter):
    """The INA3221 power monitors of a Jetson, through sysfs. Argument: a path to use instead of /sys."""

    name = "ina3221"
    title = "Jetson INA3221 power monitors (sysfs)"
    rank = 1

    def open(self) -> tuple[Channel, ...]:
        root = self.argument or "/sys"
        rails = find_rails(root)
        if not rails:
            raise MeterError(
                f"no INA3221 power monitor under {root}/bus/i2c: this is not a Jetson, or the driver is not loaded"
            )
        found = [FoundRail(rail.label, rail.address, rail.note, unreadable(rail)) for rail in rails]
        self._channels, self.notes = rail_channels(found)
        self._readers = [rail.read for rail, about in zip(rails, found, strict=True) if about.unreadable is None]
        return self._channels

    def read(self) -> Sequence[float]:
        return read_channels(self._channels, self._readers)
