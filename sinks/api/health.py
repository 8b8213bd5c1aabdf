"""The API as a monitored component."""

from __future__ import annotations

from collections.abc import Mapping

from infra.health import Component, Health, HealthStatus
from sinks.api.live.follow import STALE_S
from sinks.api.world import World


class ApiHealth(Component):
    """Degraded while the memory is older than `STALE_S`."""

    def __init__(self, world: World) -> None:
        super().__init__("api")
        self._world = world

    def health(self) -> Health:
        """How it is now."""
        follower = self._world.follower
        if follower.age_s() <= STALE_S:
            return Health()
        age = f"the memory is {follower.age_s():.0f} s old" if follower.as_of_us else "the memory was never whole"
        return Health(HealthStatus.DEGRADED, follower.trouble or age)

    def progress(self) -> int:
        """Times at which the memory was found whole, and records applied."""
        return self._world.follower.looks + self._world.follower.records

    def metrics(self) -> Mapping[str, float]:
        """Records, questions and viewers."""
        world = self._world
        return {
            "agents": float(len(world.memory)),
            "viewers": float(world.viewers.present),
            "memory_age_s": min(world.follower.age_s(), 1e9),
            "records_total": float(world.follower.records),
            "refused_total": float(world.follower.refused),
            "rebuilt_total": float(world.follower.rebuilt),
            "questions_total": float(world.past.questions),
            "viewers_dropped_total": float(world.viewers.dropped),
        }
