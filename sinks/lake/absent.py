"""The error for a lake that is not there."""

from __future__ import annotations

from pathlib import Path

from infra.runtime.errors import LakeError


def no_lake(lake: Path) -> LakeError:
    """What a reader says of a folder that does not exist."""
    run = _newest_run(lake.parent)
    way_out = "Run `fleetpulse up` once, or name the folder that the lake writer fills"
    if run is not None:
        way_out = f"The newest run with a report is in {run}: set FLEETPULSE_DATA_DIR to it"
    return LakeError(f"there is no lake at {lake}", setting="--lake or FLEETPULSE_LAKE", way_out=way_out)


def _newest_run(data_dir: Path) -> Path | None:
    """The newest folder that `fleetpulse up --report` made; their names are times."""
    return max((lake.parent for lake in data_dir.glob("runs/*/lake")), default=None)
