"""Components, their observers, and several of them as one."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from infra.health import Component, Health, HealthStatus, MonitorableComponent, Registry
from infra.health.component import StallWatch, health_of_work

DEGRADED = Health(HealthStatus.DEGRADED, "the disk is full")


class Part(Component):
    """A component whose health a test sets."""

    def __init__(self, name: str, health: Health | None = None) -> None:
        super().__init__(name)
        self.now = health or Health()

    def health(self) -> Health:
        return self.now

    def progress(self) -> int:
        return 3

    def metrics(self) -> Mapping[str, float]:
        return {"lag": 2.0}


class Broken(Part):
    def health(self) -> Health:
        raise OSError("no such file")


def test_a_registry_is_as_well_as_the_worst_and_says_who_that_is() -> None:
    registry = Registry("process")
    first: MonitorableComponent = Part("reader")
    registry.register(first)
    assert registry.health() == Health()
    registry.register(Part("writer", DEGRADED))
    assert registry.health() == Health(HealthStatus.DEGRADED, "writer: the disk is full")
    assert registry.audit().counts == {HealthStatus.HEALTHY: 1, HealthStatus.DEGRADED: 1}
    assert registry.progress() == 6
    assert registry.metrics() == {"reader.lag": 2.0, "writer.lag": 2.0}
    registry.unregister("writer")
    assert registry.health() == Health()
    with pytest.raises(KeyError):
        registry.unregister("writer")


def test_a_name_belongs_to_one_component() -> None:
    registry, part = Registry("process"), Part("reader")
    registry.register(part)
    registry.register(part)
    with pytest.raises(ValueError, match="'reader' is registered already"):
        registry.register(Part("reader"))


def test_a_component_that_cannot_tell_its_health_has_failed() -> None:
    registry = Registry("process")
    registry.register(Broken("reader"))
    assert registry.health().status is HealthStatus.FAILED
    assert "no such file" in registry.health().reason


def test_observers_hear_changes_once_each_until_they_are_removed() -> None:
    heard: list[tuple[str, HealthStatus]] = []

    def hear(name: str, health: Health) -> None:
        heard.append((name, health.status))

    registry, part = Registry("process"), Part("reader", DEGRADED)
    registry.register(part)
    registry.add_observer(hear)
    registry.add_observer(hear)
    part.tell(DEGRADED)
    assert heard == [("process", HealthStatus.DEGRADED)]
    registry.unregister("reader")
    part.tell(Health())
    registry.remove_observer(hear)
    registry.remove_observer(hear)
    assert len(heard) == 1


def test_waiting_work_is_a_stall_only_while_none_gets_done() -> None:
    watch = StallWatch()
    assert watch.waited_s(lag=0, progress=1, now_s=100.0) == 0.0
    assert watch.waited_s(lag=9, progress=1, now_s=120.0) == 20.0
    assert watch.waited_s(lag=9, progress=2, now_s=121.0) == 0.0
    assert watch.waited_s(lag=9, progress=2, now_s=130.0) == 9.0
    assert health_of_work(9.0, 9, 20.0, "records") == Health()
    told = health_of_work(21.0, 9, 20.0, "records")
    assert told == Health(HealthStatus.DEGRADED, "9 records wait and none was processed for 21 s")
