"""Export requests of OTLP as its JSON has them, and what becomes of them."""

from __future__ import annotations

import json
from typing import Any

from infra.access import Principal
from producers.otlp.decode import Signal, decode_request
from producers.otlp.event import Mapped, OtlpEvent
from producers.otlp.export import Exporter

NOW_US = 1_790_000_000_000_000
NOW_NS = NOW_US * 1000
TRACE = "5b8efff798038103d269b633813fc60c"
JSON = dict[str, Any]


def principal_of(tenant: str | None = "acme", *agents: str) -> Principal:
    return Principal("key:tested", "tested", tenant, agents, "ingest", False, "key")


def value(plain: object) -> JSON:
    if isinstance(plain, bool):
        return {"boolValue": plain}
    if isinstance(plain, int):
        return {"intValue": str(plain)}
    return {"doubleValue": plain} if isinstance(plain, float) else {"stringValue": str(plain)}


def pairs(named: dict[str, Any]) -> list[JSON]:
    return [{"key": name, "value": value(plain)} for name, plain in named.items()]


def span(number: int, parent: int | None, at_ms: tuple[float, float], attributes: JSON, **more: object) -> JSON:
    """Span `number` of `TRACE`, from and to so many ms before now."""
    start, end = (str(NOW_NS - round(ms * 1e6)) for ms in at_ms)
    above = {} if parent is None else {"parentSpanId": f"{parent:016x}"}
    told = {"traceId": TRACE, "spanId": f"{number:016x}", "startTimeUnixNano": start, "endTimeUnixNano": end}
    return {**told, **above, "name": "span", "attributes": pairs(attributes), **more}


def operation(name: str, **more: object) -> JSON:
    return {"gen_ai.operation.name": name, **{key.replace("__", "."): said for key, said in more.items()}}


def traces(*spans: JSON, **resource: object) -> JSON:
    return {"resourceSpans": [{"resource": _resource(resource), "scopeSpans": [{"spans": list(spans)}]}]}


def metrics(*measured: JSON, **resource: object) -> JSON:
    return {"resourceMetrics": [{"resource": _resource(resource), "scopeMetrics": [{"metrics": list(measured)}]}]}


def logs(*records: JSON, **resource: object) -> JSON:
    scope = {"scope": {"name": "desk"}, "logRecords": list(records)}
    return {"resourceLogs": [{"resource": _resource(resource), "scopeLogs": [scope]}]}


def _resource(named: JSON) -> JSON:
    told = {key.replace("__", "."): said for key, said in named.items()} or {"service.name": "clerk"}
    return {"attributes": pairs(told)}


def gauge(name: str, *points: tuple[float, JSON], unit: str = "1", at_ms: float = 0) -> JSON:
    data = [{"timeUnixNano": _at(at_ms), "asDouble": number, "attributes": pairs(said)} for number, said in points]
    return {"name": name, "unit": unit, "gauge": {"dataPoints": data}}


def histogram(
    name: str, *points: tuple[int, float, JSON], unit: str = "s", delta: bool = True, at_ms: float = 0
) -> JSON:
    data = [
        {
            "timeUnixNano": _at(at_ms),
            "startTimeUnixNano": _at(600_000),
            "count": str(count),
            "sum": total,
            "attributes": pairs(said),
        }
        for count, total, said in points
    ]
    return {"name": name, "unit": unit, "histogram": {"aggregationTemporality": 1 if delta else 2, "dataPoints": data}}


def _at(before_ms: float) -> str:
    return str(NOW_NS - round(before_ms * 1e6))


def mapped(
    signal: Signal,
    document: JSON,
    who: Principal | None = None,
    exporter: Exporter | None = None,
    header_agent: str | None = None,
) -> Mapped:
    request = decode_request(signal, "json", json.dumps(document).encode())
    return (exporter or Exporter()).map(signal, request, who or principal_of(), NOW_US, header_agent)


def of(result: Mapped, topic: str, kind: str | None = None) -> list[OtlpEvent]:
    """Events of a topic, of one kind."""
    return [each for each in result.events if each.topic == topic and kind in {None, each.fields.get("kind")}]
