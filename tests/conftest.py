"""Brokers for tests: real ones, as child processes on 127.0.0.1.

`tansu`, `kafka` and `any_broker` are shared by the whole session: use topics of your own (`fresh_topics`).
`broker_factory` gives a private one, for tests that need the catalogue's names or that kill it.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from broker_fixtures import BrokerFactory, FreshTopics
from hypothesis import HealthCheck, settings
from tidy_loop import LEFT_OPEN, LeftOpenWarning, use_tidy_loops

from infra.broker.interface import Broker
from infra.broker.jars import fetch
from infra.broker.resolve import resolve_broker
from infra.provisioning.plan import TopicPlan
from infra.provisioning.topics import provision
from infra.runtime.errors import BrokerStartError
from infra.runtime.settings import load_settings

IN_CI = os.environ.get("CI") == "true"
# What commands print is compared as text: how the terminal around the tests likes it makes no difference to that. Typer
# looks at these when it is imported, so they go before any test module is.
for _name in ("FORCE_COLOR", "GITHUB_ACTIONS", "NO_COLOR", "PY_COLORS", "TERMINAL_WIDTH", "TTY_COMPATIBLE"):
    os.environ.pop(_name, None)
if os.environ.get("TERM") in {"dumb", "unknown"}:  # Rich takes every width for 80 there
    del os.environ["TERM"]
use_tidy_loops()
# How long an example takes says what else the machine does. (In CI Hypothesis lets go of these limits by itself.)
settings.register_profile(
    "searching", settings(), deadline=None, derandomize=False, suppress_health_check=[HealthCheck.too_slow]
)
# A run tells of the change that it is for: its examples are those of the run before, as Hypothesis has it in CI. New
# ones are looked for with `--hypothesis-profile=searching`.
settings.register_profile("patient", settings.get_profile("searching"), derandomize=True)
settings.load_profile("patient")


@contextlib.contextmanager
def _running(kind: str, data_dir: Path) -> Iterator[Broker]:
    broker = resolve_broker(kind, load_settings(data_dir=data_dir))
    try:
        broker.start()
        broker.wait_ready()
        yield broker
    finally:
        broker.stop(deadline_s=5)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Warn of connections that a test left open, under its own name; the summary shows it."""
    result = yield
    while LEFT_OPEN:
        with warnings.catch_warnings():
            warnings.simplefilter("always", LeftOpenWarning)
            item.warn(LeftOpenWarning(LEFT_OPEN.pop()))
    return result


def _kafka_or_skip() -> None:
    """Locally a machine without Java or Maven skips; where CI=true is set it fails."""
    try:
        fetch(load_settings())
    except BrokerStartError as error:
        if IN_CI:
            raise
        pytest.skip(f"no Apache Kafka here: {error}")


@pytest.fixture(scope="session")
def tansu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A Tansu for the whole session."""
    with _running("tansu", tmp_path_factory.mktemp("tansu")) as broker:
        yield broker


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """An Apache Kafka for the whole session."""
    _kafka_or_skip()
    with _running("kafka", tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture(params=["tansu", pytest.param("kafka", marks=pytest.mark.kafka)])
def any_broker(request: pytest.FixtureRequest) -> Broker:
    """The test runs once on each."""
    broker: Broker = request.getfixturevalue(request.param)
    return broker


@pytest.fixture
def fresh_topics() -> FreshTopics:
    """`await fresh_topics(broker, "a", "b", partitions=4)` creates topics nobody else has; returns their names."""

    async def create(broker: Broker, *names: str, partitions: int = 4, compacted: bool = False) -> list[str]:
        mark = uuid4().hex[:12]
        plans = [TopicPlan(f"test-{mark}.{name}", partitions, 1, -1, compacted) for name in names]
        await provision(broker.bootstrap, plans)
        return [plan.name for plan in plans]

    return create


@pytest.fixture
def broker_factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerFactory]:
    """`broker_factory("kafka")`: a fresh broker that serves, for this test alone; `kill()` and `restart()` at will."""
    with contextlib.ExitStack() as stack:

        def make(kind: str) -> Broker:
            if kind == "kafka":
                _kafka_or_skip()
            return stack.enter_context(_running(kind, tmp_path_factory.mktemp(kind)))

        yield make
