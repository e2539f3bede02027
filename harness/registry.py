"""Plug-ins by name. Built-in ones are listed by module path and imported on demand; other packages add entry points.

The group of an entry point is ``cosmo_harness.methods``, ``cosmo_harness.datasets``, ``cosmo_harness.meters`` or
``cosmo_harness.trackers``, its name is that of the plug-in, and its value is ``package.module:Class``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.errors import InputError, did_you_mean

BUILT_IN: Mapping[str, Mapping[str, str]] = {
    "methods": {
        "cosmo": "harness.cosmo.method:Cosmo",
        "single-modal": "baselines.single_modal:SingleModal",
        "deepsense": "baselines.deepsense:DeepSense",
        "attnsense": "baselines.attnsense:AttnSense",
        "cpc": "baselines.cpc:CPC",
        "cmc": "baselines.cmc:CMC",
        "nearest-neighbour": "baselines.nearest_neighbour:NearestNeighbour",
        "logistic-regression": "baselines.logistic_regression:LogisticRegression",
        "cocoa": "baselines.cocoa:COCOA",
        "focal": "baselines.focal:FOCAL",
        "siamese": "baselines.siamese:Siamese",
        "triplet": "baselines.triplet:Triplet",
        "ntxent": "baselines.ntxent:NTXent",
    },
    "datasets": {
        "utd-mhad": "harness.data.utd_mhad:UtdMhad",
        "usc-had": "harness.data.usc_had:UscHad",
        "uci-hapt": "harness.data.uci_hapt:UciHapt",
        "pamap2": "harness.data.pamap2:Pamap2",
        "wisdm": "harness.data.wisdm:Wisdm",
        "motion-sense": "harness.data.motion_sense:MotionSense",
        "realworld-har": "harness.data.realworld_har:RealWorldHar",
        "opportunity": "harness.data.opportunity:Opportunity",
        "hhar": "harness.data.hhar:Hhar",
        "arrays": "harness.data.arrays:Arrays",
        "fantasy-device": "harness.data.fantasy_device:FantasyDevice",
    },
    "meters": {
        "ina3221": "harness.edge.power.meters.ina3221:Ina3221",
        "jtop": "harness.edge.power.meters.jtop:Jtop",
        "nvml": "harness.edge.power.meters.nvml:Nvml",
        "rapl": "harness.edge.power.meters.rapl:Rapl",
        "replay": "harness.edge.power.meters.replay:Replay",
    },
    "trackers": {
        "tensorboard": "harness.trackers.tensorboard:TensorBoard",
        "mlflow": "harness.trackers.mlflow:MLflow",
        "wandb": "harness.trackers.wandb:WeightsAndBiases",
    },
}


COMPANIONS = ("baselines", "reports")  # packages installed together with `harness`


NOUNS = {
    "methods": "method",
    "datasets": "data set",
    "meters": "meter",
    "trackers": "tracker",
}  # the singular of each kind, for messages


class UnknownName(InputError):
    """The name of a plug-in that doesn't exist. The hint is also an attribute, for messages with a location."""

    def __init__(self, kind: str, name: str, known: list[str]):
        self.kind, self.name = kind, name
        self.hint = did_you_mean(name, known)
        super().__init__(f"there is no {NOUNS[kind]} {name!r}: {self.hint}")


@cache
def paths(kind: str) -> Mapping[str, str]:
    """All plug-ins of a kind: name → ``module:Class``. An entry point can't replace a built-in plug-in."""
    found = {point.name: point.value for point in entry_points(group=f"cosmo_harness.{kind}")}
    return dict(sorted({**found, **BUILT_IN[kind]}.items()))


def plugin_packages() -> set[str]:
    """The packages, or single modules, of the plug-ins that other packages add."""
    points = [point for kind in BUILT_IN for point in entry_points(group=f"cosmo_harness.{kind}")]
    return {point.value.partition(":")[0].partition(".")[0] for point in points}


def get(kind: str, name: str) -> Any:
    """The class of a plug-in.

    Raises `UnknownName` with the nearest name, or `InputError` if a plug-in of another package can't be imported.
    """
    known = paths(kind)
    if name not in known:
        raise UnknownName(kind, name, list(known))
    module, _, attribute = known[name].partition(":")
    try:
        return getattr(import_module(module), attribute)
    except Exception as error:
        if name in BUILT_IN[kind]:
            raise
        text = f"{NOUNS[kind]} {name!r} ({known[name]}) can't be loaded: {type(error).__name__}: {error}"
        raise InputError(text) from error


def require_companions() -> None:
    """Raise `InputError` if `baselines` or `reports` is another package, such as a folder of the user."""
    root = Path(__file__).resolve().parents[1]
    for name in COMPANIONS:
        spec = find_spec(name)
        found = Path(spec.origin).resolve().parent if spec and spec.origin else None
        if found != root / name:
            where = found or (next(iter(spec.submodule_search_locations or ()), None) if spec else None)
            raise InputError(
                f"the package {name!r} of the harness, {root / name}, "
                + (f"is hidden by {where}" if where else "is missing")
                + "; rename that folder, run the command from another folder, or remove it from PYTHONPATH"
            )
