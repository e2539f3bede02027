"""Performs one job, in the same way wherever it runs. Knows no executor and does not import Ray."""

from __future__ import annotations

import json
import time
from collections.abc import Generator
from datetime import datetime, timezone
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from harness import registry
from harness.data.base import Recordings
from harness.edge.attach.run_profile import perform_profile
from harness.jobs import CHECKPOINT, MODEL, Inputs, Job, Outcome, Progress
from harness.method import Method
from harness.options import Stage1, Stage2
from harness.training import Stage2Result, pretrain, pretrained_to_bytes, train
from harness.training.device import keep_freed_memory
from harness.training.job import describe_model, environment, npz_bytes, pretrained_of, training_data_of
from harness.training.metrics import metrics
from harness.training.trained_model import NotKept, model_to_bytes
from harness.training.workers import Workers

JobGenerator = Generator[Progress, None, Outcome]
ResultAndArtefacts = tuple[dict[str, Any], dict[str, bytes]]


def perform(job: Job, recordings: Recordings, inputs: Inputs) -> JobGenerator:
    """Do a job. The generator yields after each epoch and returns the outcome.

    Any exception is passed on; `Failure.of` turns it into the error of a record.
    """
    if job.kind == "profile":
        return (yield from perform_profile(job, recordings, inputs))
    if recordings.fingerprint != job.data:
        raise RuntimeError(f"job {job.key} is for data {job.data}, got {recordings.fingerprint}")
    threadpool_limits(job.threads)  # of NumPy and scikit-learn; torch has a setting of its own
    torch.set_num_threads(job.threads)
    keep_freed_memory()
    started, clock = datetime.now(timezone.utc), time.perf_counter()
    method: Method = registry.get("methods", job.content["method"]["name"])()
    run = _pretrain if job.kind == "pretrain" else _train
    result, artefacts = yield from run(method, job, recordings, inputs)
    return Outcome(
        result=result,
        artefacts=artefacts,
        environment=environment(str(job.content["device"])),
        started_at=started.isoformat(timespec="milliseconds"),
        seconds=time.perf_counter() - clock,
    )


def _pretrain(
    method: Method, job: Job, recordings: Recordings, inputs: Inputs
) -> Generator[Progress, None, ResultAndArtefacts]:
    assert method.Stage1 is not None
    options = method.Stage1.from_plain(job.content["options"])
    settings = Stage1.from_plain(job.content["settings"])
    checkpoint, workers = inputs.get(job.key, {}).get(CHECKPOINT), Workers.here(job.workers)
    done = yield from pretrain(
        method, options, settings, training_data_of(job, recordings), job.indices["unlabelled"], workers, checkpoint
    )
    result = {
        "loss": done.loss,
        "loss_floor": done.loss_floor,
        "findings": dict(done.pretrained.diagnostics),
        "train_seconds": done.seconds,
        "findings_seconds": done.diagnostics_seconds,
        "n_parameters": done.n_parameters,
        "modal_distance": done.modal_distance,
        "modal_plane_variance": done.plane_variance,
        "absent": {}
        if done.modal_distance is not None
        else {"modal_distance": "stage 1 has no finite projections by modality"},
    }
    artefacts = {
        "encoders.safetensors": pretrained_to_bytes(done.pretrained),
        "findings.json": json.dumps(result["findings"], sort_keys=True).encode(),
    }
    return result, artefacts if done.modal_plane is None else {
        **artefacts,
        "plane.npz": npz_bytes({"modal_plane": done.modal_plane}),
    }


