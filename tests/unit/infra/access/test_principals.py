"""What roles include, whom principals see and write for."""

from __future__ import annotations

import pytest

from infra.access import Principal, Role
from infra.access.principal import IMPLIED

ROLES = tuple(IMPLIED)
MAY = {
    "ingest": {"ingest"},
    "viewer": {"viewer"},
    "operator": {"viewer", "operator"},
    "admin": {"ingest", "viewer", "operator", "admin"},
}


def somebody(role: Role = "ingest", tenant: str | None = "acme", agents: tuple[str, ...] = ()) -> Principal:
    return Principal("key:aaaaaaaaaaaa", "n", tenant, agents, role, False, "key")


@pytest.mark.parametrize("role", ROLES)
def test_what_a_role_includes(role: Role) -> None:
    assert {needed for needed in ROLES if somebody(role).may(needed)} == MAY[role]


def test_a_tenant_is_seen_whole_and_alone() -> None:
    assert somebody().sees("acme")
    assert not any(somebody().sees(other) for other in ("globex", "", "ACME", "acme ", "acme\0"))
    assert somebody("admin", tenant=None).sees("whatever")


@pytest.mark.parametrize(
    ("agents", "agent_id", "writes"),
    [
        ((), "a-1", True),
        (("a-1",), "a-1", True),
        (("a-1",), "a-10", False),
        (("a-1",), "A-1", False),
        (("a-*", "b"), "a-10", True),
        (("a-*", "b"), "b", True),
        (("a-*", "b"), "b-1", False),
        (("a-?",), "a-1\n", False),
        (("[ab]-1",), "b-1", True),
    ],
)
def test_agents_that_a_key_writes_for(agents: tuple[str, ...], agent_id: str, writes: bool) -> None:
    assert somebody(agents=agents).writes_for(agent_id) == writes


def test_nobody_else_writes_as_one_of_our_own_processes() -> None:
    own = "fleetpulse:gateway:h-1"
    assert not somebody().writes_for(own)
    assert not somebody(agents=("*",)).writes_for(own)
    assert not somebody(agents=(own,)).writes_for(own)
    assert somebody(tenant="fleetpulse").writes_for(own)
    assert somebody("admin", tenant=None).writes_for(own)


@pytest.mark.parametrize(
    ("agents", "sole"),
    [((), None), (("a",), "a"), (("a*",), None), (("[a]",), None), (("a?",), None), (("a", "b"), None)],
)
def test_the_agent_that_a_key_stands_for(agents: tuple[str, ...], sole: str | None) -> None:
    assert somebody(agents=agents).sole_agent() == sole


def test_claiming_grants_a_key_nothing() -> None:
    assert somebody(agents=("a",)).claiming("globex", "b") == somebody(agents=("a",))
