"""Does a Kafka broker answer here? One Metadata request by hand, without a client, a thread or an event loop.

Kafka protocol guide: Metadata request version 1 with an empty list of topics asks for the brokers alone. A broker that
does not yet serve answers with no brokers, so the answer also tells listening from ready.
"""

from __future__ import annotations

import socket
import struct

METADATA_API_KEY = 3
_VERSION = 1
_CORRELATION_ID = 0x464C5054
_NO_CLIENT_ID = -1
_LONGEST_ANSWER_BYTES = 1024 * 1024


def split_address(address: str) -> tuple[str, int]:
    """`HOST:PORT` (`[HOST]:PORT` for IPv6) taken apart. Raises `ValueError`."""
    host, colon, port = address.strip().rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ValueError(f"{address!r} is not HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)


def answers(address: str, timeout_s: float = 2.0) -> bool:
    """Whether a Kafka broker that is ready to serve answers at `address` (`HOST:PORT`) within `timeout_s` a step."""
    try:
        with socket.create_connection(split_address(address), timeout=timeout_s) as connection:
            connection.sendall(_metadata_request())
            return _count_brokers(_read_answer(connection)) > 0
    except (OSError, ValueError, struct.error):
        return False


def any_answers(bootstrap: str, timeout_s: float = 10.0) -> bool:
    """Whether at least one address of `HOST:PORT[,HOST:PORT]` answers; one that is busy may take seconds."""
    return any(answers(address, timeout_s) for address in bootstrap.split(","))


def _metadata_request() -> bytes:
    no_topics = struct.pack(">i", 0)
    body = struct.pack(">hhih", METADATA_API_KEY, _VERSION, _CORRELATION_ID, _NO_CLIENT_ID) + no_topics
    return struct.pack(">i", len(body)) + body


def _read_answer(connection: socket.socket) -> bytes:
    (length,) = struct.unpack(">i", _read_exactly(connection, 4))
    if not 8 <= length <= _LONGEST_ANSWER_BYTES:
        raise ValueError(f"an answer of {length} bytes is not a broker's")
    return _read_exactly(connection, length)


def _read_exactly(connection: socket.socket, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = connection.recv(count - len(parts))
        if not part:
            raise ValueError("the connection ended within the answer")
        parts += part
    return bytes(parts)


def _count_brokers(answer: bytes) -> int:
    correlation_id, brokers = struct.unpack(">ii", answer[:8])
    if correlation_id != _CORRELATION_ID:
        raise ValueError("not the answer to this request")
    return int(brokers)
