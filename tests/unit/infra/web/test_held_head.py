"""An answer leaves in one write; streams, interim answers and what comes later are not held up."""

from __future__ import annotations

from typing import Any

from infra.web.held_head import HeldHead

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"
STREAM = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Wire:
    """What was written, write by write."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def is_closing(self) -> bool:
        return True


def written(*pieces: bytes) -> list[bytes]:
    wire: Any = Wire()
    held = HeldHead(wire)
    for piece in pieces:
        held.write(piece)
    assert held.is_closing()
    return list(wire.writes)


def test_head_and_body_are_one_write() -> None:
    assert written(HEAD, b"ok") == [HEAD + b"ok"]
    assert written(HEAD, b"") == [HEAD]


def test_a_stream_goes_at_once() -> None:
    assert written(STREAM, b"1\r\na\r\n", b"0\r\n\r\n") == [STREAM, b"1\r\na\r\n", b"0\r\n\r\n"]


def test_an_interim_answer_goes_at_once() -> None:
    assert written(CONTINUE, HEAD, b"ok") == [CONTINUE, HEAD + b"ok"]


def test_a_body_that_looks_like_a_head_is_a_body() -> None:
    assert written(HEAD, HEAD, HEAD) == [HEAD + HEAD, HEAD]
