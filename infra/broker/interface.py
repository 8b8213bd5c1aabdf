"""What every broker offers, whoever runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

Kind = Literal["kafka", "tansu", "external"]


class Broker(Protocol):
    """A broker that the caller may use, and end if it started it.

    `why` says in a few words why this one was chosen.
    """

    why: str

    @property
    def kind(self) -> Kind:
        """Which implementation: kafka, tansu, or external when somebody else runs it."""
        ...

    @property
    def bootstrap(self) -> str:
        """`HOST:PORT[,HOST:PORT]` for clients; stays the same over a restart."""
        ...

    @property
    def pid(self) -> int | None:
        """Process id of the child; None when none of ours runs."""
        ...

    @property
    def durable(self) -> bool:
        """Whether records outlive the process."""
        ...

    def start(self) -> None:
        """Start the process; nothing when it runs already. Raises `BrokerStartError`."""
        ...

    def wait_ready(self, deadline_s: float = 120.0) -> None:
        """Return once clients are served. Raises `BrokerStartError` or `BrokerUnreachableError`."""
        ...

    def stop(self, deadline_s: float = 15.0) -> None:
        """End the process cleanly, after `deadline_s` by force; nothing when it does not run."""
        ...

    def kill(self) -> None:
        """End the process at once, as a crash would (SIGKILL). The data folder stays as it is."""
        ...

    def restart(self, deadline_s: float = 120.0) -> None:
        """Start again on the same port and data, ending the process first if it runs, and wait until it serves."""
        ...


@dataclass(frozen=True)
class Launch:
    """How to start a program: its command line, where its output goes, its environment."""

    command: Sequence[str]
    output: Path
    environment: Mapping[str, str]


class Recipe(Protocol):
    """What one implementation knows: how it is prepared and launched."""

    @property
    def kind(self) -> Kind:
        """Which implementation."""
        ...

    @property
    def durable(self) -> bool:
        """Whether records outlive the process."""
        ...

    def prepare(self, port: int) -> Launch:
        """Make the folders and files that the program needs to listen on `port`. Raises `BrokerStartError`."""
        ...

    def complaint(self) -> str:
        """What the program itself said last, for the message when it does not start."""
        ...
