"""Predicts the time of a step of stage 1 on 1 to 64 workers, and checks the prediction on this machine.

    python benchmarks/scaling.py [--batch-size 64] [--workers 1 2 4] [--gigabits 10] [--json FILE]

Model: seconds of a step = a + c · ⌈batch / workers⌉ + communication, with

    all-reduce of the gradients   2 (w − 1) / w · bytes / bandwidth + 2 (w − 1) · latency
    all-gather of the projections     (w − 1) / w · bytes / bandwidth +   (w − 1) · latency

a and c are fitted to steps of one worker with the whole batch, half and a quarter of it. Bandwidth and latency are
those of gloo between two processes here; ``--gigabits`` replaces the bandwidth for the workers that can't be measured.
Assumptions: ring algorithms, no overlap of the all-reduce with the backward pass (DDP overlaps some of it, so the model
is an upper bound), one thread per worker and a core for each; with fewer cores the compute takes turns.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from rich.console import Console
from rich.table import Table
from speed import TASK, make_arrays

from harness.cosmo.method import Cosmo
from harness.options import Stage1
from harness.training import TrainingData
from harness.training.stage1 import _Run
from harness.training.workers import Workers

PROJECTED_BYTES = 2 * 128 * 4  # of one sample, two modalities
STEPS = 6


@dataclass(frozen=True)
class Model:
    """The seconds of a step.

    fixed, per_sample: compute of one worker. bandwidth: bytes per second. latency: seconds of one message.
    """

    fixed: float
    per_sample: float
    gradient_bytes: int
    bandwidth: float
    latency: float
    cores: int

    def seconds(self, batch_size: int, workers: int, bandwidth: float | None = None) -> float:
        turns = ceil(workers / self.cores) if bandwidth is None else 1
        compute = turns * (self.fixed + self.per_sample * ceil(batch_size / workers))
        return compute + self.communication(batch_size, workers, bandwidth or self.bandwidth)

    def communication(self, batch_size: int, workers: int, bandwidth: float) -> float:
        others = workers - 1
        moved = 2 * others / workers * self.gradient_bytes + others / workers * batch_size * PROJECTED_BYTES
        return moved / bandwidth + 3 * others * self.latency


def step_seconds(batch_size: int, workers: Workers) -> float:
    """The median seconds of a step on these workers."""
    settings = Stage1(epochs=1, batch_size=batch_size, workers=workers.count)
    data = TrainingData(TASK, make_arrays(), lambda _, x: x, "cpu", ("scaling",))
    options = Cosmo.Stage1.from_plain({"quality": {"restarts": 1, "subsets": 0}})
    run = _Run(Cosmo(), options, settings, data, np.arange(batch_size * STEPS) % 861, workers)
    times = []
    for samples in data.indices(np.split(run.unlabelled, STEPS)):
        started = time.perf_counter()
        run.step(samples)
        times.append(time.perf_counter() - started)
    return median(times[1:])


def all_reduce_seconds(size: int) -> float:
    """The median seconds of an all-reduce of so many bytes."""
    tensor, times = torch.zeros(size // 4), []
    for _ in range(STEPS):
        dist.barrier()
        started = time.perf_counter()
        dist.all_reduce(tensor)
        times.append(time.perf_counter() - started)
    return median(times[1:])


def together(work: Callable[..., float], count: int, *arguments: Any) -> float:
    """The result of ``work`` in the first of ``count`` processes of one group."""
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(_member, (count, folder, work, arguments), nprocs=count)  # type: ignore[no-untyped-call]
        return float((Path(folder) / "result").read_text())


def _member(rank: int, count: int, folder: str, work: Callable[..., float], arguments: Sequence[Any]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/group", rank=rank, world_size=count)
    result = work(*arguments)
    if rank == 0:
        (Path(folder) / "result").write_text(str(result))
    dist.destroy_process_group()


def _one_worker(batch_size: int) -> float:
    return step_seconds(batch_size, Workers())


def _all_workers(batch_size: int) -> float:
    return step_seconds(batch_size, Workers(dist.get_rank(), dist.get_world_size()))


def fit(batch_size: int) -> Model:
    """The model of this machine."""
    sizes = [batch_size, batch_size // 2, batch_size // 4]
    per_sample, fixed = np.polyfit(sizes, [together(_one_worker, 1, size) for size in sizes], 1)
    pretrainer = Cosmo().build_pretrainer(TASK, Cosmo.Stage1())
    gradient_bytes = sum(4 * p.numel() for p in pretrainer.parameters())
    latency = together(all_reduce_seconds, 2, 4) / 2
    bandwidth = gradient_bytes / max(1e-9, together(all_reduce_seconds, 2, gradient_bytes) - 2 * latency)
    return Model(max(0.0, fixed), per_sample, gradient_bytes, bandwidth, latency, os.cpu_count() or 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4], help="how many to measure")
    parser.add_argument("--gigabits", type=float, default=10, help="bandwidth of the network, per second")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    model, size = fit(arguments.batch_size), arguments.batch_size
    measured = {count: together(_all_workers, count, size) for count in arguments.workers}
    console = Console(width=120)
    console.print(
        f"a step of {size} on one worker: {model.fixed:.3f} s + {1e3 * model.per_sample:.2f} ms per sample; gradients "
        f"{model.gradient_bytes / 2**20:.0f} MiB; gloo: {model.bandwidth / 1e9:.2f} GB/s, {1e3 * model.latency:.2f} ms"
    )
    network = arguments.gigabits * 1e9 / 8
    table = Table("workers", "measured here", "predicted here", f"predicted, {arguments.gigabits:g} Gbit/s", "speed-up")
    rows = []
    for count in (1, 2, 4, 8, 16, 32, 64):
        if count > size // 2:
            break
        here, there = model.seconds(size, count), model.seconds(size, count, network)
        seen = measured.get(count)
        rows.append({"workers": count, "measured": seen, "predicted": here, "predicted_on_network": there})
        speed_up = model.seconds(size, 1, network) / there
        here_text, seen_text = (f"{here:.3f} s", f"{seen:.3f} s") if seen else ("", "")
        table.add_row(str(count), seen_text, here_text, f"{there:.3f} s", f"{speed_up:.1f}")
    console.print(table)
    if arguments.json:
        arguments.json.write_text(
            json.dumps({**vars(arguments), "model": vars(model), "rows": rows}, default=str) + "\n"
        )


if __name__ == "__main__":
    main()
