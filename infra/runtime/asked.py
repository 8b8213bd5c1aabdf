"""Commands that ask or tell a broker something and end: what it answers becomes an error for people."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from aiokafka.errors import KafkaError

from infra.runtime.errors import FleetpulseError

T = TypeVar("T")


def run_asked(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. Raises `FleetpulseError` for what the broker did not do."""
    # What the client logs comes as an error as well, and that is what people read.
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    try:
        return asyncio.run(work)
    except KafkaError as error:
        raise FleetpulseError(
            f"the broker did not do as asked: {error!r}", setting="--bootstrap", way_out="Try again, or look at its log"
        ) from error
