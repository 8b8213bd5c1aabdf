"""What retention removed has expired; what never landed is missing, also beside it."""

from __future__ import annotations

import fcntl
import itertools
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_lake import START, SmallLake

from schemas.catalogue import DAY_S, TABLES
from sinks.api.overview.delivery import read_deliveries
from sinks.lake import expired, retention
from sinks.lake.accounts import SessionAccount
from sinks.lake.expired import note_expired
from sinks.lake.keep import Decision, decide
from sinks.lake.ledger import LedgerLine, read_expired, read_sessions, with_accounts
from sinks.lake.ledger_view import Ledger, LedgerQuestion, read_ledger, show_ledger
from sinks.lake.naming import list_folders, list_names, visible_files
from sinks.lake.positions import Position, save_position
from sinks.lake.retention import retain
from sinks.lake.storage import LOCKS
from sinks.lake.storage import open_lake as make_lake
from sinks.lake.upkeep import Upkeep
from sinks.lake.views import open_lake

Moment = Callable[[float], datetime]
NOW_S = START.timestamp()


def _events(moment: Moment, session: str, numbers: list[int], **more: object) -> list[dict[str, Any]]:
    return [{"session_id": session, "seq": n, "timestamp": moment(0), "user_id": "u"} | more for n in numbers]


def _landed(lake: SmallLake) -> None:
    """Say of all tables that their files are no more needed for recovery."""
    make_lake(lake.folder)
    for topic in TABLES.values():
        save_position(lake.folder, Position(topic.name, 0, next_offset=1_000_000))


def _ledger(lake: SmallLake) -> Ledger:
    return read_ledger(lake.folder, LedgerQuestion(only_missing=True))


def _counts(line: LedgerLine) -> tuple[int, int, int, int]:
    return line.published, line.landed, line.expired, line.missing


def test_what_retention_removed_has_expired_and_the_rest_is_still_missing(lake: SmallLake, moment: Moment) -> None:
    lake.add("metrics", _events(moment, "s", [0, 3, 4, 9]))
    lake.add("heartbeats", _events(moment, "s", [1, 2, 6]))
    lake.add("heartbeats", _events(moment, "s", [8], timestamp=moment(3600)))
    _landed(lake)
    before = _ledger(lake)
    assert _counts(before.total) == (10, 8, 0, 2)
    assert before.ranges == {"s": [(5, 5), (7, 7)]}
    assert len(retain(lake.folder, NOW_S + 8 * DAY_S)) == 2
    after = _ledger(lake)
    assert _counts(after.total) == (10, 4, 4, 2)
    assert after.ranges == before.ranges
    assert "expired" in show_ledger(after)


def test_the_newest_numbers_may_be_those_that_expired(lake: SmallLake, moment: Moment) -> None:
    """An agent's clock was wrong: its newest events are dated long ago."""
    lake.add("metrics", _events(moment, "s", [0, 1], timestamp=moment(100 * DAY_S)))
    lake.add("metrics", _events(moment, "s", [2, 4]))
    _landed(lake)
    retain(lake.folder, NOW_S + 100 * DAY_S)
    assert _counts(_ledger(lake).total) == (5, 2, 2, 1)


def test_the_overview_tells_them_apart_too(lake: SmallLake, moment: Moment) -> None:
    lake.add("metrics", _events(moment, "s", [0, 3]))
    lake.add("heartbeats", _events(moment, "s", [1]))
    _landed(lake)
    retain(lake.folder, NOW_S + 8 * DAY_S)
    with open_lake(lake.folder) as connection:
        whole = read_deliveries(moment(60), whole=True)(connection).of_agent["u", "a"]
        of_a_day = read_deliveries(moment(60), whole=False)(connection).of_agent["u", "a"]
    assert (whole.published, whole.landed, whole.expired, whole.missing) == (4, 2, 1, 1)
    assert of_a_day.expired == 0


