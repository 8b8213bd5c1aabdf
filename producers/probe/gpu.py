"""Figures of NVIDIA GPUs through NVML; quietly nothing where there is none."""

from __future__ import annotations

import logging
from typing import Any

_log = logging.getLogger("fleetpulse.probe.gpu")


class GpuReader:
    """Reads all GPUs of this machine. `available` is False without the module, the driver or a GPU."""

    def __init__(self) -> None:
        self._nvml: Any = None
        self._handles: list[Any] = []
        try:
            import pynvml  # noqa: PLC0415  # absent without the extra `probe`
        except ModuleNotFoundError:
            return
        try:
            pynvml.nvmlInit()
            self._handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        except pynvml.NVMLError as error:
            _log.debug("no GPU figures: %s", error)
            return
        self._nvml = pynvml

    @property
    def available(self) -> bool:
        """Whether there is a GPU to read."""
        return bool(self._handles)

    def read(self) -> dict[str, float | int | None]:
        """Fields of fleet.hosts: mean use and memory use in percent, the hottest in degrees C, how many.

        Empty without a GPU; None for a figure that the driver does not give.
        """
        if not self.available:
            return {}
        return {
            "gpu_usage": _mean([self._usage(handle) for handle in self._handles]),
            "gpu_memory_usage": _mean([self._memory_usage(handle) for handle in self._handles]),
            "gpu_temperature": max((t for h in self._handles if (t := self._temperature(h)) is not None), default=None),
            "gpu_count": len(self._handles),
        }

    def _usage(self, handle: object) -> float | None:
        try:
            return float(self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
        except self._nvml.NVMLError:  # some cards and partitions do not support it
            return None

    def _memory_usage(self, handle: object) -> float | None:
        try:
            memory = self._nvml.nvmlDeviceGetMemoryInfo(handle)
        except self._nvml.NVMLError:
            return None
        return 100.0 * float(memory.used) / float(memory.total) if memory.total else None

    def _temperature(self, handle: object) -> float | None:
        try:
            return float(self._nvml.nvmlDeviceGetTemperature(handle, self._nvml.NVML_TEMPERATURE_GPU))
        except self._nvml.NVMLError:
            return None

    def close(self) -> None:
        """Let go of the driver."""
        if self._nvml is not None:
            self._nvml.nvmlShutdown()
            self._nvml, self._handles = None, []


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
