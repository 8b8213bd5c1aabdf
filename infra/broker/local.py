"""A broker as a child process on 127.0.0.1."""

from __future__ import annotations

from infra.broker.child import Child
from infra.broker.handshake import answers
from infra.broker.interface import Kind, Recipe
from infra.broker.ports import LOOPBACK, free_port, require_free
from infra.runtime.clock import Clock, SystemClock
from infra.runtime.errors import BrokerStartError

_BETWEEN_PROBES_S = 0.05


class LocalBroker:
    """Runs a `Recipe` on one port, chosen at construction where `port` is 0, and keeps to it over restarts."""

    def __init__(self, recipe: Recipe, *, why: str, port: int = 0, clock: Clock | None = None) -> None:
        self.why = why
        self.port = port or free_port()
        self._recipe = recipe
        self._clock = clock or SystemClock()
        self._child: Child | None = None

    @property
    def kind(self) -> Kind:
        return self._recipe.kind

    @property
    def durable(self) -> bool:
        return self._recipe.durable

    @property
    def bootstrap(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None and self._child.exit_code() is None else None

    def start(self) -> None:
        """Start the process; nothing when it runs. Raises `BrokerStartError` (port taken, program or data missing)."""
        if self.pid is not None:
            return
        require_free(self.port)
        launch = self._recipe.prepare(self.port)
        try:
            self._child = Child(launch.command, launch.output, launch.environment)
        except OSError as error:
            raise BrokerStartError(f"cannot run {launch.command[0]}: {error.strerror}") from error

    def wait_ready(self, deadline_s: float = 120.0) -> None:
        """Return once clients are served. Raises `BrokerStartError` when the process ends or stays silent."""
        if self._child is None:
            raise BrokerStartError(f"the {self.kind} broker was not started")
        end_s = self._clock.monotonic_s() + deadline_s
        while not answers(self.bootstrap):
            code = self._child.exit_code(wait_s=_BETWEEN_PROBES_S)
            if code is not None:
                raise BrokerStartError(f"the {self.kind} broker ended with code {code}: {self._complaint()}")
            if self._clock.monotonic_s() > end_s:
                raise BrokerStartError(
                    f"the {self.kind} broker did not answer in {deadline_s:g} s: {self._complaint()}"
                )

    def stop(self, deadline_s: float = 15.0) -> None:
        """End the process cleanly, after `deadline_s` by force."""
        if self._child is not None:
            self._child.stop(deadline_s)

    def kill(self) -> None:
        """SIGKILL."""
        if self._child is not None:
            self._child.kill()

    def restart(self, deadline_s: float = 120.0) -> None:
        """Start again on the same port and data, and wait until clients are served."""
        self.stop()
        self.start()
        self.wait_ready(deadline_s)

    def exit_code(self, wait_s: float = 0.0) -> int | None:
        """The exit code of the process, waiting at most `wait_s`; None while it runs or before it was started."""
        return self._child.exit_code(wait_s) if self._child is not None else None

    def _complaint(self) -> str:
        said = self._recipe.complaint() or (self._child.last_output() if self._child is not None else "")
        return " ".join(said.split())[-600:] or "it said nothing"
