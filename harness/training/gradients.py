"""The forward and backward pass of a training step, on a GPU as a CUDA graph where that is possible."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from harness.method import Batch

LossOf = Callable[[Batch], Tensor]
EAGER_STEPS = 3  # before a graph is captured, so that libraries have chosen their kernels and workspaces


class Gradients:
    """Computes the loss of a batch and the gradients of the parameters, which it leaves in their ``grad``.

    A small network keeps a GPU waiting for the CPU, which launches hundreds of kernels in each step. A CUDA graph
    launches them all at once. It repeats exactly what was captured, so it is only used if ``static`` promises that
    the loss is computed in the same way in every step, and only for batches of the size that was captured.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], device: str, static: bool):
        self._parameters = [p for p in parameters if p.requires_grad]
        self._static = static and torch.device(device).type == "cuda"
        self._steps = 0
        self._captured: _Captured | None = None

    def __call__(self, loss_of: LossOf, batch: Batch) -> Tensor:
        """The loss of a batch, detached. On a GPU it may be overwritten by the next call.

        The function is not kept. It usually belongs to the owner of this object, and in a cycle of references a model
        would stay in memory long after its job.
        """
        if not self._static:
            return self._eager(loss_of, batch)
        if self._captured is None and self._steps == EAGER_STEPS:
            self._captured = _Captured(loss_of, self._parameters, batch)
        if self._captured is not None and self._captured.fits(batch):
            return self._captured.replay(batch)
        self._steps += self._captured is None
        return self._on_side_stream(loss_of, batch)

    def _eager(self, loss_of: LossOf, batch: Batch) -> Tensor:
        for parameter in self._parameters:
            parameter.grad = None  # not zero, so that momentum and weight decay skip what has no gradient
        loss = loss_of(batch)
        torch.autograd.backward(loss)
        return loss.detach()

    def _on_side_stream(self, loss_of: LossOf, batch: Batch) -> Tensor:
        """Capturing needs steps that did not run on the default stream."""
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            loss = self._eager(loss_of, batch)
        torch.cuda.current_stream().wait_stream(stream)
        return loss


class _Captured:
    """A captured step, with the tensors that it reads and writes."""

    def __init__(self, loss_of: LossOf, parameters: Sequence[nn.Parameter], batch: Batch):
        self.batch = {name: x.clone() for name, x in batch.items()}
        self.parameters = parameters
        for parameter in parameters:
            parameter.grad = None  # so that the graph writes gradients and does not add to them
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.loss = loss_of(self.batch)
            torch.autograd.backward(self.loss)
        self.loss = self.loss.detach()
        self.gradients = [parameter.grad for parameter in parameters]

    def fits(self, batch: Batch) -> bool:
        return all(x.shape == self.batch[name].shape for name, x in batch.items())

    def replay(self, batch: Batch) -> Tensor:
        for name, x in batch.items():
            self.batch[name].copy_(x)
        self.graph.replay()
        for parameter, gradient in zip(self.parameters, self.gradients, strict=True):
            parameter.grad = gradient
        return self.loss
