"""Log records as events of fleet.logs, without personal data; those named `fleet.*` as what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from producers.governance.redact import redact_text
from producers.otlp.event import Mapped, OtlpEvent
from producers.otlp.fleet_events import fleet_event
from producers.otlp.source import Source
from producers.otlp.times import OUT_OF_RANGE, event_us
from producers.otlp.values import Attributes, Value, attributes_of, cut, text, value_of

if TYPE_CHECKING:
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs

LONGEST_MESSAGE = 8_192
_MOST_METADATA = 32
_LONGEST_METADATA = 512
_CATEGORIES = frozenset({"governance", "performance", "system", "business", "security"})
_LEVELS = ((21, "critical"), (17, "error"), (13, "warn"), (9, "info"), (1, "debug"))
_BY_NAME = {
    "fatal": "critical",
    "critical": "critical",
    "error": "error",
    "warning": "warn",
    "warn": "warn",
    "debug": "debug",
    "trace": "debug",
}
_CONTENT = ("gen_ai.", "llm.", "traceloop.entity.")
"""Prefixes of events and attributes that may hold what users and models said."""


def map_logs(resource: ResourceLogs, source: Source, now_us: int, mapped: Mapped) -> None:
    """Add the events of a resource's log records to `mapped`."""
    for scope in resource.scope_logs:
        for record in scope.log_records:
            told_ns = record.time_unix_nano or record.observed_time_unix_nano
            time_us = event_us(told_ns, now_us)
            if time_us is None:
                mapped.reject(OUT_OF_RANGE)
            else:
                mapped.events.append(_event(record, scope.scope.name, source, time_us))


def _event(record: LogRecord, scope: str, source: Source, time_us: int) -> OtlpEvent:
    attributes = attributes_of(record.attributes)
    run_id = record.trace_id.hex() if len(record.trace_id) == 16 and any(record.trace_id) else None
    name = record.event_name or text(attributes, "event.name") or ""
    topic, fields = fleet_event(name, attributes, run_id) or (
        "fleet.logs",
        {
            "level": level_of(record.severity_number, record.severity_text),
            "category": _category(attributes),
            "source": cut(scope, 256) or text(attributes, "code.function.name", "code.namespace") or "otlp",
            "message": _message(record, name),
            "metadata": _metadata(attributes, name),
            "run_id": run_id,
        },
    )
    agent = source.agent_called(text(attributes, "gen_ai.agent.id", limit=257))
    return OtlpEvent(topic, agent, fields, time_us, source.user_id, source.deployment_id)


def level_of(severity: int, severity_text: str) -> str:
    """The level of a severity number (1 to 24); where it is not told, that of the text; else info."""
    for least, level in _LEVELS:
        if severity >= least:
            return level
    return _BY_NAME.get(severity_text.strip().lower(), "info")


def _category(attributes: Attributes) -> str:
    said = text(attributes, "fleet.category")
    return said if said in _CATEGORIES else "system"


def _message(record: LogRecord, name: str) -> str:
    if name.startswith(_CONTENT):
        return cut(name, LONGEST_MESSAGE)
    body = value_of(record.body)
    return redact_text(cut(str(body), LONGEST_MESSAGE)) if body is not None else cut(name, LONGEST_MESSAGE)


def _said(value: Value) -> str:
    return redact_text(cut(value, _LONGEST_METADATA)) if isinstance(value, str) else str(value)


def _metadata(attributes: Attributes, name: str) -> dict[str, str]:
    kept = [(key, value) for key, value in attributes.items() if not key.startswith((*_CONTENT, "fleet."))]
    said = {key: _said(value) for key, value in kept[:_MOST_METADATA]}
    return {"event.name": cut(name, _LONGEST_METADATA), **said} if name else said
