"""Pages over a set that changes between them: what does not change is told exactly once, in its order."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from api_world import decoded, status, trust
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.web.problem import Problem
from sinks.api.live.listing import NUMBERS, SORTS, Place, Sort, Wanted, list_agents
from sinks.api.live.memory import Memory
from sinks.api.pages import decode_cursor, encode_cursor
from sinks.api.scope import Scope

NAMES = st.sampled_from([f"a{i:02d}" for i in range(30)])
SCORES = st.sampled_from([0.0, 0.25, 0.5, 0.5, 0.75, 1.0])
CHANGES = st.lists(st.lists(st.tuples(NAMES, SCORES), max_size=6), max_size=12)
FLEET = decoded("trust", [trust(f"a{i:02d}", "acme", 0.0) for i in range(30)])


def _tell(memory: Memory, scores: dict[str, float]) -> None:
    if scores:
        rows = [int(name[1:]) for name in scores]
        frame = FLEET[rows]
        memory.apply("fleet.trust", frame.with_columns(trust=np.asarray(list(scores.values()))))


@settings(max_examples=120, deadline=None)
@given(
    begin=st.dictionaries(NAMES, SCORES, max_size=30),
    changes=CHANGES,
    sort=st.sampled_from([sort for sort in SORTS if "since" not in sort]),
    limit=st.integers(1, 7),
)
def test_what_does_not_change_is_told_once(
    begin: dict[str, float], changes: list[list[tuple[str, float]]], sort: Sort, limit: int
) -> None:
    memory = Memory()
    _tell(memory, begin)
    touched: set[str] = set()
    told: list[str] = []
    place: Place | None = None
    steps = iter(changes)
    while True:
        page = list_agents(memory, Scope("acme"), Wanted(), sort, place, limit)
        told += [memory.agents[slot] for slot in page.slots]
        if page.last is None:
            break
        text = encode_cursor([page.last.value, page.last.agent_id, page.last.user_id])
        values = decode_cursor(text, (float if sort.lstrip("-") in NUMBERS else str, str, str))
        assert values is not None
        place = Place(*values)
        step = dict(next(steps, []))
        touched |= step.keys()
        _tell(memory, step)
    steady = begin.keys() - touched
    assert sorted(name for name in told if name in steady) == sorted(steady)
    down = sort.startswith("-")
    key = (lambda name: (begin[name], name)) if "trust" in sort else (lambda name: (0.0, name))
    in_order = [name for name in told if name in steady]
    assert in_order == sorted(in_order, key=key, reverse=down)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: raw.decode("latin-1")))
def test_no_text_is_a_cursor_that_breaks_anything(text: str) -> None:
    found: object = None
    try:
        found = [type(value) for value in decode_cursor(text, (int, str)) or ()]
    except Problem as problem:
        found = problem.status
    assert found in (400, [int, str])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-(2**62), 2**62) | st.text(alphabet=st.characters(exclude_characters="\0"), max_size=20)))
def test_a_cursor_comes_back_as_it_was(values: list[int | str]) -> None:
    assert decode_cursor(encode_cursor(values), [type(value) for value in values]) == values


@pytest.mark.parametrize("sort", SORTS)
def test_an_empty_fleet_is_one_empty_page(sort: Sort) -> None:
    found = list_agents(Memory(), Scope(), Wanted(), sort, None, 10)
    assert (found.slots, found.total, found.last) == ([], 0, None)


def test_who_has_no_score_comes_last_and_once() -> None:
    memory = Memory()
    memory.apply("fleet.status", decoded("status", [status("zz", "acme")]))
    _tell(memory, {"a01": 1.0, "a02": 0.5})
    first = list_agents(memory, Scope("acme"), Wanted(), "trust", None, 2)
    last = list_agents(memory, Scope("acme"), Wanted(), "trust", first.last, 2)
    assert [memory.agents[slot] for slot in first.slots + last.slots] == ["a02", "a01", "zz"]


HOSTS = st.sampled_from([None, "h1", "h2", "h10", "é"])
PLACES = decoded("status", [status(f"a{i:02d}", "acme", host="h") for i in range(30)])


def _move(memory: Memory, hosts: dict[str, str | None]) -> None:
    if hosts:
        frame = PLACES[[int(name[1:]) for name in hosts]]
        memory.apply("fleet.status", frame.with_columns(host=pl.Series(list(hosts.values()), dtype=pl.String)))


@settings(max_examples=80, deadline=None)
@given(
    begin=st.dictionaries(NAMES, HOSTS, max_size=30),
    changes=st.lists(st.dictionaries(NAMES, HOSTS | st.text(max_size=3), max_size=4), max_size=6),
    sort=st.sampled_from(["host", "-host"]),
    limit=st.integers(1, 7),
)
def test_pages_in_the_order_of_a_text_tell_what_does_not_change_once(
    begin: dict[str, str | None], changes: list[dict[str, str | None]], sort: Sort, limit: int
) -> None:
    memory = Memory()
    _move(memory, begin)
    touched: set[str] = set()
    told: list[str] = []
    place: Place | None = None
    steps = iter(changes)
    while True:
        page = list_agents(memory, Scope("acme"), Wanted(), sort, place, limit)
        told += [memory.agents[slot] for slot in page.slots]
        if (place := page.last) is None:
            break
        step = next(steps, {})
        touched |= step.keys()
        _move(memory, step)
    steady = [name for name in told if name in begin.keys() - touched]
    assert sorted(steady) == sorted(begin.keys() - touched)
    # Who has no host comes last in rising order.
    assert steady == sorted(steady, key=lambda n: (not begin[n], begin[n] or "", n), reverse=sort.startswith("-"))


@given(limit=st.integers(1, 9), sort=st.sampled_from(["host", "-trust", "agent_id", "-status"]))
def test_pages_by_offset_are_the_same_as_by_cursor(limit: int, sort: Sort) -> None:
    memory = Memory()
    _move(memory, {f"a{i:02d}": f"h{i % 4}" for i in range(30)})
    whole = list_agents(memory, Scope(), Wanted(), sort, None, 100).slots
    pages = [list_agents(memory, Scope(), Wanted(), sort, None, limit, offset) for offset in range(0, 30, limit)]
    assert [slot for page in pages for slot in page.slots] == whole
    assert [page.last is None for page in pages] == [False] * (len(pages) - 1) + [True]
