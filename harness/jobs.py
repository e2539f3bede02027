"""A job is a unit of work, an outcome what it leaves: the words that the plan, the executors and the ledger share."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

JobKind = Literal["pretrain", "train", "profile"]


@dataclass(frozen=True)
class Job:
    """A unit of work, complete in itself: with the data set's recordings and its inputs it can run anywhere.

    key: hash of ``content``. content: everything that can change the result, as JSON. about: for people and tables
    (data set, method, seed …), not in the key. needs: keys of the jobs whose artefacts are its inputs.
    indices: name → (n,) int64 sample numbers ("train", "labelled", "unlabelled", "validation", "test"); their
    hashes are in the content. data: fingerprint of the recordings it reads.
    """

    key: str
    kind: JobKind
    content: Mapping[str, Any]
    about: Mapping[str, Any]
    data: str
    indices: Mapping[str, np.ndarray] = field(default_factory=dict)
    needs: tuple[str, ...] = ()

    @property
    def threads(self) -> int:
        return int(self.content["threads"])

    @property
    def workers(self) -> int:
        """Processes that do it together, each with `threads` and `gpus`."""
        return int(self.content["settings"].get("workers", 1))

    @property
    def gpus(self) -> float:
        return float(self.about.get("gpus", 0))

    @property
    def epochs(self) -> int:
        return int(self.content["settings"]["epochs"])

    @property
    def title(self) -> str:
        """One line for people: ``train cosmo · utd-mhad · seed 0 · label_rate 0.05``."""
        parts = [f"{self.kind} {self.about['method']}", str(self.about["dataset"]), f"seed {self.about['seed']}"]
        parts += [f"{name} {value}" for name, value in self.about.get("point", {}).items()]
        if search := self.about.get("search"):
            drawn = ", ".join(
                f"{name} {f'{value:.4g}' if isinstance(value, float) else value}"
                for name, value in search["values"].items()
            )
            parts.append(f"search {search['number']}: {drawn}")
        parts += [f"on {self.about['device']['name']}"] if self.kind == "profile" else []
        return " · ".join(parts)

    @property
    def attachment(self) -> str:
        """Where it runs: "anywhere", or for a profile job "here", "ssh", "ray" (on the node of that name) or "offline"."""
        return str(self.about["device"]["way"]) if self.kind == "profile" else "anywhere"

    @property
    def resource(self) -> str | None:
        """Ray's resource that only the node of the job's device has; a job with one gets the node for itself."""
        return f"edge:{self.about['device']['name']}" if self.attachment == "ray" else None


@dataclass(frozen=True)
class Outcome:
    """What a job leaves. result: JSON of figures. artefacts: file name → bytes (encoders, predictions)."""

    result: Mapping[str, Any]
    artefacts: Mapping[str, bytes]
    environment: Mapping[str, Any]
    started_at: str  # ISO 8601, UTC
    seconds: float
    log: str = ""  # what the job printed


@dataclass(frozen=True)
class Failure:
    """Why a job failed: the exception's type and text, and its traceback. partial: what had been measured until then."""

    type: str
    message: str
    traceback: str
    partial: Mapping[str, Any] = field(default_factory=dict)
    log: str = ""  # what the job printed before it failed

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """An exception's; one that carries a ``failure`` from elsewhere gives that."""
        log = getattr(error, "job_log", "")
        if isinstance(known := getattr(error, "failure", None), cls):
            return replace(known, log=known.log or log)
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        return cls(type(error).__name__, str(error) or type(error).__name__, text, getattr(error, "partial", {}), log)

    def to_json(self) -> dict[str, str]:
        return {"type": self.type, "message": self.message, "traceback": self.traceback}


Inputs = Mapping[str, Mapping[str, bytes]]
"""Key of a needed job → its artefacts, by file name; under the job's own key `CHECKPOINT`, if it is to go on from one."""

CHECKPOINT = "checkpoint"
