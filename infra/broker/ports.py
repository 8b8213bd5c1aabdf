"""Ports on the loopback address."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import socket
import tempfile
import threading
from collections import deque
from functools import cache
from pathlib import Path

from infra.runtime.errors import BrokerStartError

LOOPBACK = "127.0.0.1"
# Below the range from which systems take the ports of outgoing connections: a broker that was killed must find its port
# free again, and no client may have been given it meanwhile.
_LOWEST_PORT = 15_000
_HIGHEST_PORT = 31_999
_TRIES = 200
_MOST_GIVEN = 1_000

_given: deque[int] = deque()
_giving = threading.Lock()


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
    """A port of 127.0.0.1 that is free now, and that no other call gives while this process lives: a broker binds its
    ports seconds after it was given them, and finds them again after it was killed.

    Raises `BrokerStartError` when none can be found.
    """
    for _ in range(_TRIES):
        port = random.randint(_LOWEST_PORT, _HIGHEST_PORT)  # noqa: S311  # spreads processes that start together, protects nothing
        if is_free(port) and _is_reserved_now(port):
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


def _is_reserved_now(port: int) -> bool:
    """Reserve `port` for this process; False where it is reserved already, here or in another process of this user.

    The kernel lets go of a process's reservations when it ends, and this process of its oldest after many.
    """
    with _giving:
        if port in _given:
            return False
        try:
            fcntl.lockf(_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        except BlockingIOError:
            return False
        except OSError:
            pass  # without locks, or a folder for them, ports are given by their freedom alone
        _given.append(port)
        if len(_given) > _MOST_GIVEN:
            _let_go(_given.popleft())
    return True


def _let_go(port: int) -> None:
    with contextlib.suppress(OSError):  # as above
        fcntl.lockf(_reservations(), fcntl.LOCK_UN, 1, port)


@cache
def _reservations() -> int:
    """A file of this user's alone; the byte of a port's number is locked. Open for as long as the process lives."""
    path = Path(tempfile.gettempdir()) / f"fleetpulse-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
