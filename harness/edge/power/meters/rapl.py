"""The energy counters of Intel and AMD processors, from the powercap tree of Linux.

Packages and memory (dram) make up the total. The parts of a package (core, uncore) are inside it, and psys includes it;
they are recorded by name but never added. Memory that cannot be read is left out of the total, with a note. The
counters are in µJ and overflow at max_energy_range_uj. Since 2020 only root can read them, unless the administrator
allows others to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from harness.edge.power.meter import Channel, Meter, MeterError, read_channels
from harness.edge.power.rails_agent import read_file


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
        self._channels, self._readers, notes = [], [], []
        for name, zone in zones.items():
            kind = name.rpartition("/")[2].partition(" ")[0]
            try:
                int(read_file(str(zone / "energy_uj")))
                wraps_at = int(read_file(str(zone / "max_energy_range_uj"))) * 1e-6
            except (OSError, ValueError) as error:
                why = _why(zone / "energy_uj", error)
                if kind.startswith("package"):
                    raise MeterError(why) from error
                notes.append(f"left out: {name}: {why}")
                continue
            in_total = kind.startswith(("package", "dram"))
            self._channels.append(Channel(name, "counter", _covers(kind), in_total, wraps_at))
            self._readers.append(partial(_joules, str(zone / "energy_uj")))
        if not self._channels:
            raise MeterError("; ".join(notes))
        self.notes = tuple(notes)
        return tuple(self._channels)

    def read(self) -> Sequence[float]:
        return read_channels(self._channels, self._readers)


def _joules(path: str) -> float:
    return int(read_file(path)) * 1e-6


def _why(path: Path, error: Exception) -> str:
    if isinstance(error, PermissionError):
        return f"permission: {path} cannot be read; as root, run: chmod a+r {path}"
    return f"{path} cannot be read: {error}"


def _zones(root: Path) -> Iterator[tuple[str, Path]]:
    """The zones by name, such as ``package-0/dram``. The mmio zones, which repeat the packages, are left out.

    Zones of the same name are numbered, so that none is lost.
    """
    names: dict[str, str] = {}
    count: Counter[str] = Counter()
    for zone in sorted(root.glob("intel-rapl:*")):
        try:
            own = read_file(str(zone / "name")).strip()
        except OSError:
            continue
        parent = names.get(zone.name.rpartition(":")[0])
        name = names[zone.name] = f"{parent}/{own}" if parent else own
        count[name] += 1
        yield (name if count[name] == 1 else f"{name} ({count[name]})"), zone


def _covers(kind: str) -> str:
    known = {
        "dram": "memory",
        "core": "cores, inside the package",
        "uncore": "graphics, inside the package",
        "psys": "platform",
    }
    return "processor package" if kind.startswith("package") else known.get(kind, kind)
