"""Which broker a command talks to: the one that is named, else the local one of the data folder."""

from __future__ import annotations

import json
from pathlib import Path

from infra.runtime.errors import BrokerUnreachableError, SettingError
from infra.runtime.settings import Settings, load_settings

_RECORD = "broker.json"
"""Written by `fleetpulse up` and `fleetpulse broker start` for as long as their broker serves the folder."""


def bootstrap_of(named: str | None) -> str:
    """`--bootstrap`, FLEETPULSE_BOOTSTRAP, or the broker that serves DATA_DIR. Raises `BrokerUnreachableError`."""
    settings = load_settings(bootstrap=named)
    found = settings.bootstrap or _local(settings.data_dir / _RECORD)
    if not found:
        raise BrokerUnreachableError(
            f"no broker is named, and none serves {settings.data_dir}",
            setting="--bootstrap or FLEETPULSE_BOOTSTRAP",
            way_out="Give HOST:PORT, go to the folder where `fleetpulse up` runs, or set FLEETPULSE_DATA_DIR",
        )
    return found


def require_named(settings: Settings) -> None:
    """Raise `SettingError` unless a broker is named: a service does not take the local one of a folder by chance."""
    if not settings.bootstrap:
        raise SettingError(
            "no broker is named",
            setting="--bootstrap or FLEETPULSE_BOOTSTRAP",
            way_out="Give HOST:PORT; `fleetpulse up` runs everything with a broker of its own",
        )


def _local(record: Path) -> str:
    try:
        return str(json.loads(record.read_text(encoding="utf-8"))["bootstrap"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
