"""The ledger over lakes whose holes are known."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_lake import SmallLake

from infra.runtime.errors import SettingError
from sinks.lake.accounts import GONE_AFTER_S, SessionAccount, read_accounts
from sinks.lake.ledger import LedgerLine, with_accounts
from sinks.lake.ledger_view import LedgerQuestion, read_ledger, show_ledger

Moment = Callable[[float], datetime]


def _events(moment: Moment, agent: str, session: str, numbers: list[int], **more: object) -> list[dict[str, Any]]:
    return [{"agent_id": agent, "session_id": session, "seq": n, "timestamp": moment(n)} | more for n in numbers]


def _account(folder: Path, sessions: list[dict[str, Any]]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "simulator.json").write_text(json.dumps({"process": "simulator", "published": {}, "sessions": sessions}))


def test_numbers_are_one_sequence_over_all_topics(lake: SmallLake, moment: Moment) -> None:
    lake.add("metrics", _events(moment, "a", "s1", [0, 2, 3]))
    lake.add("logs", _events(moment, "a", "s1", [1, 7, 8]))
    lake.add("heartbeats", _events(moment, "a", "s1", [10], status="stopping", events_dropped=2))
    lake.add("runs", _events(moment, "b", "s2", [0, 1]))
    lake.add_duplicates([{"session_id": "s1", "seq": 0}, {"session_id": "s1", "seq": 1}])
    found = read_ledger(lake.folder, LedgerQuestion(only_missing=True))
    assert found.lines == [
        LedgerLine("a", "", 1, published=11, landed=7, missing=4, duplicates=2, dropped=2, closed=True),
    ]
    assert found.ranges == {"s1": [(4, 6), (9, 9)]}
    assert (found.total.published, found.total.missing, found.total.closed, found.agents) == (13, 4, False, 2)
    shown = show_ledger(found)
    assert "missing of s1: 4-6, 9" in shown
    narrow = [line.rstrip() for line in show_ledger(found, width=60).splitlines()]
    assert "published     11" in narrow
    assert "agent         all 2" in narrow


def test_derived_tables_are_not_counted_and_double_rows_are(lake: SmallLake, moment: Moment) -> None:
    lake.add("metrics", _events(moment, "a", "s", [0, 1, 1]))
    lake.add("trust", _events(moment, "a", "streams", [0, 5]))
    total = read_ledger(lake.folder, LedgerQuestion()).total
    assert (total.sessions, total.published, total.landed, total.missing, total.double_rows) == (1, 2, 2, 0, 1)


def test_dead_letters_count_once_per_message(lake: SmallLake, moment: Moment) -> None:
    bad = {"topic": "fleet.logs", "partition": 1, "session_id": "fleet.logs/1", "timestamp": moment(0)}
    lake.add(
        "deadletter",
        [bad | {"offset": 3, "seq": 3}, bad | {"offset": 3, "seq": 3}, bad | {"offset": 4, "seq": 4, "key": b"\xff"}],
    )
    assert read_ledger(lake.folder, LedgerQuestion()).total.dead_letters == 2


def test_accounts_show_the_tail_and_what_never_landed(lake: SmallLake, moment: Moment, tmp_path: Path) -> None:
    lake.add("metrics", _events(moment, "a", "s1", [0, 1]))
    folder = tmp_path / "accounts"
    session = {"agent_id": "a", "issued": 5, "acknowledged": 5, "dropped": 0}
    _account(
        folder,
        [
            session | {"session_id": "s1"},
            session | {"agent_id": "b", "session_id": "s2", "issued": 3, "acknowledged": 2},
        ],
    )
    found = read_ledger(lake.folder, LedgerQuestion(by_session=True), folder)
    by_session = {line.session_id: line for line in found.lines}
    assert (by_session["s1"].missing, by_session["s1"].not_landed) == (3, 3)
    assert (by_session["s2"].missing, by_session["s2"].not_landed) == (0, 2)
    assert (found.total.acknowledged, found.total.not_landed) == (7, 5)


def test_events_given_up_on_count_as_holes_but_not_as_lost() -> None:
    [line] = with_accounts(
        [LedgerLine("a", "s", published=4, landed=3, missing=1)], [SessionAccount("s", "a", 5, 3, 2)]
    )
    assert (line.missing, line.dropped, line.not_landed) == (2, 2, 0)


def test_sessions_of_a_gateway_that_is_gone_have_ended_without_a_last_word(
    lake: SmallLake, moment: Moment, tmp_path: Path
) -> None:
    lake.add("metrics", _events(moment, "a", "s1", [0, 1]) + _events(moment, "b", "s2", [0]))
    lake.add("metrics", _events(moment, "c", "s3", [0]))
    line = {"acknowledged": 2, "issued": 3, "dropped": 0}
    sessions = [
        {"session_id": "s1", "agent_id": "a", **line},
        {"session_id": "s2", "agent_id": "b", "issued": 1, "acknowledged": 1, "dropped": 0, "ended": True},
    ]
    folder = tmp_path / "accounts"
    folder.mkdir()
    for as_of_s, gone in ((time.time(), False), (time.time() - 2 * GONE_AFTER_S, True)):
        (folder / "gateway-x.json").write_text(json.dumps({"as_of": as_of_s, "process": "x", "sessions": sessions}))
        found = read_ledger(lake.folder, LedgerQuestion(), folder)
        by_agent = {each.agent_id: each for each in found.lines}
        assert [by_agent[name].gone for name in "abc"] == [gone, False, False]
        assert (by_agent["a"].closed, by_agent["b"].closed, found.total.gone) == (False, True, False)
        assert (by_agent["a"].acknowledged, by_agent["a"].missing) == (2, 0), "no more is claimed than it said"
        assert ("no last word" in show_ledger(found)) == gone


def test_accounts_without_a_time_are_of_nobody_who_is_gone(tmp_path: Path) -> None:
    _account(tmp_path, [{"session_id": "s", "agent_id": "a", "issued": 1, "acknowledged": 0}])
    assert not read_accounts(tmp_path, now_s=time.time() + 1e9).sessions[0].gone


def test_agents_and_limits(lake: SmallLake, moment: Moment) -> None:
    for number in range(5):
        lake.add("metrics", _events(moment, f"agent-{number}", f"s{number}", [number]))
    found = read_ledger(lake.folder, LedgerQuestion(limit=2))
    assert [line.agent_id for line in found.lines] == ["agent-4", "agent-3"]
    assert found.total.missing == 0 + 1 + 2 + 3 + 4
    one = read_ledger(lake.folder, LedgerQuestion(agent="agent-1"))
    assert (one.agents, one.total.missing) == (1, 1)
    assert json.loads(one.as_json())["total"]["published"] == 2


def test_accounts_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="--accounts"):
        read_accounts(tmp_path / "none")
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(SettingError, match=r"x\.json"):
        read_accounts(tmp_path)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(sessions=st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=30), min_size=1, max_size=4))
def test_equal_to_sets_in_python(sessions: list[list[int]], new_lake: Callable[[], SmallLake], moment: Moment) -> None:
    lake = new_lake()
    for number, numbers in enumerate(sessions):
        lake.add("metrics" if number % 2 else "logs", _events(moment, "a", f"s{number}", numbers))
    total = read_ledger(lake.folder, LedgerQuestion()).total
    assert total.published == sum(max(numbers) + 1 for numbers in sessions)
    assert total.landed == sum(len(set(numbers)) for numbers in sessions)
    assert total.double_rows == sum(len(numbers) - len(set(numbers)) for numbers in sessions)
