"""Policies as people write them, in our shape and in the sources'."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest

from infra.runtime.errors import SettingError
from producers.governance import Engine, LengthPolicy, PiiPolicy, TopicsPolicy, parse_policies

SOURCES = [
    {
        "id": "no-personal-info",
        "name": "No Personal Information",
        "description": "Prevent sharing of personal information",
        "enabled": True,
    },
    {
        "id": "hipaa-compliance",
        "name": "HIPAA Compliance",
        "description": "Ensure HIPAA compliance for healthcare data",
        "enabled": True,
        "severity": "critical",
    },
    {
        "id": "response-length-limit",
        "name": "Response Length Limit",
        "description": "Limit response length to 500 characters",
        "enabled": True,
        "maxLength": 500,
    },
]


def test_policies_of_the_sources_are_read_as_they_stand() -> None:
    personal, health, length = parse_policies(SOURCES)
    assert isinstance(personal, PiiPolicy)
    assert isinstance(health, PiiPolicy)
    assert health.severity == "critical"
    assert isinstance(length, LengthPolicy)
    assert length.max_length == 500
    assert personal.title == "No Personal Information"


def test_models_pass_and_both_spellings_of_a_field_are_read() -> None:
    policy = TopicsPolicy(id="t", topics=("war",))
    kept, snake, camel = parse_policies(
        [policy, {"id": "a", "max_length": 5, "on_error": "block"}, {"id": "b", "maxLength": 5, "onError": "block"}]
    )
    assert kept is policy
    assert snake.on_error == camel.on_error == "block"


@pytest.mark.parametrize(
    ("policy", "named"),
    [
        ({"id": "x"}, "policies[0].type"),
        ({"id": "x", "type": "magic"}, "policies[0].type"),
        ({"id": "x", "type": ["pii"]}, "policies[0].type"),
        ({"id": "x", "type": "length"}, "policies[0].maxLength"),
        ({"id": "x", "maxLength": 0}, "policies[0].maxLength"),
        ({"id": "x", "maxLength": 5, "severity": "awful"}, "policies[0].severity"),
        ({"id": "x", "maxLength": 5, "colour": "red"}, "policies[0].colour"),
        ({"id": "", "maxLength": 5}, "policies[0].id"),
        ("no-personal-info", "policies[0]"),
        ({"id": "pii", "entities": ["email", "shoe size"]}, "policies[pii].entities"),
        ({"id": "t", "topics": ["?!"]}, "policies[t].topics"),
        ({"id": "p", "patterns": ["("]}, "policies[p].patterns"),
        ({"id": "p", "patterns": [r"(a)\1"]}, "policies[p].patterns"),
    ],
)
def test_a_policy_that_cannot_work_is_refused_by_name(policy: Any, named: str) -> None:  # noqa: ANN401  # wrong ones
    with pytest.raises(SettingError) as refused:
        Engine([policy])
    assert named in str(refused.value)


def test_two_policies_of_one_id_are_refused() -> None:
    with pytest.raises(SettingError, match="two policies"):
        parse_policies([{"id": "x", "maxLength": 5}, {"id": "x", "maxLength": 6}])


@pytest.mark.skipif(find_spec("presidio_analyzer") is not None, reason="Presidio is installed")
def test_presidio_that_is_missing_is_said_with_the_way_out() -> None:
    with pytest.raises(SettingError, match=r"fleetpulse\[presidio\]"):
        Engine([{"id": "pii", "detector": "presidio"}])


def test_few_topics_and_many_are_found_alike() -> None:
    text = "The lawsuit about dosage was no Lawsuits matter; self-harm is another, dosages too."
    topics = ["lawsuit", "dosage", "self harm", "harm"]
    many = [*topics, *(f"nothing{number}" for number in range(200))]

    def found(wanted: list[str]) -> list[object]:
        policies = [{"id": "t", "topics": wanted, "action": "flag"}]
        return [span for finding in Engine(policies).evaluate("", text).findings for span in finding.spans]

    assert len(found(topics)) == 4
    assert found(many) == found(topics)
