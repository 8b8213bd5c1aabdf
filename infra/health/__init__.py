"""Self-audit: every process of ours is an agent of the fleet that it watches.

A process that wants to be watched says one thing, around its work:

    from infra.health import publishing

    async with publishing(component, bootstrap, process="alert-manager"):
        await service.run(...)

`component` is a `MonitorableComponent` (deriving from `Component` gives it its observers). From then on
`fleetpulse:alert-manager:HOST-1` beats to fleet.heartbeats every five seconds and at once when its health changes, and
its metrics go to fleet.metrics as custom metrics. `FLEETPULSE_SELF_AUDIT=false` turns it off.

`progress()` must move while the process does what it is for, and that includes having nothing to do: count turns of
the main loop that ended with no lag. It must stand still while work waits and none gets done.
"""

from infra.health.component import Component, Health, HealthStatus, MonitorableComponent
from infra.health.publisher import publishing
from infra.health.registry import Registry

__all__ = ["Component", "Health", "HealthStatus", "MonitorableComponent", "Registry", "publishing"]
