"""The file that says which broker serves a data folder, for `broker status` and for people."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.broker.handshake import any_answers
from infra.broker.interface import Broker, Kind

_NAME = "broker.json"


@dataclass(frozen=True)
class Serving:
    """A broker that serves a data folder."""

    bootstrap: str
    kind: Kind
    why: str
    pid: int | None

    @classmethod
    def of(cls, broker: Broker) -> Serving:
        """What there is to say of `broker`."""
        return cls(broker.bootstrap, broker.kind, broker.why, broker.pid)


@contextlib.contextmanager
def recorded(broker: Broker, data_dir: Path) -> Iterator[Serving]:
    """Keep the file of `data_dir` while the block runs."""
    serving = Serving.of(broker)
    path = data_dir / _NAME
    data_dir.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".tmp")
    fresh.write_text(json.dumps(asdict(serving)), encoding="utf-8")
    fresh.rename(path)
    try:
        yield serving
    finally:
        path.unlink(missing_ok=True)


def serving(data_dir: Path) -> Serving | None:
    """The broker that serves `data_dir` now; a file left by one that was killed is removed and means None."""
    path = data_dir / _NAME
    try:
        found = Serving(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        path.unlink(missing_ok=True)
        return None
    if any_answers(found.bootstrap):
        return found
    path.unlink(missing_ok=True)
    return None
