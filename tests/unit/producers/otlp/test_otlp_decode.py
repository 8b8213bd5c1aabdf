from __future__ import annotations

import json

import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from otlp_world import TRACE, operation, span, traces

from producers.otlp.decode import (
    MOST_JSON_OBJECTS,
    Encoding,
    MalformedError,
    decode_request,
    encode_response,
    encode_status,
    encoding_of,
)


def test_json_has_ids_in_hex_and_unknown_fields() -> None:
    document = {**traces(span(1, None, (1, 0), operation("chat"))), "somethingNew": {"deep": [1]}}
    request = decode_request("traces", "json", json.dumps(document).encode())
    assert isinstance(request, ExportTraceServiceRequest)
    assert request.resource_spans[0].scope_spans[0].spans[0].trace_id.hex() == TRACE
    again = decode_request("traces", "protobuf", request.SerializeToString())
    assert again == request


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("protobuf", b"\xff\xff\xff"),
        ("protobuf", b"\x0a\xff\xff\xff\xff\x0f"),
        ("protobuf", b"\x0a\x02\x0a" * 3),
        ("json", b""),
        ("json", b"\xff\xfe"),
        ("json", b"[]"),
        ("json", b"null"),
        ("json", b'{"resourceSpans": 3}'),
        ("json", b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xyz"}]}]}]}'),
        ("json", b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": 5}]}]}]}'),
        ("json", b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "\\ud800"}]}]}]}'),
        ("json", b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": "-5"}]}]}]}'),
        ("json", b"[" * 100_000),
        ("json", b'{"a":' * 500 + b"1" + b"}" * 500),
    ],
)
def test_what_cannot_be_read_is_malformed(encoding: Encoding, body: bytes) -> None:
    with pytest.raises(MalformedError):
        decode_request("traces", encoding, body)


def test_values_nested_beyond_protobufs_limit_are_malformed() -> None:
    nested = b""
    for _ in range(400):
        nested = b"\x0a" + _varint(len(nested)) + nested
    with pytest.raises(MalformedError):
        decode_request("traces", "protobuf", b"\x0a" + _varint(len(nested)) + nested + b"\x0b")


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        ("application/x-protobuf", "protobuf"),
        ("Application/JSON; charset=utf-8", "json"),
        ("text/plain", None),
        ("", None),
    ],
)
def test_content_types(content_type: str, encoding: str | None) -> None:
    assert encoding_of(content_type) == encoding


def test_answers() -> None:
    assert encode_response("traces", "protobuf", 0, "") == b""
    assert json.loads(encode_response("metrics", "json", 2, "2: why")) == {
        "partialSuccess": {"rejectedDataPoints": "2", "errorMessage": "2: why"}
    }
    partial = ExportTraceServiceResponse.FromString(encode_response("traces", "protobuf", 1, "1: why"))
    assert partial.partial_success.rejected_spans == 1
    assert Status.FromString(encode_status("protobuf", 3, "no")).message == "no"
    assert json.loads(encode_status("json", 3, "no")) == {"code": 3, "message": "no"}


def test_a_small_body_of_very_many_objects_is_not_even_parsed() -> None:
    """A megabyte of empty spans took three seconds of a core; packed it is a kilobyte."""
    spans = b",".join([b"{}"] * (MOST_JSON_OBJECTS + 1))
    with pytest.raises(MalformedError, match="JSON objects"):
        decode_request("traces", "json", b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + spans + b"]}]}]}")
