"""A broker that somebody else runs."""

from __future__ import annotations

from infra.broker.handshake import any_answers
from infra.broker.interface import Kind
from infra.runtime.errors import BrokerStartError
from infra.runtime.kafka import unreachable


class ExternalBroker:
    """Can be asked whether it answers; is neither started nor ended by us."""

    kind: Kind = "external"
    durable = True
    pid: int | None = None

    def __init__(self, bootstrap: str, *, why: str) -> None:
        self.bootstrap = bootstrap
        self.why = why

    def start(self) -> None:
        """Nothing: it runs already."""

    def wait_ready(self, deadline_s: float = 10.0) -> None:
        """Ask every address once, each for `deadline_s`. Raises `BrokerUnreachableError` when none answers."""
        if not any_answers(self.bootstrap, timeout_s=deadline_s):
            raise unreachable(self.bootstrap)

    def stop(self, deadline_s: float = 0.0) -> None:
        """Nothing: it is not ours to end."""

    def kill(self) -> None:
        """Raises `BrokerStartError`."""
        raise BrokerStartError(f"the broker at {self.bootstrap} is not ours to end")

    def restart(self, deadline_s: float = 120.0) -> None:  # noqa: ARG002  # the interface has it
        """Raises `BrokerStartError`."""
        raise BrokerStartError(f"the broker at {self.bootstrap} is not ours to restart")
