"""The picture, rendered to text: all of it is there, and what agents say is shown, never interpreted."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from infra.supervisor.view import Picture, plain_line, render
from schemas.catalogue import TOPICS

HOSTILE = "[bold red]x[/] [link=file:///etc/passwd]y[/link] \x1b[2J\x1b]0;title\x07 \r\b \u202e [/]"


def shown(picture: Picture, width: int = 160) -> str:
    console = Console(file=io.StringIO(), record=True, width=width, height=60, force_terminal=True)
    console.print(render(picture))
    return console.export_text()


def alert(**more: object) -> dict[str, object]:
    return {"state": "firing", "severity": "critical", "name": "agent_down", "summary": "no beat for 30 s"} | more


FULL = Picture(
    broker="kafka at 127.0.0.1:9092",
    lake="data/lake",
    elapsed_s=3_723,
    totals={"fleet.metrics": 1_234_567},
    rates={"fleet.metrics": 30_000.4},
    lags={"streams": 12_000, "lake": 7},
    status={"online": 198, "late": 1, "offline": 1},
    lowest_trust=[("agent-17", 0.123), ("agent-2", 0.65)],
    alerts=[alert(), alert(state="resolved", name="tool_loop")],
    firing=1,
    suppressed=17,
    ledger={"published": 1_000, "landed": 990, "duplicates": 2, "dead_letters": 3},
    ledger_counted_s=3_720,
    processes={"broker": "running", "lake-writer": "restarting", "notifier": "degraded: 9 alerts wait"},
)


def test_all_of_it_is_there() -> None:
    text = shown(FULL)
    for told in (
        "up 01:02:03",
        "kafka at 127.0.0.1:9092",
        "1,234,567",
        "30,000",
        "198 online",
        "1 offline",
        "0.123 agent-17",
        "Alerts (1 firing, 17 more within incidents or silenced)",
        "agent_down",
        "streams 12,000",
        "published 1,000  landed 990  on the way or missing 10  duplicates removed 2  dead letters 3",
        "(3 s ago)",
        "lake-writer (restarting)",
        "notifier (degraded: 9 alerts wait)",
    ):
        assert told in text
    assert all(topic in text for topic in TOPICS)


def test_before_anything_is_known() -> None:
    text = shown(Picture())
    assert "none yet" in text
    assert "the ledger is counted every few seconds" in text


@pytest.mark.parametrize("width", [20, 60, 160])
def test_what_agents_say_stays_text(width: int) -> None:
    picture = Picture(lowest_trust=[(HOSTILE, 0.5)], alerts=[alert(name=HOSTILE, summary=HOSTILE)], firing=1)
    text = shown(picture, width)
    assert not set("\x1b\x07\r\b\u202e") & set(text)
    if width == 160:
        assert "[bold red]x[/] [link=file:///etc/passwd]y[/link]" in text


def test_a_message_takes_the_place_of_the_hint() -> None:
    assert "Ctrl-C stops" in shown(Picture())
    text = shown(Picture(message="the broker does not answer [x]"))
    assert "the broker does not answer [x]" in text
    assert "Ctrl-C stops" not in text
    assert "It stops along the flow" in shown(Picture(stopping=True))


def test_one_line_for_pipes() -> None:
    line = plain_line(FULL)
    assert "\n" not in line
    assert "30,000 events/s  198 online 1 late 1 offline  1 alerts firing  lag streams=12000 lake=7" in line
    assert line.endswith("990/1,000 landed")
    assert plain_line(Picture()).endswith("lag …  ledger pending")
