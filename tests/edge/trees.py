"""File trees as Jetson boards and PCs have them under /sys, and a writer that changes them while a sampler reads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

HWMON = {  # board → i2c address → labels by channel; values are volts and amperes of each
    "Xavier NX (JetPack 5)": {"7-0040": ("VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC")},
    "Orin Nano": {"1-0040": ("VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC")},
    "AGX Orin": {"1-0040": ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"), "1-0041": ("NC", "VDDQ_VDD2_1V8AO", "NC")},
    "AGX Xavier (JetPack 5)": {"1-0040": ("GPU", "CPU", "SOC"), "1-0041": ("CV", "VDDRQ", "SYS5V")},
    "AGX Thor": {"2-0040": ("VDD_GPU", "VDD_CPU_SOC_MSS", "VIN_SYS_5V0")},
    "unknown carrier": {"1-0040": ("VDD_CPU", "VDD_CPU_GPU", "VDD_MISC")},
}
IIO = {
    "TX2": {
        "0-0040": ("VDD_SYS_GPU", "VDD_SYS_SOC", "VDD_4V0_WIFI"),
        "0-0041": ("VDD_IN", "VDD_SYS_CPU", "VDD_SYS_DDR"),
    },
    "Nano": {"6-0040": ("POM_5V_IN", "POM_5V_GPU", "POM_5V_CPU")},
    "Xavier NX (JetPack 4)": {"7-0040": ("VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC")},
}
TOTALS = {
    "Xavier NX (JetPack 5)": {"VDD_IN"},
    "Orin Nano": {"VDD_IN"},
    "AGX Orin": {"VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"},
    "AGX Xavier (JetPack 5)": {"GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"},
    "AGX Thor": set(),  # without the INA238 at its input
    "unknown carrier": set(),
    "TX2": {"VDD_IN"},
    "Nano": {"POM_5V_IN"},
    "Xavier NX (JetPack 4)": {"VDD_IN"},
}


def jetson(root: Path, board: str) -> dict[str, Callable[[float], None]]:
    """Make a board's tree; rail → setter of its watts (at 5 V)."""
    setters: dict[str, Callable[[float], None]] = {}
    for number, (address, labels) in enumerate((HWMON.get(board) or IIO[board]).items()):
        device = root / "bus/i2c/devices" / address
        folder = device / (f"hwmon/hwmon{number + 3}" if board in HWMON else f"iio:device{number}")
        folder.mkdir(parents=True)
        (device / "name").write_text("ina3221\n" if board in HWMON else "ina3221x\n")
        if board in HWMON:
            (folder / "in7_label").write_text("sum of shunt voltages\n")
            (folder / "in7_input").write_text("12\n")
        for channel, label in enumerate(labels, start=board in HWMON):
            setters[label] = _hwmon(folder, channel, label) if board in HWMON else _iio(folder, channel, label)
            setters[label](1.0)
    setters.pop("NC", None)
    return setters


def _hwmon(folder: Path, channel: int, label: str) -> Callable[[float], None]:
    (folder / f"in{channel}_label").write_text(label + "\n")
    (folder / f"in{channel}_input").write_text("5000\n")
    return lambda watts: replace(folder / f"curr{channel}_input", f"{watts / 5 * 1000:.0f}\n")


def _iio(folder: Path, channel: int, label: str) -> Callable[[float], None]:
    (folder / f"rail_name_{channel}").write_text(label + "\n")
    return lambda watts: replace(folder / f"in_power{channel}_input", f"{watts * 1000:.0f}\n")


def rapl(root: Path, microjoules: int, wraps_at: int) -> dict[str, Path]:
    """Two packages with memory and cores, and psys; name → its energy_uj."""
    zones = {
        "intel-rapl:0": "package-0",
        "intel-rapl:0:0": "core",
        "intel-rapl:0:1": "dram",
        "intel-rapl:1": "package-1",
        "intel-rapl:1:0": "dram",
        "intel-rapl:2": "psys",
        "intel-rapl-mmio:0": "package-0",
    }
    files = {}
    for zone, name in zones.items():
        folder = root / "class/powercap" / zone
        folder.mkdir(parents=True)
        (folder / "name").write_text(name + "\n")
        (folder / "energy_uj").write_text(f"{microjoules}\n")
        (folder / "max_energy_range_uj").write_text(f"{wraps_at}\n")
        files[zone] = folder / "energy_uj"
    return files


def ina238(root: Path, has_power: bool) -> Path:
    """The INA238 at the input of AGX Thor: 30 W as power, if it gives it, and as 20 V times 1.5 A."""
    device = root / "bus/i2c/devices/2-0044"
    folder = device / "hwmon/hwmon9"
    folder.mkdir(parents=True)
    (device / "name").write_text("ina238\n")
    (folder / "in1_input").write_text("20000\n")
    (folder / "curr1_input").write_text("1500\n")
    if has_power:
        (folder / "power1_input").write_text("30000000\n")
    return folder


def replace(path: Path, text: str) -> None:
    """Change a file as sysfs does: a reader sees the old or the new value, nothing between."""
    new = path.with_name(f".{path.name}")
    new.write_text(text)
    new.rename(path)


class Changing:
    """Calls ``step(seconds since the start)`` about a hundred times a second, in a thread."""

    def __init__(self, step: Callable[[float], None]):
        self._step, self._over = step, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.begun = time.monotonic()

    def __enter__(self) -> Changing:
        self._step(0.0)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.01):
            self._step(time.monotonic() - self.begun)
