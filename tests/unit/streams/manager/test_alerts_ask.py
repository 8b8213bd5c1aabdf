"""What `fleetpulse alerts` makes of a state: who is meant, what is shown, in which words. No broker."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from manager_world import T0, World, settings
from rich.console import Console, RenderableType
from typer.testing import CliRunner

from infra.cli.main import app
from infra.runtime.errors import BrokerUnreachableError, FleetpulseError, SettingError
from streams.manager.ask.act import (
    MOST_SILENCES,
    UnfitAlertError,
    check_room,
    check_silence,
    silence_s,
    unknown_fields,
)
from streams.manager.ask.choose import (
    IN_A_REQUEST,
    UnknownAlertError,
    Wanted,
    choose,
    find_alert,
    find_silence,
    parse_matchers,
    short_length,
)
from streams.manager.ask.connect import bootstrap_of
from streams.manager.ask.documents import alert_json, list_json, show_json, silence_json
from streams.manager.ask.picture import Picture
from streams.manager.ask.show import details, list_table, silence_command, silences_table
from streams.manager.ask.trail import Trail, began_s
from streams.manager.ask.words import moment, people_text, reason_text, span
from streams.manager.model import Alert

HOSTILE = "\x1b[31m[bold]ev\u202eil[/]"


def picture(world: World, behind: int = 0, later_s: float = 0.0) -> Picture:
    """What a command would read now."""
    return Picture(world.state, world.state.dump(), {"fleet.alerts": 2}, behind, world.now_s + later_s)


def printed(content: RenderableType) -> str:
    text = io.StringIO()
    Console(file=text, width=200, color_system=None, highlight=False, markup=False).print(content)
    return text.getvalue()


def named(world: World, agent: str) -> Alert:
    return next(alert for alert in world.state.alerts.values() if alert.agent_id == agent)


def busy() -> World:
    """Five alerts: told, graver, silenced, acknowledged, over."""
    world = World(settings("correlation: {least: 50}"))
    silence = {"id": "s1", "matchers": [["agent_id", "=", "quiet"]], "until_s": T0 + 3600, "comment": "disks"}
    world.command("silence", json.dumps(silence), "bob")
    for agent, more in (("web-1", {}), ("web-2", {"severity": "critical"}), ("quiet", {}), ("mine", {}), ("gone", {})):
        world.now_s += 1
        world.fire(agent, **more)
    world.command("acknowledge", json.dumps({"fingerprint": "cpu_high@mine", "comment": "on it"}))
    world.resolve("gone")
    return world


def test_a_list_shows_what_needs_somebody() -> None:
    world = busy()
    chosen = choose(picture(world).alerts, Wanted())
    assert [alert.agent_id for alert in chosen.shown] == ["web-2", "mine", "web-1"]
    assert chosen.hidden == {"resolved": 1, "silence": 1}
    everything = choose(picture(world).alerts, Wanted(), everything=True)
    assert [alert.agent_id for alert in everything.shown] == ["web-2", "mine", "quiet", "web-1", "gone"]
    assert everything.hidden == {}


@pytest.mark.parametrize(
    ("wanted", "agents"),
    [
        (Wanted(severity="critical"), ["web-2"]),
        (Wanted(agent="web-*"), ["web-2", "web-1"]),
        (Wanted(name="mem*"), []),
        (Wanted(parse_matchers(["agent_id!=web-1", "name=~cpu_.*"], "MATCHER")), ["web-2", "mine"]),
        (Wanted(parse_matchers(["agent_id!~web-.*"], "MATCHER")), ["mine"]),
    ],
)
def test_filters(wanted: Wanted, agents: list[str]) -> None:
    assert [alert.agent_id for alert in choose(picture(busy()).alerts, wanted).shown] == agents


def test_on_a_narrow_terminal_an_alert_is_a_block() -> None:
    world = busy()
    named(world, "web-1").summary = "web-1: cpu_percent is 91.2, above 80"
    chosen = choose(picture(world).alerts, Wanted())
    text = io.StringIO()
    Console(file=text, width=60, color_system=None).print(list_table(picture(world), chosen))
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    assert "          web-1: cpu_percent is 91.2, above 80" in lines
    assert sum(line.startswith("severity") for line in lines) == len(chosen.shown)


@pytest.mark.parametrize("text", ["cpu_high", "name=~(a+)+b", "=x", "name=~["])
def test_matchers_that_are_none_name_the_setting(text: str) -> None:
    with pytest.raises(SettingError, match=r"setting --label.*Quote it"):
        parse_matchers([text], "--label")


def test_a_request_is_not_told_of_a_shell() -> None:
    with pytest.raises(SettingError) as refused:
        parse_matchers(["cpu_high"], "matchers", IN_A_REQUEST)
    assert "shell" not in str(refused.value)
    with pytest.raises(SettingError, match=r"setting for\b"):
        silence_s("0s", "for")


def test_a_fingerprint_by_its_beginning() -> None:
    world = World()
    for fingerprint, agent in (("ab12" * 8, "a"), ("ab34" * 8, "b"), ("cd00" * 8, "c")):
        world.fire(agent, fingerprint=fingerprint)
    alerts = picture(world).alerts
    assert find_alert(alerts, " CD", active=True).agent_id == "c"
    assert find_alert(alerts, "ab12" * 8, active=True).agent_id == "a"
    with pytest.raises(UnknownAlertError, match=r"2 fingerprints.*ab12.*of a.*ab34.*of b"):
        find_alert(alerts, "ab", active=True)
    for unknown in ("ee", "", " "):
        with pytest.raises(UnknownAlertError, match="no alert begins with"):
            find_alert(alerts, unknown, active=False)


def test_of_two_that_begin_alike_the_one_that_fires_is_meant() -> None:
    world = busy()
    alerts = [named(world, "web-1"), named(world, "gone")]
    assert find_alert(alerts, "cpu_high@", active=True).agent_id == "web-1"
    with pytest.raises(UnknownAlertError, match="has ended"):
        find_alert(alerts, "cpu_high@gone", active=True)
    assert find_alert(alerts, "cpu_high@gone", active=False).agent_id == "gone"


def test_short_fingerprints_are_as_long_as_needed() -> None:
    assert short_length(["a" * 32, "b" * 32]) == 8
    assert short_length(["a" * 9 + "b", "a" * 10]) == 10
    assert short_length([]) == 8


def test_a_silence_by_its_beginning() -> None:
    silences = picture(busy()).silences
    assert find_silence(silences, "s").id == "s1"
    for unknown in ("t", ""):
        with pytest.raises(UnknownAlertError, match="fleetpulse alerts silences"):
            find_silence(silences, unknown)


def test_a_tenant_has_so_many_silences_and_no_more() -> None:
    seen = picture(busy())
    made = seen.silences[0]
    room = {f"s{number}": replace(made, id=f"s{number}") for number in range(MOST_SILENCES - 1)}
    check_room(replace(seen, state=replace(seen.state, silences=room)))
    with pytest.raises(UnfitAlertError, match="200 silences"):
        check_room(replace(seen, state=replace(seen.state, silences=room | {"one": replace(made, id="one")})))


def test_a_silence_that_is_over_is_not_in_force() -> None:
    assert picture(busy(), later_s=4000).silences == []


def test_people_read_who_knows_and_why_not() -> None:
    world = busy()
    seen = picture(world)
    assert people_text(seen, named(world, "web-1")) == "told on the default channels"
    assert people_text(seen, named(world, "mine")) == "acknowledged by ann: on it"
    until = moment(T0 + 3600)
    assert people_text(seen, named(world, "quiet")) == f"silenced until {until} by bob (id s1): disks"
    assert people_text(seen, named(world, "gone")) == "told on the default channels"


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("silence:old", "silenced (id old, over)"),
        ("maintenance:nightly", "maintenance window nightly"),
        ("inhibited:cpu_high@web-2", "inhibited by cpu_high (cpu_high of web-2)"),
        ("incident:unknown", "part of unknown"),
        ("delayed", "later: the first step of its route is still to come"),
        ("flapping", "flapping, until it is calm"),
        ("something new", "something new"),
    ],
)
def test_reasons(reason: str, told: str) -> None:
    assert reason_text(picture(busy()), reason) == told


def test_receivers_are_named() -> None:
    world = World(settings("routes: [{steps: [{after: 0s, channels: [chat, pager]}]}]"))
    world.fire("a")
    assert people_text(picture(world), named(world, "a")) == "told on chat, pager"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (59.4, "59 s"), (61, "1 min"), (7200, "2 h"), (7800, "2 h 10 min"), (90_000, "1 d 1 h")],
)
def test_spans(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_a_moment_that_no_calendar_holds_is_a_number() -> None:
    assert moment(1e15) == "1000000000000000"
    assert moment(0) == "1970-01-01 00:00:00"


def test_the_table_of_a_list() -> None:
    world = busy()
    seen = picture(world, later_s=30)
    table = printed(list_table(seen, choose(seen.alerts, Wanted())))
    assert "3 alerts, 1 acknowledged; not shown: 1 over of late, 1 silenced (--all shows them)" in table
    assert "last wrote 30 s ago" in table
    assert table.index("web-2") < table.index("mine") < table.index("web-1")
    assert "No alert fires" in printed(list_table(seen, choose([], Wanted())))
    cut = printed(list_table(seen, choose(seen.alerts, Wanted()), 1))
    assert "and 2 more: --top shows them" in cut
    assert "web-2" in cut
    assert "web-1" not in cut


def test_a_root_stands_for_its_members() -> None:
    world = World(settings("correlation: {least: 3}"))
    for number in range(4):
        world.fire(f"db-{number}", name=f"n{number}", host="h1")
    seen = picture(world)
    chosen = choose(seen.alerts, Wanted())
    [root] = chosen.shown
    assert chosen.hidden == {"incident": 4}
    assert "4 alerts of it, 4 still open" in printed(list_table(seen, chosen))
    told = printed(details(seen, root, Trail()))
    assert "members: 4, 4 still open" in told
    assert "db-3" in told
    [alone] = choose(seen.alerts, Wanted(agent="db-1")).shown
    assert alone.agent_id == "db-1", "its root does not fit the filter"
    assert f"part of {root.fingerprint[:8]} (incident of host:h1)" in printed(
        list_table(seen, choose(seen.alerts, Wanted(), everything=True))
    )


def test_the_watchdog_needs_nobody() -> None:
    world = World(settings("watchdog: {channels: [switch]}"))
    world.silent_partitions()
    assert choose(picture(world).alerts, Wanted()).hidden == {"watchdog": 1}


def test_what_agents_wrote_cannot_move_a_cursor() -> None:
    world = World()
    world.fire(HOSTILE, summary=HOSTILE, labels={HOSTILE: HOSTILE}, user_id=HOSTILE)
    seen = picture(world)
    for content in (
        list_table(seen, choose(seen.alerts, Wanted())),
        details(seen, seen.alerts[0], Trail()),
        silences_table(seen),
    ):
        text = printed(content)
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "[bold]ev" in printed(list_table(seen, choose(seen.alerts, Wanted())))


def test_details_have_everything() -> None:
    world = World()
    world.fire(
        "web-1", host="h1", annotations={"runbook": "look"}, evidence={"mean": "91"}, epoch=3, deployment_id="prod"
    )
    alert = named(world, "web-1")
    at = datetime.fromtimestamp(T0, UTC)
    change = {
        "timestamp": at, "cause": "began", "state": "firing", "severity": "warning", "actor": None, "comment": None,
        "suppressed_by": None, "epoch": 3, "seq": 0, "summary": "", "receivers": [], "escalation_step": None,
        "correlation_id": None,
    }  # fmt: skip
    attempt = {
        "timestamp": at, "channel": "oncall", "channel_kind": "webhook", "attempt": 2, "outcome": "failed",
        "status_code": 503, "error": "busy", "duration_s": 0.25, "state": "firing", "epoch": 3,
    }  # fmt: skip
    trail = Trail([change], [attempt])
    text = printed(details(picture(world), alert, trail))
    for part in (
        alert.fingerprint, "number 3", "prod", "90 (limit 80)", "h1", "runbook", "91", "began (firing, warning)",
        "oncall: failed (firing)", "attempt 2, 0.250 s, status 503: busy",
    ):  # fmt: skip
        assert part in text, part
    found = json.loads(json.dumps(show_json(picture(world), alert, trail)))
    assert found["deliveries"][0]["timestamp"] == moment(T0).replace(" ", "T") + "Z"
    assert found["changes"][0]["cause"] == "began"
    assert found["alert"]["labels"]["host"] == "h1"


def test_how_to_silence_just_this_one() -> None:
    world = World()
    world.fire("it's me", metric="custom:queue", host="h1")
    assert silence_command(named(world, "it's me")) == (
        "fleetpulse alerts silence name=cpu_high 'agent_id=it'\"'\"'s me' metric=custom:queue --for 2h"
    )


def test_json_holds_no_nan() -> None:
    world = World()
    world.fire("a", value=float("nan"))
    assert alert_json(named(world, "a"))["value"] is None
    json.dumps(list_json(picture(world), choose(picture(world).alerts, Wanted())), allow_nan=False)


def test_silences_say_what_they_keep_quiet() -> None:
    world = busy()
    [silence] = picture(world).silences
    found = silence_json(picture(world), silence)
    assert (found["matchers"], found["alerts"], found["by"]) == (["agent_id=quiet"], ["cpu_high@quiet"], "bob")
    text = printed(silences_table(picture(world)))
    assert "agent_id=quiet" in text
    assert "59 min" in text
    assert "No silence" in printed(silences_table(picture(World())))


def test_who_is_at_work() -> None:
    world = busy()
    assert picture(world, behind=3).trouble is None
    assert "3 signals wait, it last wrote 60 s ago" in (picture(world, behind=3, later_s=60).trouble or "")
    assert picture(world, later_s=60).trouble is None
    idle = World()
    idle.state.now_s = 0.0
    assert "has written its state here yet" in (picture(idle).trouble or "")


@pytest.mark.parametrize(("text", "seconds"), [("30m", 1800), ("1h30m", 5400), ("7d", 604_800), (" 2h ", 7200)])
def test_how_long_a_silence_lasts(text: str, seconds: float) -> None:
    assert silence_s(text) == seconds


@pytest.mark.parametrize("text", ["-2h", "", "0s", "2 fortnights", "400d", "2h-1h"])
def test_durations_that_are_none_name_the_setting(text: str) -> None:
    with pytest.raises(SettingError, match="setting --for"):
        silence_s(text)


@pytest.mark.parametrize("texts", [["host!=web-1"], ["name=~.*"], ["name=~", "host!~x"], ["a=b"] * 21])
def test_silences_that_would_be_too_wide(texts: list[str]) -> None:
    with pytest.raises(SettingError, match="setting MATCHERS"):
        check_silence(parse_matchers(texts, "MATCHERS"))


def test_a_field_that_nobody_has_is_perhaps_misspelt() -> None:
    matchers = parse_matchers(["agnet_id=web-1", "name=cpu_high"], "MATCHERS")
    assert unknown_fields(picture(busy()), matchers) == ["agnet_id"]
    assert unknown_fields(picture(World()), matchers) == []


def test_a_trail_begins_before_the_alert() -> None:
    world = busy()
    assert began_s(named(world, "web-1")) < T0


def test_the_broker_of_the_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLEETPULSE_BOOTSTRAP", raising=False)
    monkeypatch.setenv("FLEETPULSE_DATA_DIR", str(tmp_path))
    with pytest.raises(BrokerUnreachableError, match="fleetpulse up"):
        bootstrap_of(None)
    (tmp_path / "broker.json").write_text('{"bootstrap": "127.0.0.1:1", "kind": "tansu"}', encoding="utf-8")
    assert bootstrap_of(None) == "127.0.0.1:1"
    assert bootstrap_of("127.0.0.1:2") == "127.0.0.1:2"
    (tmp_path / "broker.json").write_text("[", encoding="utf-8")
    with pytest.raises(BrokerUnreachableError):
        bootstrap_of(None)


def test_no_broker_at_the_address_is_one_error() -> None:
    with socket.socket() as taken:  # bound, so nobody else gets the port, and never listening
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for words in (["list"], ["ack", "ab"], ["silences"], ["silence", "name=a", "--for", "2h"]):
            done = CliRunner().invoke(app, ["alerts", *words, "--bootstrap", address])
            assert isinstance(done.exception, BrokerUnreachableError)


_REFUSED: dict[str, Callable[[], list[str]]] = {
    "setting MATCHERS": lambda: ["silence", "name", "--for", "2h"],
    "setting --for": lambda: ["silence", "name=x", "--for", "-2h"],
    "setting MATCHER": lambda: ["list", "name"],
    "setting --label": lambda: ["list", "--label", "name"],
    "setting --timeout": lambda: ["ack", "ab", "--timeout", "soon"],
}


@pytest.mark.parametrize("said", _REFUSED)
def test_what_is_refused_before_anybody_is_asked(said: str) -> None:
    done = CliRunner().invoke(app, ["alerts", *_REFUSED[said](), "--bootstrap", "127.0.0.1:1"])
    assert isinstance(done.exception, FleetpulseError)
    assert said in str(done.exception)


def test_a_silence_needs_an_end() -> None:
    done: Any = CliRunner().invoke(app, ["alerts", "silence", "name=x"])
    assert done.exit_code == 2
    assert "--for" in done.output
