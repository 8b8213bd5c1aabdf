"""How long the lake keeps each table: what the catalogue says, or what somebody decided, in `_keep.json` of the lake.

The lake writer follows the file within half a minute; what it went by is in `_kept.json`. No table is kept shorter than
the broker keeps its topic: the lake would lack what can still be read there. The audit trail stays for 90 days at
least: who did something must not be able to have it forgotten at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.runtime.errors import LakeError, SettingError
from schemas.catalogue import DAY_S, TABLES
from sinks.lake.expired import EXPIRED_RETENTION_S
from sinks.lake.naming import DUPLICATES_TABLE, EXPIRED_TABLE, HOUR_S, folder_hour, list_folders, list_names
from sinks.lake.retention import retention_s_by_table
from sinks.lake.storage import LOCKS, make_folder, replace_durably

KEEP_FILE, KEPT_FILE = "_keep.json", "_kept.json"
LONGEST_S = 3_650 * DAY_S
_AUDIT_AT_LEAST_S = 90 * DAY_S
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Decision:
    """That a table is kept for `keep_s` seconds; `by`: who decided, as `Principal.id`; `at_s` since the epoch."""

    keep_s: int
    by: str
    at_s: float


@dataclass(frozen=True, slots=True)
class Applied:
    """What the lake writer went by when it last removed hours: seconds by table, `at_s` since the epoch."""

    at_s: float
    keep_s: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Going:
    """What would be removed: whole hours, from the begin of the first to the end of the last in seconds since 1970."""

    hours: int = 0
    files: int = 0
    stored_bytes: int = 0
    from_s: int | None = None
    to_s: int | None = None


def decisions(lake: Path) -> dict[str, Decision]:
    """By table; empty where nobody decided anything. Raises `LakeError` for a file that cannot be read."""
    path = lake / KEEP_FILE
    try:
        found = json.loads(path.read_bytes())
        if found["version"] == _VERSION:
            return {table: _decision(table, given) for table, given in found["tables"].items()}
        error: Exception = ValueError(f"version {found['version']}")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SettingError) as met:
        error = met
    way_out = "Mend it, or remove it to keep everything as long as the catalogue says; nothing is removed meanwhile"
    raise LakeError(f"{path} cannot be used: {error!r}", setting=KEEP_FILE, way_out=way_out) from error


def _decision(table: str, given: Mapping[str, object]) -> Decision:
    keep_s, at_s = given["keep_s"], given["at_s"]
    if not isinstance(keep_s, int) or not isinstance(at_s, int | float):
        raise TypeError(table)
    assert_fit(table, keep_s)
    return Decision(keep_s, str(given["by"]), float(at_s))


def keep_s_by_table(lake: Path) -> dict[str, int]:
    """How long each table is to be kept, in seconds. Raises `LakeError`."""
    return in_force(decisions(lake))


def in_force(decided: Mapping[str, Decision]) -> dict[str, int]:
    """The same by what was decided; which numbers went is known as long as any event of their session may stay."""
    found = retention_s_by_table() | {table: each.keep_s for table, each in decided.items()}
    longest_s = max(found[table] for table, topic in TABLES.items() if not topic.derived)
    return found | {EXPIRED_TABLE: max(longest_s, EXPIRED_RETENTION_S)}


def decide(lake: Path, table: str, decision: Decision | None) -> None:
    """Keep a table as long as decided; None: as the catalogue says. Raises `SettingError`, `LakeError`, `OSError`."""
    if decision is not None:
        assert_fit(table, decision.keep_s)
    with _alone(lake):
        known = decisions(lake)
        known.pop(table, None)
        if decision is not None:
            known[table] = decision
        tables = {name: asdict(each) for name, each in sorted(known.items())}
        replace_durably(lake / KEEP_FILE, json.dumps({"version": _VERSION, "tables": tables}, indent=1).encode())


def assert_fit(table: str, keep_s: int, setting: str = "--keep") -> None:
    """Raises `SettingError` for a table that is none, and for a duration that is too short or too long."""
    if not may_be_decided(table):
        raise SettingError(f"the lake has no table {table!r}", setting=setting, way_out="Write it like metrics=30d")
    least_s = shortest_s(table)
    if keep_s < least_s:
        way_out = f"Keep it for {_days(least_s)} at least: {_why(table)}"
        raise SettingError(f"{_days(keep_s)} is too short for {table}", setting=setting, way_out=way_out)
    if keep_s > LONGEST_S:
        raise SettingError(
            f"{_days(keep_s)} is too long for {table}", setting=setting, way_out=f"At most {_days(LONGEST_S)}"
        )


def may_be_decided(table: str) -> bool:
    """Whether it is for people to say how long a table is kept. What retention itself notes down goes by the rest."""
    return table in TABLES or table == DUPLICATES_TABLE


def shortest_s(table: str) -> int:
    """The shortest that a table may be kept by decision, in seconds."""
    if table == "audit":
        return _AUDIT_AT_LEAST_S
    topic = TABLES.get(table)
    return DAY_S if topic is None or topic.compacted else max(DAY_S, topic.retention_s)


def _why(table: str) -> str:
    return "it says who did what" if table == "audit" else "as long as the broker keeps its topic"


def _days(seconds: int) -> str:
    return f"{seconds:,} s" if seconds < DAY_S else f"{seconds / DAY_S:,.1f}".removesuffix(".0") + " days"


def going(lake: Path, table: str, keep_s: int, now_s: float) -> Going:
    """What a table would lose at `now_s` if it were kept for `keep_s`. Blocks. Raises `OSError`."""
    before = (now_s - keep_s) / HOUR_S - 1
    hours = {folder: hour for folder in list_folders(lake, table) if (hour := folder_hour(folder)) is not None}
    lost = {folder: hour for folder, hour in hours.items() if hour <= before}
    if not lost:
        return Going()
    sizes = [size for folder in lost for size in _sizes(lake, folder)]
    first, last = min(lost.values()), max(lost.values())
    return Going(len(lost), len(sizes), sum(sizes), first * HOUR_S, (last + 1) * HOUR_S)


def _sizes(lake: Path, folder: str) -> Iterator[int]:
    for name in list_names(lake, folder):
        with contextlib.suppress(FileNotFoundError):  # compaction or retention was quicker
            yield (lake / folder / name).stat().st_size


def note_applied(lake: Path, applied: Applied) -> None:
    """Leave word of what hours were removed by. Raises `OSError`."""
    replace_durably(lake / KEPT_FILE, json.dumps({"version": _VERSION, **asdict(applied)}, indent=1).encode())


def applied(lake: Path) -> Applied | None:
    """What the lake writer went by; None where none has left word, or not in words of ours."""
    try:
        found = json.loads((lake / KEPT_FILE).read_bytes())
        return Applied(float(found["at_s"]), {str(table): int(each) for table, each in found["keep_s"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


@contextlib.contextmanager
def _alone(lake: Path) -> Iterator[None]:
    """Two who decide at once do so one after the other. Raises `OSError`."""
    make_folder(lake / LOCKS)
    with (lake / LOCKS / "keep").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
