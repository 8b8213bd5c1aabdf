"""Ports of the doors: the one that was asked for, or any other when somebody else listens there."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace

from infra.supervisor.plan import RunPlan


def free_ports(plan: RunPlan, say: Callable[[str], None]) -> RunPlan:
    """The plan with 0, any port, for those that are taken; `say` hears of each."""

    def checked(port: int | None, option: str) -> int | None:
        if not port or is_free(port):
            return port
        say(f"port {port} is taken, another one is used ({option} names one)")
        return 0

    gateway, api = checked(plan.gateway_port, "--gateway-port"), checked(plan.api_port, "--api-port")
    return replace(plan, gateway_port=gateway, api_port=api)


def is_free(port: int) -> bool:
    """Whether nobody listens on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
