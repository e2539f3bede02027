"""Processes of one gloo group, for tests: each runs a function of (rank, count), all results come back in order."""

from __future__ import annotations

import queue
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def together(count: int, work: Callable[..., Any], *arguments: Any) -> list[Any]:
    """The results of ``work(*arguments)`` in ``count`` processes."""
    results: mp.Queue = mp.get_context("spawn").Queue()  # type: ignore[type-arg]
    with tempfile.TemporaryDirectory() as folder:
        group = mp.spawn(_member, (count, Path(folder) / "meet", results, work, arguments), nprocs=count, join=False)
        found: dict[int, Any] = {}
        while len(found) < count:
            try:
                rank, value = results.get(timeout=0.5)
                found[rank] = value
            except queue.Empty:
                group.join(timeout=0.1)  # raises what a member raised
        while not group.join():
            pass
    return [found[rank] for rank in range(count)]


def _member(
    rank: int, count: int, meet: Path, results: Any, work: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{meet}", rank=rank, world_size=count, timeout=timedelta(seconds=60)
    )
    try:
        results.put((rank, work(*arguments)))
        dist.barrier()
    finally:
        dist.destroy_process_group()
