"""Measures stage 1 of Cosmo on one GPU: samples per second against batch size, and the share of the GPU's speed.

    python benchmarks/gpu.py [--batch-sizes 32 64 128 ...] [--json FILE]

The plain form (`benchmarks/plain.py`) runs on the same GPU, with a DataLoader over a list of samples. Samples are
random with the shapes of UTD-MHAD. The operations of a step are counted, not estimated; the speed that they are
compared with is that of a matrix product of 8192 × 8192 in the same precision on this GPU.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from plain import as_list, plain_contrastive_loss, plain_networks, plain_stage1
from rich.console import Console
from rich.table import Table
from speed import LABEL, TASK, N, make_arrays
from torch.utils.flop_counter import FlopCounterMode

from harness.cosmo.method import Cosmo
from harness.cosmo.positives import grid, mix
from harness.nn.contrast import mixture_loss
from harness.options import Stage1
from harness.training import TrainingData, gradients
from harness.training.stage1 import _Run
from harness.training.workers import ALONE

REPEATS = 5
OPTIONS = Cosmo.Stage1.from_plain({"quality": {"restarts": 1, "subsets": 0}})


def seconds_of(work: Callable[[], Any]) -> float:
    torch.cuda.synchronize()
    started = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - started


def steps(batch_size: int, precision: str, arrays: dict[str, np.ndarray], eager: bool) -> tuple[float, float]:
    """The median seconds of a step of the harness, and the operations of one."""
    settings = Stage1(epochs=1, batch_size=batch_size, precision=precision)
    data = TrainingData(TASK, arrays, lambda _, x: x, "cuda", ("gpu",))
    samples = np.arange(batch_size * max(1, N // batch_size)) % N
    run = _Run(Cosmo(), OPTIONS, settings, data, samples, ALONE)
    kept, gradients.EAGER_STEPS = gradients.EAGER_STEPS, 10**9 if eager else gradients.EAGER_STEPS
    try:
        for epoch in range(1, 5):  # until the graph is captured
            run.epoch(epoch)
        times = [seconds_of(lambda: run.epoch(5)) for _ in range(REPEATS)]
    finally:
        gradients.EAGER_STEPS = kept
    with FlopCounterMode(display=False) as counter:
        torch.autograd.backward(run.loss(run.data.batch(samples[:batch_size])))
    return median(times) / (len(samples) // batch_size), counter.get_total_flops()


def plain_steps(batch_size: int, arrays: dict[str, np.ndarray]) -> float:
    """The median seconds of a step of the plain form."""
    settings = Stage1(epochs=1, batch_size=batch_size)
    samples = (np.arange(batch_size * max(1, N // batch_size)) % N).tolist()
    listed = as_list(arrays, LABEL, samples)
    with plain_networks():
        model = Cosmo().build_pretrainer(TASK, OPTIONS).cuda()
        work = lambda: plain_stage1(model, settings, listed, "cuda")  # noqa: E731
        work()
        times = [seconds_of(work) for _ in range(REPEATS)]
    return median(times) / (len(samples) // batch_size)


def matrix_flops(precision: str) -> float:
    """The operations per second of a large matrix product."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a = torch.randn(8192, 8192, device="cuda", dtype=dtype)
    a @ a
    return 2 * 8192**3 / median(seconds_of(lambda: a @ a) for _ in range(REPEATS))


def losses() -> list[dict[str, Any]]:
    """Seconds and peak memory of the contrastive loss, forward and backward, in the plain form and in the harness."""
    found = []
    for n in (32, 128, 512, 1024, 2048, 4096):
        weights = grid(9, 2).cuda()
        entry: dict[str, Any] = {"samples": n}
        plain = lambda f, w=weights: plain_contrastive_loss(mix(f.unbind(1), w), 0.07)  # noqa: E731
        ours = lambda f, w=weights: mixture_loss(f, w, 0.07)  # noqa: E731
        for name, of in (("plain", plain), ("harness", ours)):

            def work(of: Callable[[Any], Any] = of, n: int = n) -> None:
                features = torch.nn.functional.normalize(torch.randn(n, 2, 128, device="cuda"), dim=2)
                torch.autograd.backward(of(features.requires_grad_()))

            work()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            entry[f"{name}_seconds"] = median(seconds_of(work) for _ in range(REPEATS))
            entry[f"{name}_bytes"] = torch.cuda.max_memory_allocated() - before
        found.append(entry)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[32, 64, 128, 256, 512])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    arrays, console = make_arrays(), Console(width=140)
    title = f"stage 1 of Cosmo, {torch.cuda.get_device_name()}, torch {torch.__version__}"
    table = Table(
        "batch", "precision", "plain step", "eager step", "step", "samples/s", "× plain", "of peak", title=title
    )
    measured = []
    for batch_size in arguments.batch_sizes:
        plain = plain_steps(batch_size, arrays)
        for precision in ("fp32", "bf16"):
            eager, _ = steps(batch_size, precision, arrays, eager=True)
            step, flops = steps(batch_size, precision, arrays, eager=False)
            share = flops / step / matrix_flops(precision)
            measured.append(
                {
                    "batch_size": batch_size,
                    "precision": precision,
                    "plain_seconds": plain,
                    "eager_seconds": eager,
                    "seconds": step,
                    "ratio": plain / step,
                    "flops": flops,
                    "share_of_peak": share,
                }
            )
            table.add_row(
                str(batch_size), precision, f"{1e3 * plain:.2f} ms", f"{1e3 * eager:.2f} ms", f"{1e3 * step:.2f} ms",
                f"{batch_size / step:.0f}", f"{plain / step:.1f}", f"{share:.0%}",
            )  # fmt: skip
    console.print(table)
    table = Table("samples × 9", "plain", "harness", "plain", "harness", title="contrastive loss, forward and backward")
    for entry in (of_loss := losses()):
        table.add_row(
            str(entry["samples"]),
            *(f"{1e3 * entry[f'{name}_seconds']:.2f} ms" for name in ("plain", "harness")),
            *(f"{entry[f'{name}_bytes'] / 2**20:.0f} MiB" for name in ("plain", "harness")),
        )
    console.print(table)
    if arguments.json:
        content = {"gpu": torch.cuda.get_device_name(), "stage1": measured, "loss": of_loss}
        arguments.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
