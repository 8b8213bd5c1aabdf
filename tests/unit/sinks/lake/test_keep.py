"""How long tables are kept: decided, followed by the lake writer's upkeep, refused where it would do harm."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import pytest
from api_world import Lake

from infra.runtime.errors import LakeError, SettingError
from schemas.catalogue import DAY_S
from sinks.api.settings.stored import retention
from sinks.lake.keep import (
    KEEP_FILE,
    KEPT_FILE,
    LONGEST_S,
    Decision,
    Going,
    applied,
    assert_fit,
    decide,
    decisions,
    going,
    keep_s_by_table,
    shortest_s,
)
from sinks.lake.naming import list_folders
from sinks.lake.positions import Position, save_position
from sinks.lake.retention import retention_s_by_table
from sinks.lake.storage import open_lake
from sinks.lake.upkeep import RETAIN_EVERY_S, Upkeep

NOW_S = 1_800_000_000
HALF = Decision(45 * DAY_S, "key:abcdefgh2345", float(NOW_S))


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Metrics of 80, 60, 20 days ago and of now, all of them covered by a hint."""
    open_lake(tmp_path)
    rows = [{"agent_id": "a", "timestamp": (NOW_S - days * DAY_S) * 1_000_000} for days in (80, 60, 20, 0)]
    Lake(tmp_path, count()).add("metrics", rows)
    save_position(tmp_path, Position("fleet.metrics", 0, next_offset=100))
    return tmp_path


def test_what_nobody_decided_is_kept_as_the_catalogue_says(lake: Path) -> None:
    assert decisions(lake) == {}
    assert keep_s_by_table(lake) == retention_s_by_table()


def test_a_decision_is_kept_and_taken_back(lake: Path) -> None:
    decide(lake, "metrics", HALF)
    decide(lake, "logs", Decision(60 * DAY_S, "local:me", NOW_S))
    assert decisions(lake)["metrics"] == HALF
    assert keep_s_by_table(lake)["metrics"] == 45 * DAY_S
    decide(lake, "metrics", None)
    assert list(decisions(lake)) == ["logs"]
    assert keep_s_by_table(lake)["metrics"] == 90 * DAY_S


def test_notes_of_what_went_are_kept_as_long_as_the_longest_kept_events(lake: Path) -> None:
    decide(lake, "metrics", HALF)
    assert keep_s_by_table(lake)["expired"] == 365 * DAY_S
    decide(lake, "trust", Decision(1_000 * DAY_S, "x", NOW_S))
    assert keep_s_by_table(lake)["expired"] == 365 * DAY_S
    decide(lake, "violations", Decision(730 * DAY_S, "x", NOW_S))
    assert keep_s_by_table(lake)["expired"] == 730 * DAY_S
    assert {line["table"]: line["lake_s"] for line in retention(None, lake)} == keep_s_by_table(lake)


@pytest.mark.parametrize(
    ("table", "keep_s", "said"),
    [
        ("metrics", DAY_S, "as long as the broker keeps"),
        ("violations", 6 * DAY_S, "7 days at least"),
        ("audit", 89 * DAY_S, "who did what"),
        ("metrics", LONGEST_S + 1, "At most"),
        ("metrics", 10_000_000 * DAY_S, "10,000,000 days is too long"),
        ("metrics", 90, "90 s is too short"),
        ("expired", 30 * DAY_S, "no table"),
        ("../etc", 30 * DAY_S, "no table"),
    ],
)
def test_what_would_do_harm_is_refused(lake: Path, table: str, keep_s: int, said: str) -> None:
    with pytest.raises(SettingError, match=r".") as refused:
        decide(lake, table, Decision(keep_s, "x", 0.0))
    assert said in f"{refused.value.problem} {refused.value.way_out}"
    assert decisions(lake) == {}


def test_every_default_could_be_decided(lake: Path) -> None:
    for table, keep_s in retention_s_by_table().items():
        if table != "expired":
            assert_fit(table, keep_s)
            assert_fit(table, shortest_s(table))


def test_what_would_go_is_what_goes(lake: Path) -> None:
    told = going(lake, "metrics", 45 * DAY_S, NOW_S)
    assert (told.hours, told.files) == (2, 2)
    assert told.from_s is not None
    assert told.to_s is not None
    assert told.from_s <= NOW_S - 80 * DAY_S < told.from_s + 3_600
    assert told.to_s - 3_600 <= NOW_S - 60 * DAY_S < told.to_s
    assert going(lake, "metrics", 90 * DAY_S, NOW_S) == Going()
    decide(lake, "metrics", HALF)
    assert len(Upkeep(lake).retain(NOW_S, 0.0)) == told.hours
    assert going(lake, "metrics", 45 * DAY_S, NOW_S) == Going()


def test_upkeep_follows_a_decision_at_once_and_looks_again_after_an_hour(lake: Path) -> None:
    upkeep = Upkeep(lake)
    assert upkeep.retain(NOW_S, 1.0) == []
    found = applied(lake)
    assert found is not None
    assert (found.at_s, found.keep_s["metrics"]) == (NOW_S, 90 * DAY_S)
    decide(lake, "metrics", Decision(70 * DAY_S, "x", NOW_S))
    assert len(upkeep.retain(NOW_S, 2.0)) == 1
    assert upkeep.retain(NOW_S + 20 * DAY_S, 3.0) == []
    assert len(upkeep.retain(NOW_S + 20 * DAY_S, 3.0 + RETAIN_EVERY_S)) == 1
    found = applied(lake)
    assert found is not None
    assert found.keep_s["metrics"] == 70 * DAY_S


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"version": 2, "tables": {}}',
        '{"version": 1, "tables": {"metrics": {"keep_s": 0, "by": "x", "at_s": 0}}}',
        '{"version": 1, "tables": {"metrics": {"keep_s": "30d", "by": "x", "at_s": 0}}}',
        '{"version": 1, "tables": {"metrics": 5}}',
    ],
)
def test_a_file_that_cannot_be_used_removes_nothing(lake: Path, text: str) -> None:
    (lake / KEEP_FILE).write_text(text)
    with pytest.raises(LakeError, match=KEEP_FILE):
        Upkeep(lake).retain(NOW_S + 1_000 * DAY_S, 0.0)
    assert len(list_folders(lake, "metrics")) == 4


def test_word_that_is_none_is_no_word(lake: Path) -> None:
    for text in ("", "[]", json.dumps({"at_s": 1, "keep_s": 2})):
        (lake / KEPT_FILE).write_text(text)
        assert applied(lake) is None
