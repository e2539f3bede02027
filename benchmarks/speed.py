"""Compares the harness with the plain form of the same work, pair by pair.

    python benchmarks/speed.py [--short] [--device cuda] [--repeats 5] [--json FILE] [--check FILE]

Samples are random with the shapes of UTD-MHAD. Each form has a process of its own, since the harness changes how
its process allocates memory and waits for threads. Each pair runs the plain form and then the harness; the table has
the median of the ratios of their times, with the least and the greatest. ``--short`` takes two minutes on two cores;
``--check`` exits with status 1 if a ratio is below half of the one in FILE, which an earlier ``--json`` has written.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from plain import as_list, plain_contrastive_loss, plain_networks, plain_stage1, plain_stage2
from rich.console import Console
from rich.table import Table

from baselines.attnsense import AttnSense
from baselines.deepsense import DeepSense
from baselines.single_modal import SingleModal
from harness.cosmo.method import Cosmo
from harness.cosmo.positives import grid, mix
from harness.data.utd_mhad import INERTIAL, SKELETON
from harness.method import Method, Task
from harness.nn.contrast import mixture_loss
from harness.options import Stage1, Stage2
from harness.provenance import processor
from harness.training import TrainingData, pretrain, train
from harness.training.device import keep_freed_memory

N, TESTED, LABELLED = 861, 215, 27
TASK = Task((INERTIAL, SKELETON), 27)
LABEL = np.arange(N) % 27


@dataclass(frozen=True)
class Comparison:
    """The same work twice, each as a function that returns its seconds.

    limit: what the ratio of the times should reach; None if there is no such aim.
    """

    name: str
    plain: Callable[[], float]
    harness: Callable[[], float]
    limit: float | None
    short: bool = False
    threads: int = 2


def make_arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {m.name: rng.normal(size=(N, *m.shape)).astype(np.float32) for m in TASK.modalities}


def finish(loop: Any) -> Any:
    while True:
        try:
            next(loop)
        except StopIteration as stop:
            return stop.value


def stage1(arrays: Mapping[str, np.ndarray], device: str, batch_size: int, batches: int) -> Comparison:
    method, settings = Cosmo(), Stage1(epochs=1, batch_size=batch_size)
    options = Cosmo.Stage1.from_plain({"quality": {"restarts": 1, "subsets": 0}})
    samples = np.arange(batch_size * batches) % N
    listed = as_list(arrays, LABEL, samples.tolist())
    data = TrainingData(TASK, arrays, lambda _, x: x, device, ("speed",))

    def plain() -> float:
        with plain_networks():
            model = method.build_pretrainer(TASK, options).to(device)
            return timed(lambda: plain_stage1(model, settings, listed, device), device)

    def ours() -> float:
        return float(finish(pretrain(_Undiagnosed(), options, settings, data, samples)).seconds)

    return Comparison(f"stage 1 of Cosmo, {batches} steps of {batch_size}", plain, ours, 3.0, batch_size == 32)


class _Undiagnosed(Cosmo):
    """Without the quality of the modalities, which is computed once and not in a step."""

    def diagnose(self, *_: Any) -> dict[str, Any]:
        return {}


def stage2(
    arrays: Mapping[str, np.ndarray], device: str, method: Method, given: Mapping[str, Any], epochs: int, limit: float
) -> Comparison:
    options = method.Stage2.from_plain(given)
    settings = Stage2(epochs=epochs, batch_norm="running")  # as the plain form does
    labelled, test = np.arange(LABELLED), np.arange(N - TESTED, N)
    listed, listed_test = as_list(arrays, LABEL, labelled.tolist()), as_list(arrays, LABEL, test.tolist())
    variant = next(iter(method.variants(TASK, options)), "")
    data = TrainingData(TASK, arrays, lambda _, x: x, device, ("speed",))

    def plain() -> float:
        with plain_networks():
            model = method.build_classifier(TASK, options, None, variant).to(device)
            return timed(lambda: plain_stage2(model, settings, listed, listed_test, device), device)

    def ours() -> float:
        result = finish(train(method, options, settings, data, LABEL, labelled, {"test": test}, None, variant))
        return float(result.seconds + result.evaluation_seconds)

    name = f"stage 2 of {method.title}{' ' + json.dumps(dict(given)) if given else ''}, {epochs} epochs"
    return Comparison(name, plain, ours, limit, isinstance(method, DeepSense), threads=1)


def loss(n: int, device: str) -> Comparison:
    drawn = torch.randn(n, 2, 128, device=device)
    weights = grid(9, 2).to(device)

    def measured(of: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[], float]:
        features = torch.nn.functional.normalize(drawn, dim=2).requires_grad_()
        return lambda: timed(lambda: torch.autograd.backward(of(features)), device)

    def plain(features: torch.Tensor) -> torch.Tensor:
        return plain_contrastive_loss(mix(features.unbind(1), weights), 0.07)

    return Comparison(
        f"contrastive loss, {n} samples × 9 mixtures",
        measured(plain),
        measured(lambda features: mixture_loss(features, weights, 0.07)),
        5.0 if n >= 1024 else None,
        n == 256,
    )


def comparisons(device: str) -> list[Comparison]:
    arrays = make_arrays()
    guided = {"guide": "fixed"}
    found = [
        stage1(arrays, device, 32, 20),
        stage1(arrays, device, 64, 10),
        stage2(arrays, device, DeepSense(), {}, 10, 3.0),
        stage2(arrays, device, AttnSense(), {}, 10, 3.0),
        stage2(arrays, device, SingleModal(), {}, 10, 3.0),
        stage2(arrays, device, Cosmo(), guided, 20, 3.0),
        stage2(arrays, device, Cosmo(), {**guided, "freeze_encoders": True}, 20, 3.0),
    ]
    return found + [loss(n, device) for n in (32, 256, 1024)]


def timed(work: Callable[[], Any], device: str) -> float:
    """The seconds of some work."""
    started = time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


class Form:
    """A process that runs one form of the work, "plain" or "harness", and times it."""

    def __init__(self, name: str, device: str):
        os.environ["GOMP_SPINCOUNT"] = "300000" if name == "plain" else "10000"  # the default of GCC, that of ours
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=serve, args=(other, name, device), daemon=True)
        self.process.start()

    def seconds(self, comparison: int) -> float:
        self.connection.send(comparison)
        return float(self.connection.recv())


def serve(connection: Any, form: str, device: str) -> None:
    """Run the comparisons whose numbers arrive, and send back their seconds."""
    if form == "harness":
        keep_freed_memory()
    work = comparisons(device)
    while True:
        comparison = work[connection.recv()]
        torch.set_num_threads(comparison.threads)
        connection.send((comparison.plain if form == "plain" else comparison.harness)())


def measure(number: int, comparison: Comparison, forms: Sequence[Form], repeats: int) -> dict[str, Any]:
    """The times of ``repeats`` pairs, after one that is not counted."""
    pairs = [[form.seconds(number) for form in forms] for _ in range(repeats + 1)][1:]
    ratios = [plain / ours for plain, ours in pairs]
    return {
        "name": comparison.name,
        "plain_seconds": median(plain for plain, _ in pairs),
        "harness_seconds": median(ours for _, ours in pairs),
        "ratio": median(ratios),
        "ratio_range": [min(ratios), max(ratios)],
        "limit": comparison.limit,
    }


def slower(measured: list[dict[str, Any]], recorded: list[dict[str, Any]]) -> list[str]:
    """The names of what has less than half of its recorded ratio."""
    ratio = {entry["name"]: entry["ratio"] for entry in recorded}
    return [entry["name"] for entry in measured if entry["ratio"] < ratio.get(entry["name"], 0) / 2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--check", type=Path)
    arguments = parser.parse_args()
    forms = [Form(name, arguments.device) for name in ("plain", "harness")]
    chosen = [(i, c) for i, c in enumerate(comparisons(arguments.device)) if c.short or not arguments.short]
    measured = [measure(number, comparison, forms, arguments.repeats) for number, comparison in chosen]
    for form in forms:
        form.process.terminate()
    hardware = torch.cuda.get_device_name() if arguments.device == "cuda" else processor()
    table = Table("work", "plain", "harness", "ratio", "range", "limit", title=f"{hardware}, torch {torch.__version__}")
    for entry in measured:
        low, high = entry["ratio_range"]
        table.add_row(
            entry["name"],
            f"{entry['plain_seconds']:.4f} s",
            f"{entry['harness_seconds']:.4f} s",
            f"{entry['ratio']:.1f}",
            f"{low:.1f}–{high:.1f}",
            f"{entry['limit']:g}" if entry["limit"] else "",
        )
    Console(width=120).print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps({"hardware": hardware, "measured": measured}, indent=1) + "\n")
    if arguments.check and (names := slower(measured, json.loads(arguments.check.read_text())["measured"])):
        sys.exit(f"less than half of the recorded ratio: {', '.join(names)}")


if __name__ == "__main__":
    main()
