"""The `.avsc` files, parsed once, with their fingerprints; and the writer schemas that messages may name.

Fingerprints are CRC-64-AVRO of the parsing canonical form (Avro 1.12 specification, "Schema Fingerprints").
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Any, Protocol

from schemas.body import Write, body_writer
from schemas.catalogue import TOPICS
from schemas.fingerprint import OtherShapeError, crc64_of

SINGLE_OBJECT_MAGIC = b"\xc3\x01"
CONFLUENT_MAGIC = b"\x00"


@dataclass(frozen=True)
class WriterSchema:
    """A schema that bytes were, or will be, written with.

    `raw` as in the file; `crc64` its CRC-64-AVRO; `prefix` the ten bytes before a body
    in single-object encoding.
    """

    name: str
    raw: Mapping[str, Any]
    crc64: int

    @cached_property
    def parsed(self) -> Any:  # noqa: ANN401  # fastavro's
        """Raises `fastavro.schema.SchemaParseException`."""
        import fastavro  # noqa: PLC0415  # 2.5 MB that an agent does not need

        return fastavro.parse_schema(dict(self.raw))

    @cached_property
    def prefix(self) -> bytes:
        return SINGLE_OBJECT_MAGIC + struct.pack("<Q", self.crc64)

    @cached_property
    def write(self) -> Write:
        """Encodes one record, see `schemas.body`. Raises `UnusualValueError` for what fastavro is to judge."""
        return body_writer(self.raw)


def make_schema(raw: Mapping[str, Any]) -> WriterSchema:
    """Parse a schema and compute its fingerprint. Raises `fastavro.schema.SchemaParseException`."""
    from fastavro.schema import fingerprint, to_parsing_canonical_form  # noqa: PLC0415  # as above

    little_endian = bytes.fromhex(fingerprint(to_parsing_canonical_form(dict(raw)), "CRC-64-AVRO"))
    schema = WriterSchema(str(raw["name"]), raw, int.from_bytes(little_endian, "little"))
    _ = schema.parsed  # raises where there is a mistake, now and not with the first message
    return schema


def _made_by_us(raw: Mapping[str, Any]) -> WriterSchema:
    """A schema of this package, which `make check` has parsed: fastavro is asked only once somebody decodes."""
    try:
        return WriterSchema(str(raw["name"]), raw, crc64_of(raw))
    except OtherShapeError:
        return make_schema(raw)


@cache
def load_schema(name: str) -> WriterSchema:
    """The current schema `name` (file `avsc/NAME.avsc`). Raises `FileNotFoundError`."""
    text = resources.files("schemas").joinpath("avsc", f"{name}.avsc").read_text(encoding="utf-8")
    return _made_by_us(json.loads(text))


def topic_schema(topic: str) -> WriterSchema:
    """The current schema of a topic. Raises `KeyError` for a topic that the catalogue does not have."""
    return load_schema(TOPICS[topic].schema)


@cache
def released_schemas(name: str) -> tuple[WriterSchema, ...]:
    """Every released version of schema `name`, oldest first (folder `avsc/released`, files `NAME.vN.avsc`)."""
    folder = resources.files("schemas").joinpath("avsc", "released")
    found = [
        (int(entry.name.split(".")[1][1:]), entry) for entry in folder.iterdir() if entry.name.startswith(f"{name}.v")
    ]
    return tuple(
        _made_by_us(json.loads(entry.read_text(encoding="utf-8"))) for _, entry in sorted(found, key=lambda f: f[0])
    )


class SchemaIds(Protocol):
    """What knows the schemas behind Confluent schema ids: a registry client, or a fixed table in tests."""

    def writer(self, schema_id: int) -> WriterSchema | None:
        """The schema with this id; None when the registry does not know it."""
        ...


class SchemaBook:
    """The writer schemas that a consumer of one schema accepts, by fingerprint and by registry id."""

    def __init__(self, name: str, ids: SchemaIds | None = None) -> None:
        self.reader = load_schema(name)
        self._by_crc = {s.crc64: s for s in (*released_schemas(name), self.reader)}
        self._ids = ids

    def learn(self, schema: WriterSchema) -> None:
        """Accept another writer schema, for example a newer program's."""
        self._by_crc[schema.crc64] = schema

    def by_fingerprint(self, crc64: int) -> WriterSchema | None:
        """The writer with this CRC-64-AVRO, if known."""
        return self._by_crc.get(crc64)

    def by_id(self, schema_id: int) -> WriterSchema | None:
        """The writer with this registry id, if a registry is configured and knows it."""
        return self._ids.writer(schema_id) if self._ids is not None else None