def _train(
    method: Method, job: Job, recordings: Recordings, inputs: Inputs
) -> Generator[Progress, None, ResultAndArtefacts]:
    data, pretrained, labelled = training_data_of(job, recordings), pretrained_of(job, inputs), job.indices["labelled"]
    done = yield from train(
        method,
        method.Stage2.from_plain(job.content["options"]),
        Stage2.from_plain(job.content["settings"]),
        data,
        recordings.label,
        labelled,
        {part: job.indices[part] for part in ("validation", "test") if job.indices[part].size},
        pretrained,
        str(job.content["row"]),
    )
    result, artefacts = _train_result(done, recordings, job), {"predictions.npz": _predictions(done, recordings, job)}
    if job.keep_model:
        batch = {name: x.cpu() for name, x in data.batch(labelled[:2]).items()}
        try:
            artefacts[MODEL] = model_to_bytes(done.model, describe_model(job, recordings, pretrained), batch)
        except NotKept as error:
            result["absent"]["model"] = str(error)
    return result, artefacts


def _train_result(done: Stage2Result, recordings: Recordings, job: Job) -> dict[str, Any]:
    """The result of stage 2, with curves over all evaluations. Which evaluation counts is decided from the record.
    ``per_class`` maps each part to the accuracy of each class at the last evaluation, None where the part has no sample
    of the class. `harness.results.artefacts` has the other evaluations and the confusion matrices.
    """
    curves, per_class, largest = {}, {}, {}
    for part, predictions in done.predictions.items():
        truth = recordings.label[job.indices[part]]
        evaluations = [metrics(truth, predicted, recordings.n_classes) for predicted in predictions]
        curves[part] = {
            "accuracy": [evaluation.accuracy for evaluation in evaluations],
            "macro_f1": [evaluation.macro_f1 for evaluation in evaluations],
            "classes_predicted": [len(np.unique(predicted)) for predicted in predictions],
        }
        largest[part] = float(np.bincount(truth).max() / len(truth))
        per_class[part] = list(evaluations[-1].per_class)
    return {
        "loss": done.loss,
        "epochs_evaluated": done.epochs_evaluated,
        "curves": curves,
        "train_seconds": done.seconds,
        "evaluation_seconds": done.evaluation_seconds,
        "n_parameters": done.n_parameters,
        "n_labelled": len(job.indices["labelled"]),
        "flops": done.flops,
        "per_class": per_class,
        "largest_class_share": largest,
        "modal_plane_variance": done.plane_variance,
        **_explained_means(done, recordings),
    }


def _explained_means(done: Stage2Result, recordings: Recordings) -> dict[str, Any]:
    """Means over the test samples after the last epoch. A missing value is None, with its reason in ``absent``.
    attention: modality → weight. modal_distance: D̄, the cosine distance between the features of the modalities, before
    any weighting.
    """
    shapes = {"attention": (len(recordings.modalities),), "modal_distance": ()}
    found: dict[str, Any] = dict.fromkeys(shapes)
    absent: dict[str, str] = {}
    for name, shape in shapes.items():
        array = done.explained.get(name)
        if array is None:
            absent[name] = done.unexplained.get(name, "the method's classifier doesn't give it")
        elif array.shape[1:] != shape:
            absent[name] = f"one sample's has shape {array.shape[1:]}, not {shape}"
        elif not np.isfinite(array).all():
            absent[name] = "not finite for some samples"
        else:
            found[name] = array.mean(0, dtype=np.float64).tolist()
    if found["attention"]:
        found["attention"] = dict(zip((m.name for m in recordings.modalities), found["attention"], strict=True))
    return {**found, "absent": absent}


def _predictions(done: Stage2Result, recordings: Recordings, job: Job) -> bytes:
    """The predictions of every evaluation, the true classes, and what the model explains, as an npz without pickle."""
    arrays: dict[str, np.ndarray] = {"epochs": np.asarray(done.epochs_evaluated, dtype=np.int64)}
    for part, predictions in done.predictions.items():
        arrays[f"{part}_predicted"] = predictions
        arrays[f"{part}_true"] = recordings.label[job.indices[part]].astype(np.uint16)
    arrays["labelled"] = recordings.sample[job.indices["labelled"]]
    arrays |= {f"explained_{name}": value for name, value in done.explained.items()}
    return npz_bytes(arrays)
