"""Settings of one gateway process."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from infra.web.options import WebOptions


def _instance() -> str:
    return uuid4().hex[:12]


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """`name`: what heartbeats say they came through, the same after a restart. `instance`: this process alone, random:
    its sessions begin with it. `lake`: the folder of the lake, where this machine may have one. `alone`: the process
    does nothing else."""

    bootstrap: str
    data_dir: Path
    web: WebOptions
    lake: Path | None = None
    name: str = field(default_factory=socket.gethostname)
    instance: str = field(default_factory=_instance)
    max_waiting_bytes: int = 64 * 1024 * 1024
    start_within_s: float = 15.0
    alone: bool = False
