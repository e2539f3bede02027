"""Jobs and their outcomes: the types shared by the plan, the executors and the ledger."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

JobKind = Literal["pretrain", "train", "profile"]


@dataclass(frozen=True)
class Job:
    """A self-contained unit of work: given the recordings of its data set and its inputs, it can run anywhere.

    key: the hash of ``content``.
    content: everything that can change the result, as JSON.
    about: data set, method, seed and so on, for people and tables; not part of the key.
    data: fingerprint of the recordings.
    indices: name ("train", "labelled", "unlabelled", "validation" or "test") → sample numbers, int64 of shape
    (n_samples,). Their hashes are in the content.
    needs: keys of the jobs whose artefacts are inputs of this one.
    keep_model: whether the trained model is one of the artefacts; not part of the key, since no figure depends on it.
    """

    key: str
    kind: JobKind
    content: Mapping[str, Any]
    about: Mapping[str, Any]
    data: str
    indices: Mapping[str, np.ndarray] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    keep_model: bool = False

    @property
    def threads(self) -> int:
        return int(self.content["threads"])

    @property
    def workers(self) -> int:
        """The number of processes that share the job, each with `threads` and `gpus`."""
        return int(self.content["settings"].get("workers", 1))

    @property
    def needs_ray(self) -> str | None:
        """Why the job can't be done in the process of the driver; None if it can."""
        if self.workers > 1:
            return f"stage1.workers: {self.workers} needs Ray: leave out --inline, or set stage1.workers to 1"
        if self.attachment == "ray":
            name = self.about["device"]["name"]
            return (
                f"device {name} is a node of a Ray cluster, so --inline can't reach it: "
                f"give --address, or attach {name} by ssh or offline"
            )
        return None

    @property
    def gpus(self) -> float:
        return float(self.about.get("gpus", 0))

    @property
    def epochs(self) -> int:
        return int(self.content["settings"]["epochs"])

    @property
    def title(self) -> str:
        """The job in one line, such as ``train cosmo · utd-mhad · seed 0 · label_rate 0.05``."""
        parts = [f"{self.kind} {self.about['method']}", str(self.about["dataset"])]
        parts += [f"fold {fold}"] if (fold := self.about.get("fold")) else []
        parts += [f"seed {self.about['seed']}"]
        parts += [f"{name} {value_text(value)}" for name, value in self.about.get("point", {}).items()]
        if search := self.about.get("search"):
            drawn = ", ".join(
                f"{name} {f'{value:.4g}' if isinstance(value, float) else value_text(value)}"
                for name, value in search["values"].items()
            )
            parts.append(f"search {search['number']}: {drawn}")
        parts += [f"on {self.about['device']['name']}"] if self.kind == "profile" else []
        parts += [f"in power mode {self.content['power_mode']}"] if "power_mode" in self.content else []
        return " · ".join(parts)

    @property
    def shown_kind(self) -> str:
        """The kind of the job; "search" for a train job of a search."""
        return "search" if "search" in self.about else self.kind

    @property
    def attachment(self) -> str:
        """How the device of a profile job is attached: "here", "ssh", "ray" or "offline"; "anywhere" for other jobs.

        "ray" is the node of a Ray cluster that has the device's name.
        """
        return str(self.about["device"]["way"]) if self.kind == "profile" else "anywhere"

    @property
    def resource(self) -> str | None:
        """The custom Ray resource of the job's device, if the device is a node of a Ray cluster.

        Only that node has it, and only once, so that a job has the node to itself.
        """
        return f"edge:{self.about['device']['name']}" if self.attachment == "ray" else None


@dataclass(frozen=True)
class Progress:
    """The state at the end of an epoch.

    loss_floor: the lower bound of the loss, if it is known. validation_accuracy: between 0 and 1, if the
    validation samples were evaluated. checkpoint: what another process needs to continue from here, at some epochs
    only.
    """

    epoch: int
    epochs: int
    loss: float
    loss_floor: float | None = None
    validation_accuracy: float | None = None
    checkpoint: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Outcome:
    """What a finished job leaves.

    result: its figures, as JSON. artefacts: file name → bytes, such as encoders or predictions.
    """

    result: Mapping[str, Any]
    artefacts: Mapping[str, bytes]
    environment: Mapping[str, Any]
    started_at: str  # ISO 8601, UTC
    seconds: float
    log: str = ""  # what the job printed


@dataclass(frozen=True)
class Failure:
    """Why a job failed: type, message and traceback of the exception. partial: what had been measured by then."""

    type: str
    message: str
    traceback: str
    partial: Mapping[str, Any] = field(default_factory=dict)
    log: str = ""  # what the job printed before it failed

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """The failure behind an exception. If the exception carries a ``failure`` from another process, that one."""
        log = getattr(error, "job_log", "")
        if isinstance(known := getattr(error, "failure", None), cls):
            return replace(known, log=known.log or log)
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        return cls(type(error).__name__, str(error) or type(error).__name__, text, getattr(error, "partial", {}), log)

    def to_json(self) -> dict[str, str]:
        return {"type": self.type, "message": self.message, "traceback": self.traceback}


Inputs = Mapping[str, Mapping[str, bytes]]
"""Key of a needed job → its artefacts by file name. The job's own key may hold a `CHECKPOINT` to resume from."""

CHECKPOINT = "checkpoint"
MODEL = "model.safetensors"  # the artefact of a train job that keeps its model


def value_text(value: Any) -> str:
    """The value of an option as in a study: null, true, [1, 2]."""
    return value if isinstance(value, str) else json.dumps(value, default=str)
