import socket

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
