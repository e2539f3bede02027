"""Stage 1: pre-training on unlabelled samples."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness.jobs import Progress
from harness.method import Batch, Method, Pretrained, Pretrainer
from harness.nn.augment import augment, device_generator
from harness.nn.distance import modal_distance, modal_plane
from harness.options import Stage1
from harness.training.batch_norm import batch_norms, estimated_statistics, passes
from harness.training.checkpoint import from_bytes, to_bytes
from harness.training.device import OwnRandomness, at_least_float32, autocast, build_optimiser, n_parameters, to_device
from harness.training.gradients import Gradients
from harness.training.training_data import TrainingData, in_order, permuted
from harness.training.workers import ALONE, Workers, bare

DRAWN = 200  # at most this many samples' projections are kept, to be drawn in the report


@dataclass(frozen=True)
class Stage1Result:
    """The result of stage 1.

    The last three attributes describe the modalities' projections of the unlabelled samples after the last epoch. They
    are None if the pretrainer has no projection per modality. See `harness.nn.distance`.

    Attributes:
        pretrained: The encoders and the method's diagnostics.
        loss: The mean over the samples, for each epoch.
        loss_floor: The lower bound of the loss, if it is known.
        seconds: The time of training, without anything else.
        diagnostics_seconds: The time that the method's diagnostics of the unlabelled data took.
        n_parameters: The number of parameters of the whole pretrainer.
        modal_distance: The mean cosine distance between the projections of a sample.
        modal_plane: The projections of some samples in their principal plane, (n, M, 2).
        plane_variance: The fraction of the projections' variance that the plane explains.
    """

    pretrained: Pretrained
    loss: tuple[float, ...]
    loss_floor: float | None
    seconds: float
    diagnostics_seconds: float
    n_parameters: int
    modal_distance: float | None
    modal_plane: np.ndarray | None
    plane_variance: float | None


def pretrain(
    method: Method, options: Any, settings: Stage1, data: TrainingData, unlabelled: np.ndarray,
    workers: Workers = ALONE, checkpoint: bytes | None = None,
) -> Generator[Progress, None, Stage1Result]:  # fmt: skip
    """Train a method's pretrainer. Yields after each epoch, and returns the result.

    Args:
        method: The method.
        options: The method's options of stage 1.
        settings: Epochs, batch size, optimiser and so on.
        data: The training data of the job.
        unlabelled: The indices of the samples to train on.
        workers: This process among those that share the work. All of them make the same call, and the first one's
            result counts.
        checkpoint: `Progress.checkpoint` of an earlier, interrupted call, to continue from. The result is the same
            except for the seconds.

    Raises:
        InputError: There are too few samples, see `Method.check_unlabelled`.
        RuntimeError: The loss is no longer finite.
    """
    method.check_unlabelled(len(unlabelled), workers.count)
    run = _Run(method, options, settings, data, unlabelled, workers)
    if checkpoint is not None:
        run.restore(checkpoint)
    for epoch in range(len(run.losses) + 1, (settings.epochs if run.model.trains else 0) + 1):
        run.epoch(epoch)
        due = epoch % settings.checkpoint_every == 0 and epoch < settings.epochs
        yield Progress(
            epoch,
            settings.epochs,
            run.losses[-1],
            run.model.loss_floor,
            checkpoint=run.checkpoint() if due else None,
        )
    encoders = bare(run.model.encoders.state_dict())
    distance, plane, variance = _between_modalities(run.model, data, unlabelled)
    run.model.eval()
    diagnostics, diagnostics_seconds = run.diagnose() if workers.rank == 0 else ({}, 0.0)
    return Stage1Result(
        pretrained=Pretrained(encoders, diagnostics),
        loss=tuple(run.losses),
        loss_floor=run.model.loss_floor,
        seconds=run.seconds,
        diagnostics_seconds=diagnostics_seconds,
        n_parameters=n_parameters(run.model),
        modal_distance=distance,
        modal_plane=plane,
        plane_variance=variance,
    )


class _Run:
    """Stage 1 in progress: everything that changes from epoch to epoch and therefore belongs in a checkpoint."""

    def __init__(
        self,
        method: Method,
        options: Any,
        settings: Stage1,
        data: TrainingData,
        unlabelled: np.ndarray,
        workers: Workers,
    ):
        self.method, self.options, self.settings = method, options, settings
        self.data, self.unlabelled, self.workers = data, unlabelled, workers
        self.randomness = OwnRandomness(data.seed("weights"), data.device)
        with self.randomness():
            self.model = to_device(method.build_pretrainer(data.task, options), data.device)
            torch.manual_seed(data.seed("dropout", *([workers.rank] if workers.rank else [])))
        self.replicated = workers.replicate(self.model, settings)
        self.order, self.draws = data.rng("order"), torch.Generator().manual_seed(data.seed("method"))
        self.optimiser, self.schedule = build_optimiser(self.model.parameters(), settings)
        static = self.model.static and workers.count == 1
        self.gradients = Gradients(list(self.model.parameters()), data.device, static)
        self.losses: list[float] = []
        self.seconds = 0.0
        self.model.train()

    def epoch(self, epoch: int) -> None:
        """Train one epoch."""
        started = perf_counter()
        batches = permuted(self.unlabelled, self.settings.batch_size, self.order, 2 * self.workers.count)
        total = torch.zeros((), dtype=torch.float64, device=self.data.device)
        with self.randomness():
            for samples in self.data.indices(batches):
                total += self.step(samples).double() * len(samples)
        self.schedule.step()
        mean = total.item() / len(self.unlabelled)
        if not np.isfinite(mean):
            hint = "a smaller lr or a higher temperature may help"
            raise RuntimeError(f"the loss of stage 1 is {mean} in epoch {epoch}; {hint}")
        self.losses.append(mean)
        self.seconds += perf_counter() - started

    def step(self, samples: Tensor) -> Tensor:
        """Train on one batch. Returns its loss, without waiting for a GPU to compute it."""
        loss = self.gradients(self.loss, self.views(samples))
        self.optimiser.step()
        return loss

    def views(self, samples: np.ndarray | Tensor) -> Batch:
        """The input of the model for these samples, which are augmented first if the settings say so."""
        batch: Batch = self.data.batch(samples)
        if self.settings.augmentations is not None:
            batch = augment(batch, self.settings.augmentations, device_generator(batch, self.draws))
        return self.model.views(batch, self.draws)

    def loss(self, views: Batch) -> Tensor:
        """The loss of a whole batch, of which this worker encodes a part."""
        with autocast(self.data.device, self.settings.precision):
            features = self.replicated(self.workers.part(views), self.draws)
        gathered = self.workers.gather(tuple(at_least_float32(f) for f in features))
        return self.model.loss(gathered, self.draws)

    @torch.no_grad()
    def diagnose(self) -> tuple[dict[str, Any], float]:
        """The method's diagnostics of the unlabelled data, such as their quality, and the seconds that they took."""
        if type(self.method).diagnose is Method.diagnose:  # then all these samples need not be put on the device
            return {}, 0.0
        started = perf_counter()
        batch, seed = self.data.batch(self.unlabelled), self.data.seed("findings")
        found = self.method.diagnose(self.model, batch, self.data.task, self.options, seed)
        return found, perf_counter() - started

    def checkpoint(self) -> bytes:
        """The state of all workers, as `restore` needs it."""
        state = {
            "model": bare(self.model.state_dict()),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "order": json.dumps(self.order.bit_generator.state),
            "draws": self.draws.get_state(),
            "randomness": self.workers.collect(self.randomness.states()),
            "losses": self.losses,
            "seconds": self.seconds,
        }
        return to_bytes(state)

    def restore(self, checkpoint: bytes) -> None:
        """Resume from a checkpoint."""
        state = from_bytes(checkpoint)
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.order.bit_generator.state = json.loads(state["order"])
        self.draws.set_state(state["draws"])
        self.randomness.restore(state["randomness"][self.workers.rank])
        self.losses = state["losses"]
        self.seconds = state["seconds"]


