"""The power rails of Jetson boards: which of them add up to the power of the whole module, without overlap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from harness.edge.power.meter import Channel, MeterError

TOTALS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Jetson TX2, Xavier NX, Orin NX or Orin Nano", ("VDD_IN",)),
    ("Jetson TX1 or Nano", ("POM_5V_IN",)),
    ("Jetson AGX Thor", ("VIN",)),
    ("Jetson AGX Orin", ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0")),
    ("Jetson AGX Xavier", ("GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V")),
)
"""Board → rails that make up its total: one input rail, or the separate inputs of the AGX modules.

On AGX Xavier the monitors are at the inputs of the supplies (design guide, figure "Power Monitor"), so they do not
overlap. On AGX Orin the two high-voltage inputs and the 5 V input are separate; VDDQ_VDD2_1V8AO is fed by VIN_SYS_5V0
and must not be added.
"""


def total_rails(labels: Collection[str]) -> tuple[str, ...]:
    """The rails whose sum is the power of the whole module; () if no such set is known.

    >>> total_rails(["VDD_SYS_GPU", "VDD_IN", "VDD_SYS_CPU"])
    ('VDD_IN',)
    >>> total_rails(["VDD_GPU", "VDD_CPU"])
    ()
    """
    return next((rails for _, rails in TOTALS if set(rails) <= set(labels)), ())


def covers(label: str) -> str:
    """What a rail measures, for people."""
    if label == "VIN":
        return "the input of the carrier board"  # the INA238 of the AGX Thor developer kit
    alone = {rails[0] for _, rails in TOTALS if len(rails) == 1}
    return "the whole module" if label in alone else f"rail {label}"


def missing_total(labels: Collection[str]) -> str | None:
    """Why a board that is known has no total; None for unknown boards and for those that have one."""
    if {"VDD_GPU", "VDD_CPU_SOC_MSS"} <= set(labels) and "VIN" not in labels:
        return (
            "an AGX Thor without the INA238 at its input: the power of the whole board is not measured, and the rails"
            " of the module are not added, since it is not known whether they cover it"
        )
    return None


@dataclass(frozen=True)
class FoundRail:
    """A rail that a board has: its label, and the i2c address of its chip.

    note: what a reader of its figures must know. unreadable: why it cannot be read; None if it can.
    """

    label: str
    address: str
    note: str = ""
    unreadable: str | None = None


def rail_channels(found: Sequence[FoundRail]) -> tuple[tuple[Channel, ...], tuple[str, ...]]:
    """The channels of the rails that can be read, in their order, and notes for the reader of the figures.

    Rails of the same label are named by address, and are not part of a total. A rail that cannot be read is left out.
    Raises `MeterError` if it is part of the total, or if no rail can be read.
    """
    count = Counter(rail.label for rail in found)
    total = total_rails([label for label, n in count.items() if n == 1])
    notes = [rail.note for rail in found if rail.note]
    if missing := missing_total(count):
        notes.append(missing)
    for label in (label for label, n in count.items() if n > 1):
        notes.append(
            f"{count[label]} rails are called {label}: they are named by address, and none of them is part of a total"
        )
    channels = []
    for rail in found:
        if rail.unreadable is None:
            name = rail.label if count[rail.label] == 1 else f"{rail.label} ({rail.address})"
            channels.append(Channel(name, "power", covers(rail.label), name in total))
        elif rail.label in total:
            raise MeterError(rail.unreadable)
        else:
            notes.append(f"left out: {rail.unreadable}")
    if not channels:
        raise MeterError("; ".join(notes))
    return tuple(channels), tuple(notes)
