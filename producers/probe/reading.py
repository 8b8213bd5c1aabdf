"""One reading of the host with psutil, as the fields of fleet.hosts."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from infra.runtime.clock import Clock
from producers.probe.gpu import GpuReader


@dataclass(frozen=True)
class Counters:
    """Bytes since the machine started, at a monotonic time; None where the platform does not count them."""

    at_s: float
    disk_read: int | None
    disk_written: int | None
    received: int | None
    sent: int | None


def rate(before: int | None, now: int | None, seconds: float) -> float | None:
    """Bytes/s between two counts; None when one is missing, the counter was reset, or no time has passed."""
    if before is None or now is None or now < before or seconds <= 0:
        return None
    return (now - before) / seconds


class HostReader:
    """Reads this machine; rates are those since the reading before, so the first has none."""

    def __init__(self, clock: Clock, disk: Path, gpu: GpuReader) -> None:
        self._clock = clock
        self._disk = next(folder for folder in (disk.absolute(), *disk.absolute().parents) if folder.exists())
        self._gpu = gpu
        self.host = socket.gethostname()
        psutil.cpu_percent()  # its first answer is about nothing
        self._before = self._counters()

    def _counters(self) -> Counters:
        disk, network = psutil.disk_io_counters(), psutil.net_io_counters()
        return Counters(
            self._clock.monotonic_s(),
            disk.read_bytes if disk else None,
            disk.write_bytes if disk else None,
            network.bytes_recv if network else None,
            network.bytes_sent if network else None,
        )

    def read(self) -> dict[str, Any]:
        """The fields of fleet.hosts without the envelope: percent, bytes, bytes/s."""
        memory, disk = psutil.virtual_memory(), psutil.disk_usage(str(self._disk))
        before, now = self._before, self._counters()
        self._before = now
        passed_s = now.at_s - before.at_s
        return {
            "host": self.host,
            "cpu_usage": float(psutil.cpu_percent()),
            "load_1m": float(psutil.getloadavg()[0]),
            "memory_usage": float(memory.percent),
            "memory_used_bytes": int(memory.used),
            "memory_total_bytes": int(memory.total),
            "swap_usage": float(psutil.swap_memory().percent),
            "disk_usage": float(disk.percent),
            "disk_free_bytes": int(disk.free),
            "disk_read_rate": rate(before.disk_read, now.disk_read, passed_s),
            "disk_write_rate": rate(before.disk_written, now.disk_written, passed_s),
            "network_receive_rate": rate(before.received, now.received, passed_s),
            "network_send_rate": rate(before.sent, now.sent, passed_s),
            "processes": len(psutil.pids()),
            "cpu_cores": psutil.cpu_count() or 1,
            **self._gpu.read(),
        }
