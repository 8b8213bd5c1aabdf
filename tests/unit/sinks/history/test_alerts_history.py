"""`fleetpulse alerts history` over lakes whose alerts and deliveries are known."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from small_lake import SmallLake
from typer.testing import CliRunner

from infra.cli.main import app
from infra.runtime.errors import LakeError, SettingError

Moment = Callable[[float], datetime]
FIRST, SECOND = "aa01" * 8, "bb02" * 8
HOSTILE = "\x1b[31m[bold]ev\u202eil[/]"


def ask(lake: Path, *words: str) -> str:
    """What the command prints, far enough back for the small worlds."""
    done = CliRunner().invoke(app, ["alerts", "history", "--since", "36500d", *words, "--lake", str(lake)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.stdout


def ask_json(lake: SmallLake, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ask(lake.folder, *words, "--json"))
    return found


def change(at: datetime, cause: str, fingerprint: str = FIRST, **more: object) -> dict[str, Any]:
    """A row of fleet.alerts."""
    row: dict[str, Any] = {
        "timestamp": at, "fingerprint": fingerprint, "epoch": 1, "state": "firing", "name": "cpu_high",
        "severity": "warning", "agent_id": "web-1", "summary": "cpu is high", "cause": cause, "suppressed_by": None,
        "receivers": [], "actor": None, "comment": None, "escalation_step": None,
    }  # fmt: skip
    return row | more


def attempt(at: datetime, outcome: str, fingerprint: str = FIRST, **more: object) -> dict[str, Any]:
    """A row of fleet.deliveries."""
    row: dict[str, Any] = {
        "timestamp": at, "fingerprint": fingerprint, "epoch": 1, "state": "firing", "name": "cpu_high",
        "agent_id": "web-1", "channel": "oncall", "channel_kind": "webhook", "attempt": 1, "outcome": outcome,
        "status_code": None, "error": None, "duration_s": 0.25,
    }  # fmt: skip
    return row | more


@pytest.fixture
def story(lake: SmallLake, moment: Moment) -> SmallLake:
    """One alert that began, was told at the second attempt, acknowledged and over; another that was silenced."""
    lake.add(
        "alerts",
        [
            change(moment(0), "began"),
            change(moment(60), "acknowledged", state="acknowledged", actor="ann", comment="on it"),
            change(moment(90), "recovered", state="resolved", receivers=["oncall"]),
            change(moment(10), "began", SECOND, agent_id="web-2", name="disk_full", suppressed_by="silence:s1"),
        ],
    )
    lake.add(
        "deliveries",
        [
            attempt(moment(1), "failed", status_code=503, error="busy"),
            attempt(moment(2), "delivered", attempt=2),
            attempt(moment(11), "suppressed", SECOND, agent_id="web-2", name="disk_full"),
        ],
    )
    return lake


def test_changes_and_attempts_in_the_order_of_time(story: SmallLake) -> None:
    found = ask_json(story)
    assert [entry.get("cause") or entry["outcome"] for entry in found["entries"]] == [
        "began", "failed", "delivered", "began", "acknowledged", "recovered",
    ]  # fmt: skip
    assert found["found"] == 6
    assert ask_json(story, "--all")["found"] == 7


def test_of_one_alert(story: SmallLake) -> None:
    found = ask_json(story, "BB0", "--all")
    assert [entry["kind"] for entry in found["entries"]] == ["change", "delivery"]
    assert found["entries"][0]["suppressed_by"] == "silence:s1"


@pytest.mark.parametrize(
    ("words", "count"),
    [(["--agent", "web-*"], 6), (["--agent", "web-2"], 1), (["--name", "cpu_*"], 5), (["--since", "1s"], 0)],
)
def test_filters(story: SmallLake, words: list[str], count: int) -> None:
    assert ask_json(story, *words)["found"] == count


def test_the_newest_are_shown(story: SmallLake) -> None:
    found = ask_json(story, "--top", "2")
    assert [entry["cause"] for entry in found["entries"]] == ["acknowledged", "recovered"]
    assert "4 older ones are not shown" in ask(story.folder, "--top", "2")


def test_the_table_says_who_what_and_why(story: SmallLake) -> None:
    text = ask(story.folder)
    for part in (
        "by ann; on it", "oncall: failed", "attempt 1, 0.250 s; status 503; busy", "tell oncall",
        "tell the default channels", "nobody is told: silence:s1", "began (firing, warning)",
    ):  # fmt: skip
        assert part in text, part


def test_texts_of_agents_are_text(lake: SmallLake, moment: Moment) -> None:
    hostile = {"agent_id": HOSTILE, "name": HOSTILE, "summary": HOSTILE, "fingerprint": HOSTILE}
    lake.add("alerts", [change(moment(0), HOSTILE, **hostile)])
    text = ask(lake.folder)
    assert "\x1b" not in text
    assert "[bold]ev" in text


def test_nothing_happened(lake: SmallLake) -> None:
    assert "No alert began" in ask(lake.folder)
    assert ask_json(lake) == {"found": 0, "entries": []}


def test_what_is_missing_is_said(story: SmallLake, tmp_path: Path) -> None:
    with pytest.raises(LakeError, match=r"nothing begins with 'ff'.*--since"):
        ask(story.folder, "ff")
    with pytest.raises(LakeError, match=r"there is no lake.*--lake"):
        ask(tmp_path / "nowhere")
    with pytest.raises(SettingError, match="--since"):
        ask(story.folder, "--since", "-7d")


def test_another_alert_is_named_by_as_much_as_commands_take(lake: SmallLake, moment: Moment) -> None:
    lake.add("alerts", [change(moment(0), "began", suppressed_by=f"inhibited:{SECOND}")])
    told = ask(lake.folder)
    assert "nobody is told: inhibited:bb02bb02\n" in told.replace("  ", "").replace(" \n", "\n")
    assert SECOND not in told
    assert ask_json(lake)["entries"][0]["suppressed_by"] == f"inhibited:{SECOND}"
