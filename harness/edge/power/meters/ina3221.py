"""The INA3221 power monitors of a Jetson, read from sysfs: hwmon (JetPack 5 and later) or iio (JetPack 4).

Rails are identified by their labels, never by their numbers. Disabled channels (label NC) and the driver's "sum of
shunt voltages" are left out, and so is a rail that cannot be read unless it is part of the total. The chip has no
energy counter, so energy is the integral of power. The INA238 at the input of AGX Thor, in the same tree, is read too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.edge.power.meter import Channel, Meter, MeterError, read_channels
from harness.edge.power.rails import covers, missing_total, total_rails

CHIPS = ("ina3221", "ina238")


class Ina3221(Meter):
    """The INA3221 power monitors of a Jetson, through sysfs. Argument: a path to use instead of /sys."""

    name = "ina3221"
    title = "Jetson INA3221 power monitors (sysfs)"
    rank = 1

    def open(self) -> tuple[Channel, ...]:
        root = Path(self.argument or "/sys")
        found = sorted(self._found(root), key=lambda rail: (rail.label, rail.address))
        if not found:
            raise MeterError(
                f"no INA3221 power monitor under {root}/bus/i2c: this is not a Jetson, or the driver is not loaded"
            )
        notes = [rail.note for rail in found if rail.note]
        count = Counter(rail.label for rail in found)
        total = total_rails([label for label, n in count.items() if n == 1])
        if missing := missing_total(count):
            notes.append(missing)
        for label in (label for label, n in count.items() if n > 1):
            notes.append(f"{count[label]} rails are called {label}: they are named by address, and none is a total")
        self._channels, self._readers = [], []
        for rail in found:
            if (why := _unreadable(rail)) is None:
                name = rail.label if count[rail.label] == 1 else f"{rail.label} ({rail.address})"
                self._channels.append(Channel(name, "power", covers(rail.label), name in total))
                self._readers.append(rail.read)
            elif rail.label in total:
                raise MeterError(why)
            else:
                notes.append(f"left out: {why}")
        if not self._channels:
            raise MeterError("; ".join(notes))
        self.notes = tuple(notes)
        return tuple(self._channels)

    def read(self) -> Sequence[float]:
        return read_channels(self._channels, self._readers)

    def _found(self, root: Path) -> Iterator[_Rail]:
        for device in sorted((root / "bus/i2c/devices").glob("*-00*")):
            name = _text(device / "name")
            if not name.startswith(CHIPS):
                continue
            for folder in sorted(device.glob("hwmon/hwmon*")):
                yield from _ina238(folder, device.name) if name.startswith("ina238") else _hwmon(folder, device.name)
            for folder in sorted(device.glob("iio:device*")):
                yield from _iio(folder, device.name)


@dataclass(frozen=True)
class _Rail:
    """A rail: its label, the i2c address of its chip, and the function that reads its watts."""

    label: str
    address: str
    read: Callable[[], float]
    note: str = ""


def _unreadable(rail: _Rail) -> str | None:
    """Why a rail cannot be read; None if it can."""
    try:
        rail.read()
    except PermissionError as error:
        return f"permission: {error.filename} cannot be read"
    except (OSError, ValueError) as error:
        return f"rail {rail.label} cannot be read: {error}"
    return None


def _ina238(folder: Path, address: str) -> Iterator[_Rail]:
    """The input of an INA238: power1_input in µW, or else in1_input in mV times curr1_input in mA."""
    power = folder / "power1_input"
    if power.exists():
        yield _Rail("VIN", address, _scaled(1e-6, power))
        return
    volts_times_amperes = _scaled(1e-6, folder / "in1_input", folder / "curr1_input")
    yield _Rail("VIN", address, volts_times_amperes, "VIN is voltage times current: its INA238 gives no power")


def _hwmon(folder: Path, address: str) -> Iterator[_Rail]:
    """The channels of an hwmon folder: in*_input in mV, curr*_input in mA."""
    for path in sorted(folder.glob("in*_label")):
        label, number = _text(path), path.name.removeprefix("in").removesuffix("_label")
        if _is_rail(label) and (folder / f"curr{number}_input").exists():
            yield _Rail(label, address, _scaled(1e-6, folder / f"in{number}_input", folder / f"curr{number}_input"))


def _iio(folder: Path, address: str) -> Iterator[_Rail]:
    """The channels of an iio folder: in_power*_input in mW."""
    for path in sorted(folder.glob("rail_name_*")):
        label, number = _text(path), path.name.removeprefix("rail_name_")
        if _is_rail(label):
            yield _Rail(label, address, _scaled(1e-3, folder / f"in_power{number}_input"))


def _is_rail(label: str) -> bool:
    return bool(label) and label != "NC" and not label.startswith("sum of")


def _scaled(scale: float, *paths: Path) -> Callable[[], float]:
    """A function that reads files and returns the product of their numbers, times ``scale``."""

    def read() -> float:
        value = scale
        for path in paths:
            words = path.read_text().split()
            if not words:
                raise ValueError(f"{path} is empty")
            value *= int(words[0])
        return value

    return read


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
