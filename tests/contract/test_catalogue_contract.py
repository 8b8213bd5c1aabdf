"""The catalogue, the schema files and the conventions of Kafka agree."""

from __future__ import annotations

import re

import pytest

from infra.schema_cli import avsc_folder, read_released, read_schema
from schemas.catalogue import (
    ACCESS_ENDED,
    ACCESS_KEYS,
    ACCESS_SESSIONS,
    ALERTS_CHANGELOG,
    ENVELOPE,
    METRICS,
    SAVED_VIEWS,
    STREAMS_CHANGELOG,
    TABLES,
    TOPICS,
    Topic,
)
from schemas.compatibility import envelope_problems, house_problems
from schemas.registry import load_schema, released_schemas

ALL = [pytest.param(topic, id=topic.name) for topic in TOPICS.values()]
CURRENT = {path.stem for path in avsc_folder().glob("*.avsc")}


def test_every_schema_has_a_topic_and_every_topic_a_schema() -> None:
    assert sorted(topic.schema for topic in TOPICS.values()) == sorted(CURRENT)
    assert len(TABLES) == len(TOPICS)


def test_every_released_file_belongs_to_a_schema() -> None:
    names = [path.name for path in (avsc_folder() / "released").iterdir()]
    assert all(re.fullmatch(r"[a-z]+\.v[1-9]\d*\.avsc", name) for name in names)
    assert {name.split(".")[0] for name in names} == CURRENT


def test_fingerprints_are_unique() -> None:
    found = [load_schema(name).crc64 for name in CURRENT]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    "name", [*TOPICS, STREAMS_CHANGELOG, ALERTS_CHANGELOG, ACCESS_KEYS, ACCESS_ENDED, ACCESS_SESSIONS, SAVED_VIEWS]
)
def test_topic_names_follow_kafka(name: str) -> None:
    """One separator, no underscore (metric names turn dots into them), within Kafka's 249 characters."""
    assert re.fullmatch(r"[a-z0-9]+(\.[a-z0-9]+)*|[a-z0-9]+(-[a-z0-9]+)*", name)
    assert len(name) <= 249


@pytest.mark.parametrize("topic", ALL)
def test_the_envelope_comes_first_and_is_the_same(topic: Topic) -> None:
    assert envelope_problems(load_schema(topic.schema).raw, ENVELOPE, load_schema("heartbeat").raw) == []


@pytest.mark.parametrize("topic", ALL)
def test_the_key_is_a_field_that_is_always_there(topic: Topic) -> None:
    types = {f["name"]: f["type"] for f in load_schema(topic.schema).raw["fields"]}
    assert types[topic.key] == "string"
    assert types["agent_id"] == "string"


@pytest.mark.parametrize("topic", ALL)
def test_house_rules(topic: Topic) -> None:
    assert house_problems(load_schema(topic.schema).raw) == []


@pytest.mark.parametrize("topic", ALL)
def test_names(topic: Topic) -> None:
    schema = read_schema(avsc_folder(), topic.schema)
    assert (schema["name"], schema["namespace"]) == (topic.schema, "fleetpulse")
    assert re.fullmatch(r"[a-z]+", topic.table)


@pytest.mark.parametrize("topic", ALL)
def test_versions_have_no_hole_and_the_last_one_is_the_current(topic: Topic) -> None:
    numbers = list(read_released(avsc_folder(), topic.schema))
    assert numbers == list(range(1, len(numbers) + 1))
    assert released_schemas(topic.schema)[-1].crc64 == load_schema(topic.schema).crc64


def test_the_metrics_of_the_catalogue_are_columns_of_numbers() -> None:
    types = {f["name"]: f["type"] for f in load_schema("metrics").raw["fields"]}
    assert [name for name in types if name in METRICS] == list(METRICS)
    assert all(types[name] in (["null", "double"], ["null", "long"]) for name in METRICS)


@pytest.mark.parametrize("topic", ALL)
def test_the_lake_keeps_at_least_as_long_as_the_topic(topic: Topic) -> None:
    assert topic.lake_retention_s >= topic.retention_s > 0
