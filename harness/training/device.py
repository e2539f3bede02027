"""Precision and optimiser of a training job, and a random state of its own."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import MultiStepLR

from harness.options import Optimiser

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
Model = TypeVar("Model", bound=nn.Module)


def autocast(device: str, precision: str) -> torch.autocast:
    """The autocast context of a precision: bfloat16 for "bf16", otherwise none."""
    return torch.autocast(torch.device(device).type, dtype=torch.bfloat16, enabled=precision == "bf16")


def build_optimiser(
    parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]], settings: Optimiser
) -> tuple[Optimizer, MultiStepLR]:
    """The optimiser and its learning-rate schedule, which is stepped once per epoch.

    The fused implementations are used because they pass over the parameters once rather than four times.
    """
    optimiser: Optimizer
    if settings.optimizer == "sgd":
        optimiser = SGD(parameters, settings.lr, settings.momentum, weight_decay=settings.weight_decay, fused=True)
    else:
        optimiser = Adam(parameters, settings.lr, settings.betas, weight_decay=settings.weight_decay, fused=True)
    return optimiser, MultiStepLR(optimiser, settings.lr_milestones, settings.lr_decay)


def at_least_float32(x: Tensor) -> Tensor:
    """The tensor, converted to float32 if it has half precision."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def to_device(model: Model, device: str) -> Model:
    """Move a model to a device. On a GPU its convolutions get the channels-last layout, which tensor cores work in."""
    model.to(device)
    if torch.device(device).type == "cuda":
        for parameter in model.parameters():
            if parameter.dim() == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return model


def keep_freed_memory() -> None:
    """Let this process keep memory that it has freed, for the next allocations.

    By default glibc returns every large array to the system, which then has to clear its pages for the next step: a
    tenth of stage 1's time on UTD-MHAD. Does nothing where the C library is another one.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(M_MMAP_THRESHOLD, 32 * 2**20)  # the highest that glibc accepts
    mallopt(M_TRIM_THRESHOLD, 512 * 2**20)


class OwnRandomness:
    """A job's own state of torch's global random generators, active inside ``with randomness():``.

    The global state is restored on exit, so a job gives the same bits whether or not other jobs run between its epochs.
    """

    def __init__(self, seed: int, device: str = "cpu"):
        self.cuda = [torch.device(device)] if torch.device(device).type == "cuda" else []
        with torch.random.fork_rng(devices=self.cuda):
            torch.manual_seed(seed)
            self._keep()

    def _keep(self) -> None:
        self.cpu_state = torch.get_rng_state()
        self.cuda_states = [torch.cuda.get_rng_state(d) for d in self.cuda]

    def states(self) -> list[Tensor]:
        """The states of the CPU's and the GPU's generators, for a checkpoint."""
        return [self.cpu_state, *self.cuda_states]

    def restore(self, states: list[Tensor]) -> None:
        """Continue from the states of a checkpoint."""
        self.cpu_state, *self.cuda_states = states

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with torch.random.fork_rng(devices=self.cuda):
            torch.set_rng_state(self.cpu_state)
            for device, state in zip(self.cuda, self.cuda_states, strict=True):
                torch.cuda.set_rng_state(state, device)
            try:
                yield
            finally:
                self._keep()


def n_parameters(module: nn.Module) -> int:
    """The number of parameters of a module, frozen or not."""
    return sum(p.numel() for p in module.parameters())