def test_events_that_come_after_their_hour_was_removed_expire_too(lake: SmallLake, moment: Moment) -> None:
    lake.add("metrics", _events(moment, "s", [9], timestamp=moment(8 * DAY_S)))
    for numbers in ([0, 1], [2, 3], [4]):
        lake.add("heartbeats", _events(moment, "s", numbers))
        _landed(lake)
        retain(lake.folder, NOW_S + 8 * DAY_S)
    assert list_folders(lake.folder, "heartbeats") == []
    found = _ledger(lake)
    assert (_counts(found.total), found.ranges) == ((10, 1, 5, 4), {"s": [(5, 8)]})


def test_a_removal_that_was_cut_off_counts_once(
    lake: SmallLake, moment: Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.add("metrics", _events(moment, "s", [9], timestamp=moment(8 * DAY_S)))
    for numbers in ([0, 1], [2, 3]):
        lake.add("heartbeats", _events(moment, "s", numbers))
    _landed(lake)

    def half(folder: Path, name: str, names: list[str]) -> None:
        (folder / name / min(names)).unlink()
        raise OSError("the process ends here")

    with monkeypatch.context() as patch:
        patch.setattr(retention, "_remove", half)
        with pytest.raises(OSError, match="ends here"):
            retain(lake.folder, NOW_S + 8 * DAY_S)
    lake.add("heartbeats", _events(moment, "s", [4]))
    _landed(lake)
    retain(lake.folder, NOW_S + 8 * DAY_S)
    assert _counts(_ledger(lake).total) == (10, 1, 5, 4)


def test_files_that_a_compacted_one_stands_for_are_not_counted_twice(lake: SmallLake, moment: Moment) -> None:
    lake.add("metrics", _events(moment, "s", [3], timestamp=moment(8 * DAY_S)))
    [path] = lake.add("heartbeats", _events(moment, "s", [0, 1, 2]))
    path.with_name(path.name.replace(".parquet", "c.parquet")).write_bytes(path.read_bytes())
    _landed(lake)
    retain(lake.folder, NOW_S + 8 * DAY_S)
    assert _counts(_ledger(lake).total) == (4, 1, 3, 0)


def test_what_others_write_is_not_noted(lake: SmallLake, moment: Moment) -> None:
    lake.add("trust", _events(moment, "s", [0]))
    _landed(lake)
    assert retain(lake.folder, NOW_S + 365 * DAY_S)
    assert list_folders(lake.folder, "expired") == []


def test_a_broken_file_goes_and_stays_missing(lake: SmallLake, moment: Moment) -> None:
    lake.add("metrics", _events(moment, "s", [2], timestamp=moment(8 * DAY_S)))
    [path] = lake.add("heartbeats", _events(moment, "s", [0]))
    path.write_bytes(b"no Parquet")
    lake.add("heartbeats", _events(moment, "s", [1]))
    _landed(lake)
    retain(lake.folder, NOW_S + 8 * DAY_S)
    assert _counts(_ledger(lake).total) == (3, 1, 1, 1)


def test_notes_go_when_no_table_keeps_anything_as_old(lake: SmallLake, moment: Moment) -> None:
    lake.add("heartbeats", _events(moment, "s", [0]))
    _landed(lake)
    retain(lake.folder, NOW_S + 8 * DAY_S)
    assert len(list_folders(lake.folder, "expired")) == 1
    retain(lake.folder, NOW_S + 366 * DAY_S)
    assert list_folders(lake.folder, "expired") == []


def test_accounts_do_not_claim_that_what_expired_did_not_land(lake: SmallLake, moment: Moment) -> None:
    lake.add("heartbeats", _events(moment, "gone", [0, 1, 2]))
    lake.add("heartbeats", _events(moment, "half", [0, 1]))
    lake.add("metrics", _events(moment, "half", [2]))
    _landed(lake)
    retain(lake.folder, NOW_S + 8 * DAY_S)
    claims = [SessionAccount(name, "a", 4, 4, 0) for name in ("gone", "half")]
    with open_lake(lake.folder) as connection:
        lines = with_accounts(read_sessions(connection), claims, read_expired(connection, ["gone", "half"]))
    found = {line.session_id: (*_counts(line), line.not_landed) for line in lines}
    assert found == {"gone": (4, 0, 3, 1, 1), "half": (4, 1, 2, 1, 1)}


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(fates=st.lists(st.sampled_from(["metrics", "heartbeats", "lost"]), min_size=1, max_size=40))
def test_expired_and_missing_are_told_apart_number_by_number(
    fates: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    lake = SmallLake(tmp_path_factory.mktemp("lake"))
    for table in ("metrics", "heartbeats"):
        if numbers := [n for n, fate in enumerate(fates) if fate == table]:
            lake.add(table, _events(lambda _: START, "s", numbers))
    lake.add("metrics", _events(lambda _: START, "s", [len(fates)]))
    _landed(lake)
    retain(lake.folder, NOW_S + 8 * DAY_S)
    found = _ledger(lake)
    numbers = [fates.count(fate) for fate in ("metrics", "heartbeats", "lost")]
    assert _counts(found.total) == (len(fates) + 1, numbers[0] + 1, numbers[1], numbers[2])
    missing = [n for first, last in found.ranges.get("s", []) for n in range(first, last + 1)]
    lost = [n for n, fate in enumerate(fates) if fate == "lost"]
    assert missing == lost[: len(missing)]
    assert missing == lost or len(found.ranges["s"]) == 20


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    given_of=st.dictionaries(st.sampled_from("abc"), st.sets(st.integers(0, 30), min_size=1), min_size=1),
    rows_at_once=st.integers(1, 9),
    per_file=st.integers(1, 20),
)
def test_numbers_are_the_same_however_they_are_read(
    given_of: dict[str, set[int]], rows_at_once: int, per_file: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """In files of any length, of which any number of rows is read at once, beside copies of the same events."""
    lake = SmallLake(tmp_path_factory.mktemp("lake"))
    rows = [row for session, numbers in given_of.items() for row in _events(lambda _: START, session, [*numbers])]
    for first in range(0, len(rows), per_file):
        lake.add("heartbeats", rows[first : first + per_file])
    lake.add("heartbeats", rows[: len(rows) // 2])
    [folder] = list_folders(lake.folder, "heartbeats")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(expired, "ROW_GROUP_ROWS", rows_at_once)
        assert note_expired(lake.folder, folder, list_names(lake.folder, folder), threading.Event())
    noted = pl.concat(pl.read_parquet(note) for note in visible_files(lake.folder, "expired"))
    assert dict(noted.select("session_id", "events").iter_rows()) == {s: len(n) for s, n in given_of.items()}
    assert dict(noted.select("session_id", "last_seq").iter_rows()) == {s: max(n) for s, n in given_of.items()}
    for session, firsts, lasts in noted.select("session_id", "firsts", "lasts").iter_rows():
        runs = list(zip(firsts, lasts, strict=True))
        assert [n for first, last in runs for n in range(first, last + 1)] == sorted(given_of[session])
        assert all(last + 1 < first for (_, last), (first, _) in itertools.pairwise(runs))


def test_no_more_than_a_row_group_of_events_is_in_memory(
    lake: SmallLake, moment: Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for first in (0, 100):
        lake.add("heartbeats", _events(moment, "s", list(range(first, first + 100))))
    seen: list[int] = []
    whole = expired._runs  # what it is given cannot be seen from outside

    def watched(events: pl.DataFrame) -> pl.DataFrame:
        seen.append(events.height)
        return whole(events)

    monkeypatch.setattr(expired, "_runs", watched)
    monkeypatch.setattr(expired, "ROW_GROUP_ROWS", 30)
    [folder] = list_folders(lake.folder, "heartbeats")
    assert note_expired(lake.folder, folder, list_names(lake.folder, folder), threading.Event())
    assert (sum(seen), max(seen)) == (200, 30)


def test_a_removal_that_is_stopped_within_an_hour_removes_nothing_of_it(
    lake: SmallLake, moment: Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was removed before stays removed and noted, and the next run goes on."""
    lake.add("metrics", _events(moment, "s", [9], timestamp=moment(8 * DAY_S)))
    lake.add("heartbeats", _events(moment, "s", [0, 1]))
    for numbers in ([2, 3], [4]):
        lake.add("heartbeats", _events(moment, "s", numbers, timestamp=moment(3600)))
    _landed(lake)
    stopping, read = threading.Event(), expired._events  # where a signal may come

    def interrupted(file: Path) -> Iterable[pl.DataFrame]:
        if "hour=11" in str(file):
            stopping.set()
        return read(file)

    with monkeypatch.context() as patch:
        patch.setattr(expired, "_events", interrupted)
        removed = retain(lake.folder, NOW_S + 9 * DAY_S, {"metrics": 90 * DAY_S}, stopping)
    assert [folder[-7:] for folder in removed] == ["hour=10"]
    assert len(list_names(lake.folder, "heartbeats/date=2026-03-01/hour=11")) == 2
    assert _counts(_ledger(lake).total) == (10, 4, 2, 4)
    assert len(retain(lake.folder, NOW_S + 9 * DAY_S)) == 1
    assert _counts(_ledger(lake).total) == (10, 1, 5, 4)


def test_upkeep_that_waits_for_another_removal_can_be_stopped(lake: SmallLake, moment: Moment) -> None:
    lake.add("heartbeats", _events(moment, "s", [0]))
    _landed(lake)
    upkeep, begun = Upkeep(lake.folder), threading.Event()

    def retained() -> list[str]:
        begun.set()
        return upkeep.retain(NOW_S + 8 * DAY_S, 0.0)

    with (lake.folder / LOCKS / "retention").open("wb") as other, ThreadPoolExecutor(1) as pool:
        fcntl.flock(other, fcntl.LOCK_EX)
        waiting = pool.submit(retained)
        assert begun.wait(60)
        upkeep.stop()
        try:
            assert waiting.result(60) == []
        finally:
            fcntl.flock(other, fcntl.LOCK_UN)
    assert len(list_folders(lake.folder, "heartbeats")) == 1


def test_notes_stay_as_long_as_the_longest_kept_table(lake: SmallLake, moment: Moment) -> None:
    lake.add("violations", _events(moment, "s", [2]))
    lake.add("heartbeats", _events(moment, "s", [0]))
    _landed(lake)
    decide(lake.folder, "violations", Decision(730 * DAY_S, "x", 0.0))
    upkeep = Upkeep(lake.folder)
    upkeep.retain(NOW_S + 8 * DAY_S, 0.0)
    upkeep.retain(NOW_S + 400 * DAY_S, 10_000.0)
    assert _counts(_ledger(lake).total) == (3, 1, 1, 1)
    upkeep.retain(NOW_S + 731 * DAY_S, 20_000.0)
    assert list_folders(lake.folder, "expired") == []


def test_a_note_is_small(lake: SmallLake, moment: Moment) -> None:
    """A day of beats every 30 s between metrics: below two bytes an event, so that keeping numbers does not undo it."""
    rows = [r for s in range(20) for r in _events(moment, f"session-{s:04d}", [n for n in range(4320) if n % 3 != 2])]
    lake.add("heartbeats", rows)
    [folder] = list_folders(lake.folder, "heartbeats")
    assert note_expired(lake.folder, folder, list_names(lake.folder, folder), threading.Event())
    [note] = visible_files(lake.folder, "expired")
    assert pl.read_parquet(note)["events"].sum() == len(rows)
    assert note.stat().st_size < 2 * len(rows)
