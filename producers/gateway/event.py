"""What a route makes of a request: events without their envelope."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Event(NamedTuple):
    """One event as a client told it.

    `agent_id` None: the one agent that the client's key names. `fields` as in the schema of the topic, without the
    envelope; lists of named values may be mappings. `timestamp_us`: event time, micros since the epoch; None: now.
    `user_id`: the tenant that the payload claims; it must be the key's, and says which where the key is of the whole
    fleet.
    """

    topic: str
    agent_id: str | None
    fields: Mapping[str, Any]
    timestamp_us: int | None = None
    user_id: str | None = None
    deployment_id: str | None = None
