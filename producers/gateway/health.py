"""The gateway as an agent of the fleet: degraded while it can take nothing."""

from __future__ import annotations

from collections.abc import Mapping

from infra.health import Component, Health, HealthStatus
from producers.gateway.state import GatewayState


class GatewayHealth(Component):
    """Progress is what was acknowledged, and every look at a gateway that could take something."""

    def __init__(self, state: GatewayState) -> None:
        super().__init__("gateway")
        self._state = state
        self._idle_looks = 0

    def health(self) -> Health:
        """Degraded with the reason for which nothing can be taken."""
        why = self._state.trouble()
        return Health() if why is None else Health(HealthStatus.DEGRADED, why)

    def progress(self) -> int:
        """Grows unless events wait and none is acknowledged."""
        publisher = self._state.ingest.publisher
        if not publisher.waiting_bytes and self._state.trouble() is None:
            self._idle_looks += 1
        return publisher.acknowledged_rows + self._idle_looks

    def metrics(self) -> Mapping[str, float]:
        """What waits, what was acknowledged and dropped, sessions."""
        return {**self._state.ingest.publisher.statistics(), "sessions": len(self._state.ingest.sessions)}
