"""The power rails of Jetson boards: which of them add up to the power of the whole module, without overlap."""

from __future__ import annotations

from collections.abc import Collection

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
