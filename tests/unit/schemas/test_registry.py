"""Fingerprints and prefixes of schemas."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from fastavro.schema import to_parsing_canonical_form

from infra.schema_cli import avsc_folder
from schemas.fingerprint import OtherShapeError, crc64_of
from schemas.registry import SchemaBook, WriterSchema, load_schema, make_schema, released_schemas, topic_schema

EMPTY = 0xC15D213AA4D7A795
NAMES = sorted(path.stem for path in avsc_folder().glob("*.avsc"))


def crc64_avro(data: bytes) -> int:
    """CRC-64-AVRO as the Avro 1.12 specification writes it, "Schema Fingerprints", bit by bit."""
    fingerprint = EMPTY
    for byte in data:
        low = (fingerprint ^ byte) & 0xFF
        for _ in range(8):
            low = (low >> 1) ^ (EMPTY if low & 1 else 0)
        fingerprint = (fingerprint >> 8) ^ low
    return fingerprint


@pytest.mark.parametrize(
    ("canonical", "expected"),
    [
        # Of the specification's own test data (share/test/data/schema-tests.txt), as signed numbers.
        ('"null"', 7195948357588979594),
        ('"boolean"', -6970731678124411036),
        ('"int"', 8247732601305521295),
        ('"long"', -3434872931120570953),
        ('"double"', -8181574048448539266),
        ('"bytes"', 5746618253357095269),
        ('"string"', -8142146995180207161),
    ],
)
def test_the_reference_agrees_with_known_vectors(canonical: str, expected: int) -> None:
    assert crc64_avro(canonical.encode()) == expected % 2**64


def test_a_known_vector_of_a_record() -> None:
    assert make_schema({"type": "record", "name": "foo", "fields": []}).crc64 == -4824392279771201922 % 2**64


@pytest.mark.parametrize("name", NAMES)
def test_fingerprints_of_ours(name: str) -> None:
    schema = load_schema(name)
    assert schema.crc64 == crc64_avro(to_parsing_canonical_form(json.loads(json.dumps(dict(schema.raw)))).encode())


@pytest.mark.parametrize("name", NAMES)
def test_fingerprints_need_no_fastavro(name: str) -> None:
    for schema in (load_schema(name), *released_schemas(name)):
        assert crc64_of(schema.raw) == schema.crc64 == make_schema(schema.raw).crc64


@pytest.mark.parametrize(
    "raw",
    [
        {"type": "record", "name": "a.b", "fields": []},
        {"type": "enum", "name": "b", "symbols": ["A"]},
        {"type": "record", "name": "b", "fields": [{"name": "x", "type": {"type": "map", "values": "long"}}]},
        {"type": "record", "name": "b", "fields": [{"name": "x", "type": ["null", "b"]}]},
        {"name": "b"},
    ],
)
def test_fingerprints_of_other_shapes_are_fastavros_to_make(raw: dict[str, Any]) -> None:
    with pytest.raises(OtherShapeError):
        crc64_of(raw)


def test_docs_and_defaults_do_not_change_a_fingerprint_types_do() -> None:
    plain = {"type": "record", "name": "r", "fields": [{"name": "a", "type": "long"}]}
    told = {**plain, "doc": "d", "fields": [{"name": "a", "type": "long", "doc": "d", "unit": "s", "default": 1}]}
    other = {**plain, "fields": [{"name": "a", "type": "double"}]}
    assert make_schema(plain).crc64 == make_schema(told).crc64 != make_schema(other).crc64


def test_the_prefix_is_the_marker_and_the_fingerprint_in_little_endian() -> None:
    schema = load_schema("heartbeat")
    assert schema.prefix == b"\xc3\x01" + struct.pack("<Q", schema.crc64)


def test_a_topic_that_the_catalogue_does_not_have() -> None:
    assert topic_schema("fleet.runs") is load_schema("run")
    with pytest.raises(KeyError):
        topic_schema("fleet.nothing")


class Ids:
    """A registry that knows one schema."""

    def writer(self, schema_id: int) -> WriterSchema | None:
        return load_schema("run") if schema_id == 42 else None


def test_a_book_knows_what_was_released_and_what_it_learns() -> None:
    book = SchemaBook("run")
    assert all(book.by_fingerprint(schema.crc64) is not None for schema in released_schemas("run"))
    assert book.by_fingerprint(1) is None
    learned = make_schema({"type": "record", "name": "run", "fields": [{"name": "x", "type": "long"}]})
    book.learn(learned)
    assert book.by_fingerprint(learned.crc64) is learned


def test_registry_ids_are_known_only_where_a_registry_is() -> None:
    assert SchemaBook("run").by_id(42) is None
    assert SchemaBook("run", Ids()).by_id(42) is load_schema("run")
    assert SchemaBook("run", Ids()).by_id(41) is None
