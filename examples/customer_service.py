"""A shop's assistant that looks orders up, stays brief, and shows nobody another's address.

    python examples/customer_service.py --for 10s

Reports to FLEETPULSE_GATEWAY (with FLEETPULSE_API_KEY) or to the broker FLEETPULSE_BOOTSTRAP; without either, events
wait on disk. A table stands where the model would be.
"""

from __future__ import annotations

import asyncio
from typing import Any

from asking import Pace, ask, pace_of_command_line

from producers.sdk import AgentReporter

POLICIES: list[dict[str, Any]] = [
    {"id": "no-personal-info", "name": "No Personal Information", "enabled": True},
    {"id": "response-length-limit", "maxLength": 120, "severity": "low"},
    {"id": "competitors", "topics": ["Acme Market", "BuyMore"], "action": "flag", "severity": "low"},
]
ORDERS = {
    "1001": "sent on 2026-11-20 to Kim Park, kim.park@example.com, +82 2 312 3456",
    "1002": "being packed; the label is printed, the parcel is weighed, and it is picked up this evening before eight",
}
QUESTIONS = (
    "Where is order 1001?",
    "Where is order 1002?",
    "Where is order 1003?",
    "Why not buy elsewhere?",
)


class UnknownOrderError(Exception):
    """There is no such order."""


async def live(pace: Pace) -> None:
    """Answer questions, and report."""
    async with AgentReporter("shop-assistant", "shop", policies=POLICIES) as reporter:

        @reporter.tool("orders", deadline_s=2)
        async def look_up(number: str) -> str:
            if number not in ORDERS:
                raise UnknownOrderError(number)
            return ORDERS[number]

        @reporter.track_task()
        async def answer(question: str) -> str:
            if "order" not in question:
                return "BuyMore is dearer, and slower."
            try:
                return f"Your order was {await look_up(question.rsplit(maxsplit=1)[-1].rstrip('?'))}."
            except UnknownOrderError:
                return "I cannot find this order."

        await ask(reporter, QUESTIONS, answer, pace)


if __name__ == "__main__":
    asyncio.run(live(pace_of_command_line(__doc__)))
