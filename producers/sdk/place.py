"""Where in its work an agent is: the ids that every event of a run needs, carried by a context variable.

Tasks and `asyncio.to_thread` inherit it from where they were started; a thread or an executor of the host's own does
not, and what is reported there stands alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from uuid import uuid4


@dataclass(slots=True, eq=False)
class Place:
    """`turn_id` and `thread_id` for fleet.lifecycle, `run_id` and `step_id` for fleet.runs.

    The turn and the outermost run have the same id. `steps` counts those of the run. `told`: the exception that was
    reported last, so that it is one failure although it passes through several scopes.
    """

    session_id: str
    turn_id: str
    thread_id: str
    run_id: str
    step_id: str | None = None
    steps: Iterator[int] = field(default_factory=itertools.count)
    told: list[BaseException] = field(default_factory=list)

    def within(self, *, run_id: str | None = None, step_id: str | None = None) -> Place:
        """A place of the same turn: a run inside of it, or a step of its run."""
        steps = self.steps if run_id is None else itertools.count()
        return Place(self.session_id, self.turn_id, self.thread_id, run_id or self.run_id, step_id, steps, self.told)


place: ContextVar[Place | None] = ContextVar("fleetpulse_place", default=None)


def new_id(kind: str) -> str:
    """An id that no other has, readable as what it is of."""
    return f"{kind}-{uuid4().hex[:16]}"


def here(session_id: str) -> Place | None:
    """Where this context is, if it is anywhere in the work that this session reports."""
    found = place.get()
    return found if found is not None and found.session_id == session_id else None
