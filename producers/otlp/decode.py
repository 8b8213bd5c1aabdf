"""Bodies of OTLP/HTTP requests and answers: protobuf, or JSON as OTLP has it (ids in hex).

Format: OTLP specification 1.x, "OTLP/HTTP"; JSON: its "JSON Protobuf Encoding", which differs from protobuf's own in
that trace and span ids are hex, enums are numbers and unknown fields are ignored.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from google.protobuf.message import Message

Signal: TypeAlias = Literal["traces", "metrics", "logs"]
Encoding: TypeAlias = Literal["protobuf", "json"]

MEDIA_TYPES: dict[Encoding, str] = {"protobuf": "application/x-protobuf", "json": "application/json"}
_IDS = frozenset({"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"})
_DEEPEST = 100
MOST_JSON_OBJECTS = 200_000
"""Objects of a body in JSON: each costs ten microseconds, however short it is. Batches beyond come as protobuf."""


class MalformedError(Exception):
    """The body is not a request of its signal. The text says where, without what was sent."""


def encoding_of(content_type: str) -> Encoding | None:
    """The encoding that a Content-Type names; None where it is neither."""
    media = content_type.partition(";")[0].strip().lower()
    if media in {"application/x-protobuf", "application/protobuf"}:
        return "protobuf"
    return "json" if media == "application/json" else None


def decode_request(signal: Signal, encoding: Encoding, body: bytes) -> Message:
    """An Export...ServiceRequest. Raises `MalformedError`."""
    request = _classes(signal)[0]()
    if encoding == "protobuf":
        _from_protobuf(request, body)
    else:
        _from_json(request, body)
    return request


def encode_response(signal: Signal, encoding: Encoding, rejected: int, message: str) -> bytes:
    """An Export...ServiceResponse; `partial_success` is set where something was rejected or is to be said."""
    response = _classes(signal)[1]()
    if rejected or message:
        field = {"traces": "rejected_spans", "metrics": "rejected_data_points", "logs": "rejected_log_records"}[signal]
        setattr(response.partial_success, field, rejected)
        response.partial_success.error_message = message
    return _encoded(response, encoding)


def encode_status(encoding: Encoding, code: int, message: str) -> bytes:
    """A google.rpc.Status, which is what an OTLP client is told of an error. `code`: of gRPC, 3 = invalid argument."""
    from google.rpc.status_pb2 import Status  # noqa: PLC0415  # protobuf is paid for by who takes OTLP

    return _encoded(Status(code=code, message=message), encoding)


def _encoded(message: Message, encoding: Encoding) -> bytes:
    from google.protobuf.json_format import MessageToJson  # noqa: PLC0415  # as above

    if encoding == "protobuf":
        return bytes(message.SerializeToString())
    return str(MessageToJson(message, indent=None)).encode()


def _classes(signal: Signal) -> tuple[Any, Any]:
    """Request and answer of a signal; loads only what it needs."""
    if signal == "traces":
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces  # noqa: PLC0415  # as above

        return traces.ExportTraceServiceRequest, traces.ExportTraceServiceResponse
    if signal == "metrics":
        from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics  # noqa: PLC0415  # as above

        return metrics.ExportMetricsServiceRequest, metrics.ExportMetricsServiceResponse
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs  # noqa: PLC0415  # as above

    return logs.ExportLogsServiceRequest, logs.ExportLogsServiceResponse


def _from_protobuf(request: Message, body: bytes) -> None:
    from google.protobuf.message import DecodeError  # noqa: PLC0415  # as above

    try:
        request.ParseFromString(body)
    except (DecodeError, ValueError, RecursionError) as error:
        raise MalformedError("the body is no protobuf message of this signal") from error


def _from_json(request: Message, body: bytes) -> None:
    from google.protobuf.json_format import ParseDict, ParseError  # noqa: PLC0415  # as above

    if body.count(b"{") > MOST_JSON_OBJECTS:
        raise MalformedError(f"the body has more than {MOST_JSON_OBJECTS} JSON objects: send less at a time")
    try:
        document = json.loads(body)
        if not isinstance(document, dict):
            raise MalformedError("the body is JSON, but no object")
        ParseDict(_with_base64_ids(document, 0), request, ignore_unknown_fields=True)
    except (ParseError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise MalformedError(f"the body is no JSON of this signal: {type(error).__name__}") from error


def _with_base64_ids(node: Any, depth: int) -> Any:  # noqa: ANN401  # any JSON value
    """The document with ids as protobuf's own JSON has bytes."""
    if depth > _DEEPEST:
        raise MalformedError(f"the body is nested more than {_DEEPEST} deep")
    if isinstance(node, dict):
        return {
            name: _base64(value) if name in _IDS else _with_base64_ids(value, depth + 1) for name, value in node.items()
        }
    return [_with_base64_ids(each, depth + 1) for each in node] if isinstance(node, list) else node


def _base64(hexadecimal: object) -> str:
    if not isinstance(hexadecimal, str):
        raise MalformedError("an id is no text")
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode("ascii")
