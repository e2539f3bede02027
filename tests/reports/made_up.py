"""Made-up runs, of realistic size or with all kinds of difficulties."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from reports.run import RunData

METHODS = {
    "single-modal:acc": ("Single modality (acc)", -0.15),
    "single-modal:gyro": ("Single modality (gyro)", -0.2),
    "deepsense": ("DeepSense", 0.0),
    "attnsense": ("AttnSense", 0.01),
    "cpc": ("CPC", 0.05),
    "cmc": ("CMC", 0.12),
    "cosmo": ("Cosmo", 0.18),
}
Spoil = Callable[[dict[str, Any]], Mapping[str, Any]]


def make(
    sweep: Mapping[str, Mapping[str, Sequence[Any]]],
    methods: Sequence[str] = tuple(METHODS),
    seeds: int = 3,
    spoil: Spoil = lambda trial: {},
    **study: Any,
) -> RunData:
    """A run with a trial for each method, point and seed. spoil: returns the fields of a trial to change."""
    random = np.random.default_rng(7)
    rows = []
    for dataset, options in sweep.items():
        for method, values, seed in product(methods, product(*options.values()), range(seeds)):
            height = 0.3 + METHODS.get(method, ("", 0.0))[1] + 0.08 * list(product(*options.values())).index(values)
            accuracy = float(np.clip(height + random.normal(0, 0.015), 0, 1))
            row = {
                "key": f"{len(rows):08x}", "status": "done", "dataset": dataset, "method": method, "seed": seed,
                **dict(zip(options, values, strict=True)), "accuracy": accuracy, "macro_f1": 0.92 * accuracy,
                "epoch": 100,
                "n_labelled": 27, "n_unlabelled": 540, "n_test": 215,
                "stage1_key": f"s{seed}" if method == "cosmo" else None,
                "stage1_seconds": 120.0 if method == "cosmo" else np.nan, "stage2_seconds": 30.0, "error": None,
            }  # fmt: skip
            rows.append(row | spoil(row))
    for row in rows:
        if row["status"] != "done":
            row |= dict.fromkeys(("accuracy", "macro_f1", "epoch", "stage2_seconds"), np.nan)
    asked = {
        "study": "label_rate",
        "title": "Accuracy against the share of labelled data",
        "question": "How much do few labels cost each method?",
        "select": "last",
        "sweep": {
            dataset: {option: list(values) for option, values in options.items()} for dataset, options in sweep.items()
        },
        "methods": list(methods),
        "titles": {method: METHODS[method][0] for method in methods if method in METHODS},
        "seeds": list(range(seeds)),
        "chance": {dataset: 1 / 27 if dataset == "utd-mhad" else 1 / 12 for dataset in sweep},
        "data": {
            dataset: {
                "fingerprint": "3f9a1c0b7d2e4f55",
                "n_samples": 861,
                "n_classes": 27,
                "subjects": {"train": [1, 2, 3, 4, 5, 6], "validation": [], "test": [7, 8]},
            }
            for dataset in sweep
        },
        "options": [{"path": "cosmo.lambda", "value": 0.6, "source": "studies/label_rate.yaml:9"}],
        "command": "harness run studies/label_rate.yaml --out runs/label_rate",
        "versions": {"cosmo-harness": "0.1.0", "torch": "2.9.0", "python": "3.11.7"},
    }
    return RunData(pd.DataFrame(rows), {**asked, **study})


def realistic() -> RunData:
    """Two data sets × 7 methods × 4 label rates × 3 seeds; one trial failed."""

    def spoil(trial: dict[str, Any]) -> Mapping[str, Any]:
        if (trial["dataset"], trial["method"], trial["label_rate"], trial["seed"]) != ("utd-mhad", "cpc", 0.05, 1):
            return {}
        return {
            "status": "failed",
            "error": "Traceback (most recent call last):\n  ...\nRuntimeError: \x1b[31mloss is NaN\x1b[0m in epoch 3",
        }

    rates = {"utd-mhad": {"label_rate": [0.05, 0.1, 0.15, 0.2]}, "usc-had": {"label_rate": [0.01, 0.02, 0.05, 0.1]}}
    return make(rates, spoil=spoil)
