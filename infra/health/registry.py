"""Several components as one: a process registers its parts, the registry is as well as the worst of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from infra.health.component import Component, Health, HealthStatus, MonitorableComponent


def health_of(component: MonitorableComponent) -> Health:
    """The health of a component; one that cannot say how it is has failed."""
    try:
        return component.health()
    except Exception as error:  # noqa: BLE001  # a part that is broken in any way must not take the audit with it
        return Health(HealthStatus.FAILED, f"{component.name} cannot tell its health: {error!r}"[:500])


@dataclass(frozen=True, slots=True)
class AuditSummary:
    """`health` of every registered component by name; `counts` of components by status."""

    health: Mapping[str, Health]

    @property
    def counts(self) -> Mapping[HealthStatus, int]:
        """Components by status."""
        return Counter(health.status for health in self.health.values())

    @property
    def worst(self) -> Health:
        """The worst health, with the name of the component in its reason; healthy when nothing is registered."""
        name, health = max(self.health.items(), key=lambda item: item[1].status, default=("", Health()))
        return health if health.status is HealthStatus.HEALTHY else Health(health.status, f"{name}: {health.reason}")


class Registry(Component):
    """Components of one process; itself a component, so that it can be published and registered in turn."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._components: dict[str, MonitorableComponent] = {}

    def register(self, component: MonitorableComponent) -> None:
        """Watch a component. Raises `ValueError` when another has its name."""
        if self._components.setdefault(component.name, component) is not component:
            raise ValueError(f"a component {component.name!r} is registered already")
        component.add_observer(self._heard)

    def unregister(self, name: str) -> None:
        """Watch it no longer. Raises `KeyError` when nothing has this name."""
        self._components.pop(name).remove_observer(self._heard)

    def _heard(self, name: str, health: Health) -> None:
        del name, health  # what counts is the worst of all
        self.tell(self.health())

    def audit(self) -> AuditSummary:
        """How every component is."""
        return AuditSummary({name: health_of(component) for name, component in self._components.items()})

    def health(self) -> Health:
        """The worst of all."""
        return self.audit().worst

    def progress(self) -> int:
        """The sum: it stands still only when all do, so a part that is stuck says so by its health."""
        return sum(component.progress() for component in self._components.values())

    def metrics(self) -> Mapping[str, float]:
        """Every component's, as NAME.METRIC."""
        return {
            f"{name}.{metric}": value
            for name, component in self._components.items()
            for metric, value in component.metrics().items()
        }
