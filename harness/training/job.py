"""What all training jobs share: their training data, the environment that they run in, and the storing of arrays."""

from __future__ import annotations

import io
import json
import platform
import socket
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch

from harness.data.base import Recordings
from harness.data.normalise import Normaliser
from harness.jobs import Inputs, Job
from harness.method import Pretrained, Task
from harness.provenance import processor
from harness.training.checkpoint import pretrained_from_bytes
from harness.training.trained_model import InputDescription, ModelDescription
from harness.training.training_data import TrainingData


def training_data_of(job: Job, recordings: Recordings) -> TrainingData:
    """The training data of a job. A profile job has the seeds of the train job that it measures."""
    return TrainingData(
        task=Task(recordings.modalities, recordings.n_classes),
        arrays=recordings.arrays,
        normalise=normaliser_of(job, recordings).apply,
        device=str(job.content["device"]),
        seeds=("train" if job.kind == "profile" else job.kind, *job.content["seeds"]),
    )


def normaliser_of(job: Job, recordings: Recordings) -> Normaliser:
    """The constants that normalise the samples of a job: those of its training part."""
    return Normaliser.fit(recordings.arrays, job.indices["train"], recordings.modalities)


def pretrained_of(job: Job, inputs: Inputs) -> Pretrained | None:
    """The result of stage 1 that a job starts from, or None for a method without a stage 1."""
    if not job.needs:
        return None
    (stage1,) = (inputs[key] for key in job.needs)
    return pretrained_from_bytes(stage1["encoders.safetensors"], json.loads(stage1["findings.json"]))


def describe_model(job: Job, recordings: Recordings, pretrained: Pretrained | None) -> ModelDescription:
    """What the classifier that a train job trains belongs to."""
    content, normaliser = job.content, normaliser_of(job, recordings)
    inputs = tuple(
        InputDescription(
            name=one.name,
            kind=one.kind,
            shape=one.shape,
            used=True,
            mean=normaliser.mean[one.name],
            std=normaliser.std[one.name],
        )
        for one in recordings.modalities
    )
    return ModelDescription(
        method=content["method"]["name"],
        version=content["method"]["version"],
        variant=str(content["row"]),
        options=content["options"],
        inputs=inputs,
        classes=recordings.classes,
        encoders=None if pretrained is None else {name: tuple(x.shape) for name, x in pretrained.encoders.items()},
        diagnostics=None if pretrained is None else dict(pretrained.diagnostics),
        device=str(content["device"]),
        threads=job.threads,
        precision=content["settings"]["precision"],
    )


def environment(device: str) -> dict[str, Any]:
    """The environment of a job: its host, processor, device and the versions of its packages."""
    found = {
        "host": socket.gethostname(),
        "machine": platform.machine(),
        "processor": processor(),
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        "python": platform.python_version(),
    }
    for package in ("cosmo-harness", "torch", "numpy", "ray"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def npz_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Serialise arrays as a compressed npz file. The same arrays give the same bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
