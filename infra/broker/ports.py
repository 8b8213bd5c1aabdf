"""Ports on the loopback address."""

from __future__ import annotations

import random
import socket

from infra.runtime.errors import BrokerStartError

LOOPBACK = "127.0.0.1"
# Below the range from which systems take the ports of outgoing connections: a broker that was killed must find its port
# free again, and no client may have been given it meanwhile.
_LOWEST_PORT = 15_000
_HIGHEST_PORT = 31_999
_TRIES = 200


def is_free(port: int) -> bool:
    """Whether nothing listens on 127.0.0.1:`port` and it may be bound."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As brokers do: connections that linger in TIME_WAIT are no obstacle, a listener is.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port of 127.0.0.1 that is free now. Raises `BrokerStartError` when none can be found."""
    for _ in range(_TRIES):
        port = random.randint(_LOWEST_PORT, _HIGHEST_PORT)  # noqa: S311  # spreads processes that start together, protects nothing
        if is_free(port):
            return port
    raise BrokerStartError(
        f"no free port found on {LOOPBACK} in {_TRIES} tries", setting="--port", way_out="Name a free one"
    )


def require_free(port: int) -> None:
    """Raises `BrokerStartError` when `port` is taken or may not be bound."""
    if not is_free(port):
        raise BrokerStartError(
            f"port {port} on {LOOPBACK} is in use or may not be bound",
            setting="--port",
            way_out="Choose another, or end what listens there",
        )
