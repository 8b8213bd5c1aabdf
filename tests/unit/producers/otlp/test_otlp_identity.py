from __future__ import annotations

import pytest
from otlp_world import logs, mapped, operation, principal_of, span, traces

from producers.otlp.source import ForbiddenError, source_of

RECORD = {"body": {"stringValue": "hello"}}


@pytest.mark.parametrize("name", ["fleet.user.id", "fleet.user_id", "fleet.tenant.id", "fleet.tenant"])
def test_another_tenant_is_refused_by_whatever_attribute(name: str) -> None:
    result = mapped("logs", logs(RECORD, **{name.replace(".", "__"): "rival", "service__name": "clerk"}))
    assert result.events == []
    assert result.all_forbidden
    assert "another tenant" in result.message()


def test_the_own_tenant_may_be_named() -> None:
    (event,) = mapped("logs", logs(RECORD, fleet__user__id="acme", service__name="clerk")).events
    assert event.user_id == "acme"


def test_attributes_elsewhere_claim_nothing() -> None:
    named = operation("invoke_agent", fleet__user__id="rival", tenant__id="rival", user__id="rival")
    result = mapped("traces", traces(span(1, None, (10, 0), named), tenant__id="rival", service__name="clerk"))
    assert result.events
    assert {each.user_id for each in result.events} == {None}
    assert "rival" not in repr(result.events)


def test_one_resource_of_another_tenant_does_not_harm_the_others() -> None:
    mixed = logs(RECORD, service__name="clerk")
    mixed["resourceLogs"] += logs(RECORD, RECORD, fleet__user__id="rival", service__name="clerk")["resourceLogs"]
    result = mapped("logs", mixed)
    assert len(result.events) == 1
    assert (result.rejected.total(), result.all_forbidden) == (2, False)


def test_agents_outside_of_the_keys_patterns() -> None:
    who = principal_of("acme", "desk-*")
    assert mapped("logs", logs(RECORD, service__name="desk-1"), who).events[0].agent_id == "desk-1"
    assert mapped("logs", logs(RECORD, service__name="till-1"), who).all_forbidden
    sub = operation("invoke_agent", gen_ai__agent__id="till-1")
    result = mapped("traces", traces(span(1, None, (10, 0), sub), service__name="desk-1"), who)
    assert {each.agent_id for each in result.events} == {"desk-1"}


def test_our_own_agents_names_are_nobody_elses() -> None:
    assert mapped("logs", logs(RECORD, service__name="fleetpulse:gateway")).all_forbidden


@pytest.mark.parametrize(
    ("attributes", "agent"),
    [
        ({"fleet.agent.id": "a", "gen_ai.agent.id": "b", "service.name": "c"}, "a"),
        ({"gen_ai.agent.id": "b", "service.name": "c"}, "b"),
        ({"service.name": "c", "host.name": "h"}, "c"),
        ({"service.name": "unknown_service:python", "host.name": "h"}, "host:h"),
        ({"service.name": "unknown_service:python"}, "unknown_service:python"),
    ],
)
def test_who_a_resource_is(attributes: dict[str, str], agent: str) -> None:
    assert source_of(attributes, principal_of()).agent_id == agent


def test_the_header_names_what_the_resource_does_not() -> None:
    assert source_of({"service.name": "c"}, principal_of(), "from-header").agent_id == "from-header"
    assert source_of({"fleet.agent.id": "a"}, principal_of(), "from-header").agent_id == "a"


@pytest.mark.parametrize("attributes", [{}, {"fleet.agent.id": "x" * 300}, {"service.name": "a\nb"}])
def test_without_a_usable_name_there_is_no_agent(attributes: dict[str, str]) -> None:
    with pytest.raises(ForbiddenError):
        source_of(attributes, principal_of())


def test_a_key_of_the_whole_fleet_needs_a_tenant() -> None:
    with pytest.raises(ForbiddenError, match=r"fleet\.user\.id"):
        source_of({"service.name": "c"}, principal_of(None))
    assert source_of({"service.name": "c", "fleet.user.id": "acme"}, principal_of(None)).user_id == "acme"


def test_deployment_and_host() -> None:
    said = {"service.name": "c", "deployment.environment.name": "production", "host.name": "h-1"}
    source = source_of(said, principal_of())
    assert (source.deployment_id, source.host) == ("production", "h-1")
