"""Types of the fixtures of brokers, for the signatures of tests.

`conftest` itself cannot be imported by name: there are several.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from infra.broker.interface import Broker

FreshTopics = Callable[..., Awaitable[list[str]]]
BrokerFactory = Callable[[str], Broker]
