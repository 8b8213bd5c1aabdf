"""Position hints: where recovery begins to look, so that looking does not grow with the age of the lake.

One JSON file per topic and partition. Files with offsets from `next_offset` on lie only in `folders`: a folder is
written here before the first file goes into it. A hint is never ahead of the files, may lag behind them, and may be
missing; then every folder is looked through.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from infra.runtime.logs import get_logger
from sinks.lake.storage import POSITIONS, replace_durably

_VERSION = 1
_log = get_logger("lake.positions")


@dataclass(frozen=True)
class Position:
    """What is durable of one partition.

    `next_offset`: all before it, in `epoch`, has landed. `last_timestamp_ms`: Kafka's timestamp of the record before
    it, by which another incarnation of the log is known; None when not known. `folders`: see the module.
    """

    topic: str
    partition: int
    epoch: int = 0
    next_offset: int = 0
    last_timestamp_ms: int | None = None
    cluster_id: str = ""
    folders: tuple[str, ...] = ()

    def with_folders(self, more: set[str]) -> Position:
        """The same with folders added."""
        return replace(self, folders=tuple(sorted({*self.folders, *more})))


def hint_path(lake: Path, topic: str, partition: int) -> Path:
    """Where the hint of a partition is kept."""
    return lake / POSITIONS / f"{topic}+{partition}.json"


def save_position(lake: Path, position: Position) -> None:
    """Keep a hint durably. Raises `OSError`."""
    content = json.dumps({"version": _VERSION, **asdict(position)}, indent=1).encode()
    replace_durably(hint_path(lake, position.topic, position.partition), content)


def load_position(lake: Path, topic: str, partition: int) -> Position | None:
    """The hint of a partition; None when there is none or it cannot be read."""
    path = hint_path(lake, topic, partition)
    try:
        found = json.loads(path.read_bytes())
        if found.pop("version") != _VERSION:
            return None
        return Position(**found | {"folders": tuple(found["folders"])})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        _log.warning(
            "a position hint cannot be read, all folders are looked through", path=str(path), error=repr(error)
        )
        return None


def load_positions(lake: Path) -> dict[tuple[str, int], Position]:
    """Every readable hint by (topic, partition)."""
    found = {}
    for path in sorted((lake / POSITIONS).glob("*.json")):
        topic, _, partition = path.stem.rpartition("+")
        if partition.isdigit() and (position := load_position(lake, topic, int(partition))) is not None:
            found[topic, int(partition)] = position
    return found
