"""The state of who follows the changelog is the alert manager's; what a scope leaves of it is nobody else's."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from manager_world import T0, World, settings

from infra.runtime.errors import FleetpulseError, SettingError
from streams.manager.ask.answer import Request, answer
from streams.manager.ask.follow import Follower, apply
from streams.manager.ask.picture import Picture
from streams.manager.ask.scope import Scope, within
from streams.manager.matchers import fits, parse_matcher
from streams.manager.state import State

STEP = st.tuples(
    st.sampled_from(["fire", "resolve", "acknowledge", "silence", "unsilence", "wait"]),
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(["", "t1", "t2"]),
)


def take(world: World, step: tuple[str, str, str]) -> None:
    """One step of the world, where it can be taken."""
    what, agent, tenant = step
    name = f"cpu_high@{agent}"
    if what == "fire":
        world.fire(agent, user_id=tenant)
    elif what == "resolve" and name in world.epochs:
        world.resolve(agent)
    elif what == "acknowledge":
        world.command("acknowledge", json.dumps({"fingerprint": name}))
    elif what == "silence":
        asked = {"id": agent, "matchers": [["user_id", "=", tenant]], "until_s": world.now_s + 500}
        world.command("silence", json.dumps(asked))
    elif what == "unsilence":
        world.command("unsilence", json.dumps({"id": agent}))
    else:
        world.after(400.0)


@given(st.lists(STEP, max_size=25))
def test_one_record_at_a_time_gives_the_managers_state(steps: list[tuple[str, str, str]]) -> None:
    world, seen = World(settings("correlation: {least: 50}")), State()
    for step in steps:
        take(world, step)
        for key, raw in world.state.take_changes():
            apply(seen, key, raw)
        assert seen.alerts == world.state.alerts
        assert seen.silences == world.state.silences
        assert set(seen.active) == set(world.state.active)
        assert set(seen.ended) == set(world.state.ended)
        assert (seen.position, seen.now_s) == (world.state.position, world.state.now_s)


@given(st.lists(STEP, max_size=25), st.sampled_from(["t1", "t2", "nobody"]))
def test_a_scope_holds_what_is_its_own(steps: list[tuple[str, str, str]], tenant: str) -> None:
    world = World(settings("correlation: {least: 50}"))
    for step in steps:
        take(world, step)
    whole = Picture(world.state, {"x": b""}, {}, 0, T0)
    own = within(whole, Scope(tenant))
    assert {alert.user_id for alert in own.alerts} <= {tenant}
    assert all(each.matchers == (("user_id", "=", tenant),) for each in own.state.silences.values())
    assert set(own.state.active) <= set(own.state.alerts)
    assert own.records == {}
    assert within(whole, Scope()) is whole
    assert within(whole, Scope(tenant, ("a*",))).state.silences == {}


@given(st.text(max_size=10), st.sampled_from(["=", "!=", "=~", "!~"]), st.sampled_from(["t1", "t2", ".*", "t.*", ""]))
def test_a_tenants_silence_never_fits_anothers_alert(value: str, operator: str, tenant: str) -> None:
    own, other = Scope("t1"), {"user_id": "t2", "name": "x", "host": value}
    for texts in (["name=~.*"], [f"user_id{operator}{tenant}"], ["name=~.*", f"user_id{operator}{tenant}"]):
        try:
            made = own.matchers([parse_matcher(each) for each in texts])
        except SettingError:
            continue
        assert not fits(made, other)
        assert not fits(made, other | {"user_id": ""})


def test_an_empty_tenant_is_nobody_and_not_the_fleet() -> None:
    with pytest.raises(SettingError):
        Scope("")
    with pytest.raises(SettingError):
        Scope("t1", ("a*",)).matchers([("name", "=", "x")])
    values: Mapping[str, str] = {}
    assert fits(Scope().matchers([]), values)


async def test_so_many_alerts_are_shown_at_once_and_lists_do_not_wait_for_them() -> None:
    world = World()
    world.fire("a", user_id="t1")
    follower = Follower("127.0.0.1:1", state=world.state, trails=16)
    (name,) = world.state.alerts
    with pytest.raises(FleetpulseError, match="shown at once"):
        await answer(follower, Request(id=1, do="show", tenant="t1", fingerprints=(name,)))
    assert (await answer(follower, Request(id=2, do="list", tenant="t1")))["total"] == 1
    assert follower.trails == 16
