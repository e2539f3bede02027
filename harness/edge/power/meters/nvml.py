"""NVIDIA GPUs through NVML: the energy counter of a GPU if it has one, otherwise its power.

It measures the GPUs that CUDA_VISIBLE_DEVICES makes visible, or those named in the argument (``nvml:0,1``), and nothing
else of the machine. On a Jetson, NVML can be initialised but answers NotSupported to every query about energy; the
meter is then not readable.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from harness.edge.power.meter import Channel, Meter, MeterError


class Nvml(Meter):
    """NVIDIA GPUs through nvidia-ml-py.

    Argument: numbers or UUIDs of GPUs, by default those of CUDA_VISIBLE_DEVICES.
    """

    name = "nvml"
    title = "NVIDIA GPUs (NVML)"
    devices = frozenset({"cuda"})
    rank = 2

    def open(self) -> tuple[Channel, ...]:
        try:
            import pynvml
        except ImportError as error:
            raise MeterError("nvidia-ml-py is not installed: pip install 'cosmo-harness[nvml]'") from error
        self._nvml: Any = pynvml
        try:
            pynvml.nvmlInit()
            asked = self.argument or os.environ.get("CUDA_VISIBLE_DEVICES")
            handles = self._handles(asked)
            found = [self._reader(number, handle) for number, handle in handles]
        except pynvml.NVMLError as error:
            raise MeterError(f"NVML: {error}") from error
        if not found:
            raise MeterError("NVML finds no GPU" + (f" among {asked}" if asked else ""))
        self._readers = [read for _, read in found]
        return tuple(channel for channel, _ in found)

    def read(self) -> Sequence[float]:
        try:
            return [read() for read in self._readers]
        except self._nvml.NVMLError_NoPermission as error:
            raise MeterError(f"permission: NVML: {error}") from error
        except self._nvml.NVMLError as error:
            raise OSError(f"NVML: {error}") from error

    def close(self) -> None:
        self._nvml.nvmlShutdown()

    def _handles(self, asked: str | None) -> list[tuple[int, Any]]:
        """Number and handle of each GPU that is asked for. As in CUDA, the list ends at the first unknown GPU."""
        nvml = self._nvml
        there = [(number, nvml.nvmlDeviceGetHandleByIndex(number)) for number in range(nvml.nvmlDeviceGetCount())]
        if asked is None:
            return there
        found = []
        for word in (word.strip() for word in asked.split(",")):
            match = [item for item in there if _is(word, item[0], str(nvml.nvmlDeviceGetUUID(item[1])))]
            if len(match) != 1:
                break
            found += match
        return found

    def _reader(self, number: int, handle: Any) -> tuple[Channel, Callable[[], float]]:
        """A channel and its reader: the energy counter of the GPU (mJ), or else its power (mW)."""
        nvml = self._nvml
        try:
            nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
        except nvml.NVMLError_NotSupported:
            try:
                nvml.nvmlDeviceGetPowerUsage(handle)
            except nvml.NVMLError_NotSupported:
                raise MeterError(
                    f"NVML answers NotSupported for energy and power of GPU {number}; on a Jetson, use ina3221 or jtop"
                ) from None
            channel = Channel(f"gpu-{number}", "power", f"GPU {number} alone", True)
            return channel, lambda: nvml.nvmlDeviceGetPowerUsage(handle) * 1e-3
        channel = Channel(f"gpu-{number}", "counter", f"GPU {number} alone", True)
        return channel, lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle) * 1e-3


def _is(word: str, number: int, uuid: str) -> bool:
    """Whether a word of CUDA_VISIBLE_DEVICES, a number or the beginning of a UUID, stands for this GPU."""
    return int(word) == number if word.isdigit() else bool(word) and uuid.startswith(word)
