"""Ledgers with made-up records, as a run would write them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from harness.jobs import Failure, Job, Outcome
from harness.keys import content_key
from harness.ledger import Ledger
from harness.results.run import RunResults
from harness.training.job import npz_bytes

CLASSES = ("walk", "run", "sit", "jump", "wave")
MODALITIES = ("acc", "gyro")
TITLES = {"deepsense": "DeepSense", "cmc": "CMC", "cosmo": "Cosmo"}
SKILL = {"deepsense": 0.45, "cmc": 0.6, "cosmo": 0.7}
PLACE = {
    "host": "made-up",
    "machine": "x86_64",
    "processor": "none",
    "device": "cpu",
    "python": "3.11.7",
    "torch": "2.9.0",
}
Fate = Callable[[Mapping[str, Any]], str]


def write_ledger(
    folder: Path,
    sweep: Mapping[str, Sequence[Any]] = {"label_rate": [0.05, 0.1]},
    methods: Sequence[str] = ("deepsense", "cmc", "cosmo"),
    seeds: int = 3,
    dataset: str = "pretend",
    fate: Fate = lambda trial: "done",
    epochs: Sequence[int] = (10, 20, 30, 40),
    classes: Sequence[str] = CLASSES,
    titles: Mapping[str, str] = TITLES,
    fitted: bool = True,
    **study: Any,
) -> RunResults:
    """Write a run. fate: whether a trial (given by its row) is done, failed or pending. fitted: else all are warned of."""
    ledger, random = Ledger(folder), np.random.default_rng(3)
    n = len(classes)
    truth = np.repeat(np.arange(n, dtype=np.uint16), 8)
    trials, jobs = [], {}
    for method, values, seed in product(methods, product(*sweep.values()), range(seeds)):
        point = dict(zip(sweep, values, strict=True))
        about = {"study": "made_up", "dataset": dataset, "method": method, "seed": seed, "point": point, "gpus": 0}
        stage1 = _stage1(ledger, jobs, dataset, method, seed, random) if method in ("cmc", "cosmo") else None
        samples = {"labelled": content_key(["labelled", seed, point.get("label_rate")]), "test": content_key(["test"])}
        content = _content("train", dataset, method, seed, samples) | {"point": point}
        job = Job(content_key([dataset, content]), "train", content, about, "f" * 20, needs=(stage1,) if stage1 else ())
        jobs[job.key] = job
        trials.append(
            {
                **{name: about[name] for name in ("dataset", "method", "seed", "point")},
                "key": job.key,
                "stage1_key": stage1,
                "counts": {
                    "train": 50,
                    "labelled": 5,
                    "unlabelled": 50 if stage1 else 0,
                    "test": len(truth),
                    "validation": 0,
                },
            }
        )
        what = fate({**about, **point})
        if what == "failed":
            ledger.write_failed(job, Failure("RuntimeError", "the loss is <script>alert(1)</script> NaN", "Traceback"))
        elif what == "done":
            ledger.write_done(job, _outcome(method, seed, truth, n, epochs, fitted, random))
    _write_plan(ledger, trials, jobs, sweep, methods, seeds, dataset, classes, titles, study)
    return RunResults(folder)


def _content(kind: str, dataset: str, method: str, seed: int, samples: Mapping[str, str]) -> dict[str, Any]:
    return {
        "kind": kind,
        "method": {"name": method, "version": "1"},
        "dataset": {"name": dataset, "version": "1"},
        "data": "f" * 20,
        "samples": dict(samples),
        "seeds": [seed],
        "threads": 1,
        "device": "cpu",
    }


def _stage1(
    ledger: Ledger, jobs: dict[str, Job], dataset: str, method: str, seed: int, random: np.random.Generator
) -> str:
    content = _content("pretrain", dataset, method, seed, {})
    job = Job(
        content_key([dataset, content]),
        "pretrain",
        content,
        {"dataset": dataset, "method": method, "seed": seed},
        "f" * 20,
    )
    if job.key not in jobs:
        jobs[job.key] = job
        quality = {
            name: {"hopkins": 0.8, "k_opt": 7 + i, "score": 0.4 / (1 + i), "weight": 1 / 2}
            for i, name in enumerate(MODALITIES)
        }
        result = {
            "loss": [3.0 - 0.1 * i for i in range(10)], "loss_floor": 2.0,
            "findings": {"quality": quality} if method == "cosmo" else {},
            "train_seconds": 20.0 + seed, "findings_seconds": 1.0, "n_parameters": 1000,
            "modal_distance": float(random.uniform(0.2, 0.4)),
            "absent": {}, "modal_plane_variance": 0.7,
        }  # fmt: skip
        artefacts = {
            "plane.npz": npz_bytes({"modal_plane": random.normal(size=(20, len(MODALITIES), 2)).astype(np.float32)})
        }
        ledger.write_done(job, Outcome(result, artefacts, PLACE, "2031-01-01T00:00:00Z", 21.0))
    return job.key


def _outcome(
    method: str, seed: int, truth: np.ndarray, n: int, epochs: Sequence[int], fitted: bool, random: np.random.Generator
) -> Outcome:
    skill = np.linspace(0.3, 1, len(epochs)) * (SKILL.get(method, 0.5) + random.normal(0, 0.02))
    looks = np.stack(
        [np.where(random.random(len(truth)) < s, truth, random.integers(n, size=len(truth))) for s in skill]
    ).astype(np.uint16)
    accuracy = (looks == truth).mean(axis=1).tolist()
    guided = method == "cosmo"
    result = {
        "loss": [2.0 / (1 + fitted * i) for i in range(epochs[-1])], "epochs_evaluated": list(epochs),
        "curves": {"test": {"accuracy": accuracy, "macro_f1": [0.95 * value for value in accuracy]}},
        "train_seconds": 5.0 + seed, "evaluation_seconds": 1.0, "n_parameters": 2000, "n_labelled": n,
        "flops": 1_000_000,
        "attention": dict(zip(MODALITIES, (0.6, 0.4), strict=True)) if guided else None,
        "modal_distance": 0.5 if guided else None,
        "absent": {} if guided else {"attention": "the method's classifier has no attention"},
        "modal_plane_variance": 0.6 if guided else None,
    }  # fmt: skip
    arrays = {"epochs": np.array(epochs), "test_true": truth, "test_predicted": looks}
    if guided:
        arrays["explained_modal_plane"] = random.normal(size=(len(truth), len(MODALITIES), 2)).astype(np.float32)
    artefacts = {"predictions.npz": npz_bytes(arrays)}
    return Outcome(result, artefacts, PLACE, "2031-01-01T00:00:00Z", 6.0)


def _write_plan(
    ledger: Ledger, trials: list[dict[str, Any]], jobs: Mapping[str, Job], sweep: Mapping[str, Sequence[Any]],
    methods: Sequence[str],
    seeds: int, dataset: str, classes: Sequence[str], titles: Mapping[str, str], study: Mapping[str, Any],
) -> None:  # fmt: skip
    about = {
        "title": "Made up", "fingerprint": "f" * 20, "n_samples": 90, "n_classes": len(classes),
        "classes": list(classes), "notes": {},
        "modalities": [{"name": name, "kind": "series", "shape": [20, 3]} for name in MODALITIES],
        "subjects": {"train": [1, 2, 3], "validation": [], "test": [4]},
    }  # fmt: skip
    plan = {
        "study": "made_up", "select": "last",
        "sweep": {dataset: {name: list(values) for name, values in sweep.items()}},
        "methods": list(methods), "titles": {m: titles.get(m, m) for m in methods}, "seeds": list(range(seeds)),
        "data": {dataset: about},
        "trials": trials,
        "jobs": {key: {"kind": job.kind, "title": job.title, "needs": list(job.needs)} for key, job in jobs.items()},
    }  # fmt: skip
    default = {"lr": {"value": 0.01, "source": "default"}, "method.lambda": {"value": 0.8, "source": "made_up.yaml:4"}}
    asked = {
        "study": "made_up", "title": "A made-up run", "question": "Does the report hold?", "file": "made_up.yaml",
        "text": "study: made_up\n",
        "overrides": [], "in_force": {dataset: {method.partition(":")[0]: default for method in methods}},
        "command": "harness run made_up.yaml",
        "provenance": {
            "git": {"commit": "0123456789abcdef", "dirty": True}, "packages": {"torch": "2.9.0"}, "python": "3.11.7",
            "cpus": 2,
        },
    }  # fmt: skip
    ledger.write_plan(
        {**asked, **{k: v for k, v in study.items() if k in asked}},
        {**plan, **{k: v for k, v in study.items() if k in plan}},
    )