@torch.no_grad()
def _between_modalities(
    model: Pretrainer, data: TrainingData, samples: np.ndarray
) -> tuple[float | None, np.ndarray | None, float | None]:
    """Compute ``modal_distance``, ``modal_plane`` and ``plane_variance`` of `Stage1Result`.

    The BatchNorm statistics of the model are those of ``samples`` afterwards, see `harness.training.batch_norm`.
    """
    projections = getattr(model, "projections", None)
    if not isinstance(projections, nn.ModuleDict) or len(projections) < 2:
        return None, None, None

    def projected(chunk: np.ndarray) -> list[Tensor]:
        batch = data.batch(chunk)
        return [head(model.encoders[name](batch[name])).float() for name, head in projections.items()]

    with estimated_statistics(model, batch_norms([model])):
        for chunk in passes(samples, data.rng("batch norm")):
            projected(chunk)
    total, kept = 0.0, []
    for chunk in in_order(samples):
        z = projected(chunk)
        total += modal_distance(z).sum().item()
        kept.append(torch.stack([one.flatten(1) for one in z], 1).numpy(force=True))
    if not np.isfinite(total):
        return None, None, None
    plane, variance = modal_plane(np.concatenate(kept)[:: -(-len(samples) // DRAWN)])
    return total / len(samples), plane, variance
