"""The payload of `POST /v1/runs`: a run with its steps and failures, whole or as far as it has come."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from producers.gateway.event import Event
from producers.gateway.payload.base import Claims, Count, Facts, Finite, Id, Payload, Short, Text, given, micros

MOST_PARTS = 250
Outcome = Literal["success", "failure", "cancelled"]
RUNS = "fleet.runs"


class Step(Payload):
    """One finished step."""

    step_id: Id
    name: Short | None = None
    status: Outcome = "success"
    started_at: datetime | None = None
    ended_at: datetime | None = None
    latency_ms: Finite | None = None
    step_index: Count | None = None
    retries: Count | None = None
    attributes: Facts | None = None


class Failure(Payload):
    """What failed: its class (tool, model, policy), its code (timeout)."""

    failure_type: Short
    failure_code: Short
    message: Text | None = None
    step_id: Id | None = None


class Run(Claims):
    """A run. Without `ended_at` and `status` it goes on; steps and failures may come in several requests."""

    run_id: Id
    name: Short | None = None
    status: Outcome | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    latency_ms: Finite | None = None
    steps: Annotated[tuple[Step, ...], Field(max_length=MOST_PARTS)] = ()
    failures: Annotated[tuple[Failure, ...], Field(max_length=MOST_PARTS)] = ()
    attributes: Facts | None = None

    def events(self, agent_id: str | None) -> Iterator[Event]:
        """run_started, every step, every failure, and run_finished where the run is over."""
        started, ended = micros(self.started_at), micros(self.ended_at)
        about = given(name=self.name, attributes=self.attributes, started_at=started)
        if started is not None or not (self.steps or self.failures):
            yield self._event("run_started", about, agent_id, started)
        for index, step in enumerate(self.steps):
            yield self._event("step", _step_fields(step, index), agent_id, micros(step.ended_at))
        for failure in self.failures:
            yield self._event("failure", {"status": "failure", **given(**dict(failure))}, agent_id, ended)
        if self.status is not None or ended is not None:
            over = given(status=self.status or "success", ended_at=ended, latency_ms=self.latency_ms)
            yield self._event("run_finished", about | over, agent_id, ended)

    def _event(self, kind: str, fields: dict[str, Any], agent_id: str | None, at_us: int | None) -> Event:
        return Event(
            RUNS,
            self.agent_id if self.agent_id is not None else agent_id,
            {"kind": kind, "run_id": self.run_id, **fields},
            at_us if at_us is not None else micros(self.timestamp),
            self.user_id,
            self.deployment_id,
        )


def _step_fields(step: Step, index: int) -> dict[str, Any]:
    return given(
        step_id=step.step_id,
        name=step.name,
        status=step.status,
        started_at=micros(step.started_at),
        ended_at=micros(step.ended_at),
        latency_ms=step.latency_ms,
        step_index=step.step_index if step.step_index is not None else index,
        retries=step.retries,
        attributes=step.attributes,
    )
