"""NVIDIA GPUs through NVML: the energy counter of a GPU if it has one, otherwise its power.

It measures the GPU that a job uses, or those named in the argument (``nvml:0,1``), and nothing else of the machine. If
one of those cannot be measured, the meter is not readable: there would be no total. Nor is it readable on a Jetson,
where NVML can be initialised but answers NotSupported to every query about energy, or in MIG mode: NVML has no energy
or power of a GPU instance, and that of the whole GPU is also that of others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from harness.edge.power.meter import Channel, Meter, MeterError, read_channels

MIG = (
    "GPU {} is in MIG mode: NVML has no energy or power of a GPU instance, and that of the whole GPU includes the jobs"
    " of others"
)


class Nvml(Meter):
    """NVIDIA GPUs through nvidia-ml-py.

    Argument: numbers or UUIDs of GPUs. By default it is the GPU of the job: the first that CUDA sees.
    """

    name = "nvml"
    title = "NVIDIA GPUs (NVML)"
    devices = frozenset({"cuda"})
    rank = 2

    @classmethod
    def argument_for(cls, device: str) -> str:
        """The UUID of a GPU: CUDA may number GPUs differently from NVML. "" if PyTorch does not know it."""
        try:
            import torch

            return f"GPU-{torch.cuda.get_device_properties(torch.device(device)).uuid}"
        except (ImportError, AttributeError, RuntimeError, AssertionError, ValueError):
            return ""

    def open(self) -> tuple[Channel, ...]:
        try:
            import pynvml
        except ImportError as error:
            raise MeterError("nvidia-ml-py is not installed: pip install 'cosmo-harness[nvml]'") from error
        self._nvml: Any = pynvml
        notes: list[str] = []
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        try:
            pynvml.nvmlInit()
            handles = gpu_handles(pynvml, self.argument or visible, notes, bool(self.argument))
        except pynvml.NVMLError as error:
            raise MeterError(f"NVML: {error}") from error
        if not self.argument and len(handles) > 1:
            notes.append(f"{len(handles)} GPUs can be used; only GPU {handles[0][0]}, the first, is measured")
            del handles[1:]
        if not handles:
            raise MeterError("; ".join(notes) or "NVML finds no GPU" + (f" among {visible}" if visible else ""))
        self._channels, self._readers = zip(*(self._reader(number, handle) for number, handle in handles), strict=True)
        self.notes = tuple(notes)
        return self._channels

    def read(self) -> Sequence[float]:
        try:
            return read_channels(self._channels, self._readers)
        except self._nvml.NVMLError_NoPermission as error:
            raise MeterError(f"permission: NVML: {error}") from error
        except self._nvml.NVMLError as error:
            raise OSError(f"NVML: {error}") from error

    def close(self) -> None:
        self._nvml.nvmlShutdown()

    def _reader(self, number: int, handle: Any) -> tuple[Channel, Callable[[], float]]:
        """A channel and its reader: the energy counter of the GPU (mJ), or else its power (mW).

        Raises `MeterError` if it has neither.
        """
        nvml = self._nvml
        name, covers = f"gpu-{number}", f"GPU {number} alone"
        if _has_mig(nvml, handle):
            raise MeterError(MIG.format(number))
        reasons = []
        for channel, query in (
            (Channel(name, "counter", covers, True), nvml.nvmlDeviceGetTotalEnergyConsumption),
            (Channel(name, "power", covers, True), nvml.nvmlDeviceGetPowerUsage),
        ):
            try:
                query(handle)
            except nvml.NVMLError as error:
                reasons.append(error)
                continue
            return channel, partial(_thousandth, query, handle)
        if all(isinstance(reason, nvml.NVMLError_NotSupported) for reason in reasons):
            raise MeterError(
                f"NVML answers NotSupported for energy and power of GPU {number}; on a Jetson, use ina3221 or jtop"
            )
        raise MeterError(f"GPU {number}: NVML: {reasons[0]}")


def gpu_handles(nvml: Any, asked: str | None, notes: list[str], need_all: bool = False) -> list[tuple[int, Any]]:
    """Number and handle of each GPU that is asked for.

    asked: numbers or UUIDs, or None for all. notes: receives why a GPU of the machine was left out. need_all: whether
    an unknown GPU is an error; otherwise the list ends there, as in CUDA. Raises `MeterError` for it, and if an
    instance of MIG is asked for.
    """
    there = []
    for number in range(nvml.nvmlDeviceGetCount()):
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(number)
            there.append((number, handle, str(nvml.nvmlDeviceGetUUID(handle))))
        except nvml.NVMLError as error:  # one GPU that is lost or hidden does not hide the others
            notes.append(f"left out: GPU {number}: NVML: {error}")
    if asked is None:
        return [(number, handle) for number, handle, _ in there]
    found: dict[int, Any] = {}  # a GPU that is named twice is measured once
    for word in (word.strip() for word in asked.split(",")):
        match = [(number, handle) for number, handle, uuid in there if _is(word, number, uuid)]
        if not match and (hosts := [number for number, handle, _ in there if _has_mig(nvml, handle)]):
            raise MeterError(MIG.format(hosts[0]))
        if len(match) != 1 and need_all:
            raise MeterError("; ".join([f"NVML finds {len(match)} GPUs for {word!r}", *notes]))
        if len(match) != 1:
            break
        found |= match
    return list(found.items())


def _has_mig(nvml: Any, handle: Any) -> bool:
    try:
        return bool(nvml.nvmlDeviceGetMigMode(handle)[0] == nvml.NVML_DEVICE_MIG_ENABLE)
    except nvml.NVMLError:
        return False  # a GPU or a driver without MIG


def _thousandth(query: Callable[[Any], int], handle: Any) -> float:
    return query(handle) * 1e-3


def _is(word: str, number: int, uuid: str) -> bool:
    """Whether a word of CUDA_VISIBLE_DEVICES, a number or the beginning of a UUID, stands for this GPU."""
    return int(word) == number if word.isdecimal() else bool(word) and uuid.startswith(word)
