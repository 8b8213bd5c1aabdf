"""A port that somebody else has is not asked for."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

from infra.broker.ports import LOOPBACK, free_port
from infra.supervisor.plan import RunPlan
from infra.supervisor.ports import free_ports, is_free

PLAN = RunPlan(bootstrap="127.0.0.1:9", data_dir=Path("d"), lake=Path("l"))


def test_a_taken_port_becomes_any_and_somebody_hears_of_it() -> None:
    said: list[str] = []
    taken = free_port()  # which nobody else is given as soon as it is free again
    with socket.create_server((LOOPBACK, taken)):
        assert not is_free(taken)
        plan = free_ports(replace(PLAN, gateway_port=taken, api_port=None), said.append)
    assert (plan.gateway_port, plan.api_port) == (0, None)
    assert str(taken) in said[0]
    assert "--gateway-port" in said[0]
    assert is_free(taken)
    assert free_ports(replace(PLAN, gateway_port=taken, api_port=0), said.append).gateway_port == taken
    assert len(said) == 1
