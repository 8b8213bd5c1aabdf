"""The error for a lake that is not there."""

from __future__ import annotations

from pathlib import Path

from infra.runtime.errors import LakeError


def no_lake(lake: Path) -> LakeError:
    """What a reader says of a folder that does not exist."""
    return LakeError(
        f"there is no lake at {lake}",
        setting="--lake or FLEETPULSE_LAKE",
        way_out="Run `fleetpulse up` once, or name the folder that the lake writer fills",
    )
