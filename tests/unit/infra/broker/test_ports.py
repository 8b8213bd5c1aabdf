import random
import socket
import subprocess
import sys

import pytest

from infra.broker.ports import LOOPBACK, free_port, is_free, require_free
from infra.runtime.errors import BrokerStartError

LOWEST_EPHEMERAL = 32_768


def test_a_port_that_somebody_listens_on_is_not_free() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]
        assert not is_free(port)
        with pytest.raises(BrokerStartError, match=rf"port {port} .* in use.*setting --port"):
            require_free(port)


def test_chosen_ports_are_below_those_of_outgoing_connections() -> None:
    for _ in range(20):
        port = free_port()
        assert 1024 < port < LOWEST_EPHEMERAL
        require_free(port)


def test_no_port_is_given_twice_whatever_the_random_numbers() -> None:
    """A Kafka has two ports, and binds both seconds after it was given them."""
    found = []
    for _ in range(20):
        random.seed(7)
        found.append(free_port())
    assert len(set(found)) == 20


def test_processes_that_begin_alike_are_given_different_ports() -> None:
    """As two workers of a test run, or two runs that are started at once."""
    code = (
        f"import random; random.seed(8); from {free_port.__module__} import free_port; print(free_port(), flush=True)"
    )
    command = [sys.executable, "-c", f"{code}; input()"]
    one, other = (subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2))
    with one, other:
        assert one.stdout is not None
        assert other.stdout is not None
        ports = [one.stdout.readline(), other.stdout.readline()]
        for process in (one, other):
            process.communicate("\n")
    assert ports[0] != ports[1]
    assert all(port.strip().isdecimal() for port in ports)
