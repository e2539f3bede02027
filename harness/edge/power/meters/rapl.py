"""The energy counters of Intel and AMD processors, from the powercap tree of Linux.

Packages and memory (dram) make up the total. The parts of a package (core, uncore) are inside it, and psys includes it;
they are recorded by name but never added. The counters are in µJ and overflow at max_energy_range_uj. Since 2020 only
root can read them, unless the administrator allows others to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.edge.power.meter import Channel, Meter, MeterError


class Rapl(Meter):
    """Processor packages and memory of Intel and AMD, through powercap. Argument: a path to use instead of /sys."""

    name = "rapl"
    title = "RAPL energy counters of the processor (powercap)"
    devices = frozenset({"cpu"})
    rank = 3

    def open(self) -> tuple[Channel, ...]:
        root = Path(self.argument or "/sys")
        zones = dict(_zones(root / "class/powercap"))
        if not zones:
            raise MeterError(
                f"no intel-rapl zones under {root}/class/powercap: not supported here, or hidden by a virtual machine"
            )
        self._files, channels = [], []
        for name, zone in zones.items():
            path = zone / "energy_uj"
            try:
                int(path.read_text())
                wraps_at = int((zone / "max_energy_range_uj").read_text()) * 1e-6
            except PermissionError as error:
                raise MeterError(f"permission: {path} cannot be read; as root, run: chmod a+r {path}") from error
            except (OSError, ValueError) as error:
                raise MeterError(f"{path} cannot be read: {error}") from error
            kind = name.rpartition("/")[2]
            self._files.append(path)
            channels.append(Channel(name, "counter", _covers(kind), kind.startswith(("package", "dram")), wraps_at))
        return tuple(channels)

    def read(self) -> Sequence[float]:
        return [int(path.read_text()) * 1e-6 for path in self._files]


def _zones(root: Path) -> Iterator[tuple[str, Path]]:
    """The zones by name, such as ``package-0/dram``. The mmio zones, which repeat the packages, are left out."""
    names = {}
    for zone in sorted(root.glob("intel-rapl:*")):
        try:
            names[zone.name] = (zone / "name").read_text(encoding="utf-8").strip()
        except OSError:
            continue
        parent = names.get(zone.name.rpartition(":")[0])
        yield (f"{parent}/{names[zone.name]}" if parent else names[zone.name]), zone


def _covers(kind: str) -> str:
    known = {
        "dram": "memory",
        "core": "cores, inside the package",
        "uncore": "graphics, inside the package",
        "psys": "platform",
    }
    return "processor package" if kind.startswith("package") else known.get(kind, kind)
