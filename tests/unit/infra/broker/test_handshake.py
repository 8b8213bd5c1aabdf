"""What is no broker must not pass for one, and must not hold us."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from infra.broker.handshake import answers, any_answers, split_address
from infra.broker.ports import LOOPBACK, free_port


@contextlib.contextmanager
def _listener(reply: bytes | None) -> Iterator[str]:
    """Accepts connections, reads a request, sends `reply` (None: stays silent) and closes."""
    done = threading.Event()

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection:
                    connection.recv(1024)
                    if reply is None:
                        done.wait(60)
                    else:
                        connection.sendall(reply)

    with socket.create_server((LOOPBACK, 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"{LOOPBACK}:{server.getsockname()[1]}"
        finally:
            done.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def _answer(correlation_id: int, brokers: int) -> bytes:
    body = struct.pack(">ii", correlation_id, brokers) + b"\0" * 20
    return struct.pack(">i", len(body)) + body


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"\0\0",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        struct.pack(">i", -5),
        struct.pack(">i", 2**31 - 1),
        struct.pack(">i", 400) + b"short",
        _answer(correlation_id=1, brokers=1),
        _answer(correlation_id=0x464C5054, brokers=0),
    ],
    ids=["closed", "cut", "http", "negative", "huge", "short", "not-our-answer", "no-brokers-yet"],
)
def test_what_does_not_speak_kafka_does_not_answer(reply: bytes) -> None:
    with _listener(reply) as address:
        assert not answers(address, timeout_s=1)


def test_an_answer_with_a_broker_is_one() -> None:
    with _listener(_answer(0x464C5054, brokers=1)) as address:
        assert answers(address, timeout_s=30)
        assert any_answers(f"{LOOPBACK}:{free_port()},{address}", timeout_s=30)


def test_silence_ends_with_the_timeout() -> None:
    with _listener(None) as address:
        assert not answers(address, timeout_s=0.05)


def test_nobody_listens() -> None:
    assert not answers(f"{LOOPBACK}:{free_port()}")


@pytest.mark.parametrize(
    ("address", "taken_apart"),
    [("localhost:9092", ("localhost", 9092)), (" [::1]:1 ", ("::1", 1)), ("a.b-c:65535", ("a.b-c", 65_535))],
)
def test_addresses(address: str, taken_apart: tuple[str, int]) -> None:
    assert split_address(address) == taken_apart


@pytest.mark.parametrize(
    "address", ["", "localhost", ":9092", "host:", "host:0", "host:65536", "host:-1", "host:x", "host:²"]
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(ValueError, match="is not HOST:PORT"):
        split_address(address)
