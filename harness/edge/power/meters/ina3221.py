"""The INA3221 power monitors of a Jetson, read from sysfs: hwmon (JetPack 5 and later) or iio (JetPack 4).

Rails are identified by their labels, never by their numbers. Disabled channels (label NC) and the driver's "sum of
shunt voltages" are left out. The chip has no energy counter, so energy is the integral of power. The INA238 at the
input of AGX Thor, in the same tree, is read too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from harness.edge.power.meter import Channel, Meter, MeterError
from harness.edge.power.rails import covers, total_rails

CHIPS = ("ina3221", "ina238")


class Ina3221(Meter):
    """The INA3221 power monitors of a Jetson, through sysfs. Argument: a path to use instead of /sys."""

    name = "ina3221"
    title = "Jetson INA3221 power monitors (sysfs)"
    rank = 1

    def open(self) -> tuple[Channel, ...]:
        root = Path(self.argument or "/sys")
        self._rails = dict(sorted(self._found(root)))
        if not self._rails:
            raise MeterError(
                f"no INA3221 power monitor under {root}/bus/i2c: this is not a Jetson, or the driver is not loaded"
            )
        total = total_rails(self._rails)
        for label in self._rails:
            try:
                self._rails[label]()
            except PermissionError as error:
                raise MeterError(f"permission: {error.filename} cannot be read") from error
            except (OSError, ValueError) as error:
                raise MeterError(f"rail {label} cannot be read: {error}") from error
        return tuple(Channel(label, "power", covers(label), label in total) for label in self._rails)

    def read(self) -> Sequence[float]:
        return [read() for read in self._rails.values()]

    def _found(self, root: Path) -> Iterator[tuple[str, Callable[[], float]]]:
        for device in sorted((root / "bus/i2c/devices").glob("*-00*")):
            name = _text(device / "name")
            if not name.startswith(CHIPS):
                continue
            for folder in sorted(device.glob("hwmon/hwmon*")):
                yield from _hwmon(folder, name)
            for folder in sorted(device.glob("iio:device*")):
                yield from _iio(folder)


def _hwmon(folder: Path, chip: str) -> Iterator[tuple[str, Callable[[], float]]]:
    """The channels of an hwmon folder: in*_input in mV, curr*_input in mA, power1_input in µW."""
    if chip.startswith("ina238"):
        yield "VIN", _scaled(1e-6, folder / "power1_input")
        return
    for path in sorted(folder.glob("in*_label")):
        label, number = _text(path), path.name.removeprefix("in").removesuffix("_label")
        if _is_rail(label) and (folder / f"curr{number}_input").exists():
            yield label, _scaled(1e-6, folder / f"in{number}_input", folder / f"curr{number}_input")


def _iio(folder: Path) -> Iterator[tuple[str, Callable[[], float]]]:
    """The channels of an iio folder: in_power*_input in mW."""
    for path in sorted(folder.glob("rail_name_*")):
        label, number = _text(path), path.name.removeprefix("rail_name_")
        if _is_rail(label):
            yield label, _scaled(1e-3, folder / f"in_power{number}_input")


def _is_rail(label: str) -> bool:
    return bool(label) and label != "NC" and not label.startswith("sum of")


def _scaled(scale: float, *paths: Path) -> Callable[[], float]:
    """A function that reads files and returns the product of their numbers, times ``scale``."""

    def read() -> float:
        value = scale
        for path in paths:
            value *= int(path.read_text().split()[0])
        return value

    return read


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
