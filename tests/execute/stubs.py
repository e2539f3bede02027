"""Small jobs, synthetic recordings, and stubs in place of `perform`. Ray's workers import this module too."""

from __future__ import annotations

import os
import platform
import signal
import sys
import time
import warnings
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness import keys
from harness.data.base import Modality, Recordings
from harness.execute.perform_job import perform
from harness.execute.preflight import Node
from harness.jobs import CHECKPOINT, Inputs, Job, Outcome, Progress
from harness.keys import content_key
from harness.ledger import Record

JobGenerator = Generator[Progress, None, Outcome]


def make_recordings(n_samples: int = 64, fingerprint: str = "feed" * 5) -> Recordings:
    rng = np.random.default_rng(0)
    return Recordings(
        modalities=(Modality("accel", "series", (40, 3)),),
        arrays={"accel": rng.normal(size=(n_samples, 40, 3)).astype(np.float32)},
        label=rng.integers(0, 4, n_samples),
        subject=rng.integers(0, 8, n_samples),
        sample=np.array([f"s{i}" for i in range(n_samples)]),
        classes=("a", "b", "c", "d"),
        fingerprint=fingerprint,
    )


RECORDINGS = make_recordings()
DATA = {RECORDINGS.fingerprint: RECORDINGS}


def make_job(name: str, *needs: Job, threads: int = 1, **content: Any) -> Job:
    content = {
        "name": name,
        "threads": threads,
        "settings": {"epochs": 5},
        "needs": [need.key for need in needs],
        **content,
    }
    return Job(
        key=content_key(content),
        kind="train" if needs else "pretrain",
        content=content,
        about={"method": name, "dataset": "made", "seed": 0},
        data=RECORDINGS.fingerprint,
        indices={"train": np.arange(48)},
        needs=tuple(need.key for need in needs),
    )


def outcome(result: dict[str, Any], artefact: bytes = b"") -> Outcome:
    return Outcome(result, {"artefact.bin": artefact}, {"pid": os.getpid()}, "2030-01-01T00:00:00.000+00:00", 0.1)


class RecordingObserver:
    """An observer that remembers all events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.notes: list[str] = []
        self.hosts: set[str] = set()
        self.clusters: list[list[str]] = []

    def started(self, job: Job, where: str) -> None:
        self.events.append(("started", job.key))
        self.hosts.add(where)

    def progressed(self, job: Job, progress: Progress) -> None:
        self.events.append(("progressed", job.key))

    def finished(self, job: Job, record: Record) -> None:
        self.events.append((record["status"], job.key))

    def nodes(self, nodes: Sequence[Node]) -> None:
        self.clusters.append([node.name for node in nodes])

    def note(self, text: str) -> None:
        self.notes.append(text)


def learn(job: Job, recordings: Recordings, inputs: Inputs) -> JobGenerator:
    """A small training run whose bits depend on the seed, the data, the inputs and the number of threads."""
    torch.set_num_threads(job.threads)
    torch.manual_seed(int(job.key[:8], 16))
    x = torch.tensor(recordings.arrays["accel"][job.indices["train"]]).flatten(1)
    y = torch.tensor(recordings.label[job.indices["train"]])
    model = torch.nn.Sequential(torch.nn.Linear(120, 256), torch.nn.Dropout(), torch.nn.ReLU(), torch.nn.Linear(256, 4))
    for key in job.needs:
        model[0].weight.data += torch.frombuffer(bytearray(inputs[key]["artefact.bin"]), dtype=torch.float32).view(
            256, 120
        )
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for epoch in range(1, job.epochs + 1):
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        yield Progress(epoch, job.epochs, loss.item())
    return outcome(
        {"loss": loss.item(), "threads": torch.get_num_threads()}, model[0].weight.detach().numpy().tobytes()
    )


def behave(job: Job, recordings: Recordings, inputs: Inputs) -> JobGenerator:
    """Do what the name of the job says."""
    yield Progress(1, 2, 0.0)
    match job.content["name"]:
        case "raise":
            raise ValueError("no such luck")
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "die-once":
            scar = Path(job.content["scar"])
            if not scar.exists():
                scar.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        case "sleep":
            for _ in range(job.content["seconds"] * 20):
                time.sleep(0.05)
                yield Progress(1, 2, 0.0)
        case "until":
            while not Path(job.content["file"]).exists():
                time.sleep(0.05)
                yield Progress(1, 2, 0.0)
        case "peek":
            array = recordings.arrays["accel"]
            return outcome({"in_store": not array.flags.owndata, "pid": os.getpid(), "at": array.ctypes.data})
        case "greedy":
            np.zeros(2**58, dtype=np.uint8)
        case "inspect":
            there = [Path(path).exists() for path in job.content["paths"]]
            return outcome(
                {"host": platform.node(), "cwd": os.getcwd(), "there": there, "code": str(Path(keys.__file__))}, b"x"
            )
    types = sorted({type(data).__name__ for artefacts in inputs.values() for data in artefacts.values()})
    return outcome(
        {"inputs": {key: sorted(artefacts) for key, artefacts in inputs.items()}, "types": types}, b"x" * 1000
    )


def speak(job: Job, recordings: Recordings, inputs: Inputs) -> JobGenerator:
    """Prints and warns in two epochs, then ends, or fails if its name says so."""
    for epoch in (1, 2):
        print(f"out {epoch}")
        print(f"err {epoch}", file=sys.stderr)
        warnings.warn("odd", stacklevel=1)
        yield Progress(epoch, 2, 0.0)
    if "fails" in job.content["name"]:
        raise ValueError("no such luck")
    return outcome({})


def together(job: Job, recordings: Recordings, inputs: Inputs) -> JobGenerator:
    """A job shared by ``job.workers``, which sum their ranks in every epoch.

    If the content says so, the last worker dies in epoch 3, but only once, or raises there.
    """
    from torch import distributed as dist

    start = int(inputs.get(job.key, {}).get(CHECKPOINT, b"0"))
    rank, count = dist.get_rank(), dist.get_world_size()
    for epoch in range(start + 1, 6):
        ranks = torch.tensor(float(rank))
        dist.all_reduce(ranks)
        once = Path(str(job.content.get("dies", "")))
        if "dies" in job.content and epoch == 3 and rank == count - 1 and not once.exists():
            once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if job.content.get("raises") and epoch == 3 and rank == count - 1:
            raise ValueError("the last one doesn't like it")
        yield Progress(epoch, 5, ranks.item(), checkpoint=str(epoch).encode() if epoch == 2 else None)
    return outcome({"ranks": ranks.item(), "count": count, "began_at": start}, b"together")


def slowly(job: Job, recordings: Recordings, inputs: Inputs) -> JobGenerator:
    """The real job, with epochs of at least 0.3 s."""
    generator = perform(job, recordings, inputs)
    while True:
        try:
            progress = next(generator)
        except StopIteration as stop:
            return stop.value
        time.sleep(0.3)
        yield progress
