"""A law firm's research agent: what it cites has to stand in its library, and it gives no advice.

    python examples/legal.py --for 10s

Reports to FLEETPULSE_GATEWAY (with FLEETPULSE_API_KEY) or to the broker FLEETPULSE_BOOTSTRAP; without either, events
wait on disk. A table stands where the model would be.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from asking import Pace, ask, pace_of_command_line

from producers.sdk import AgentReporter

LIBRARY = {
    "Harbour v. Mills": "a carrier answers for goods from the moment they are taken over",
    "Stone v. Weir": "a notice that was not read is no notice",
}
QUESTIONS = ("Who answers for goods?", "What is a notice?", "Is a promise by e-mail binding?", "Shall I sue?")


def invented(_question: str, answer: str, _context: Mapping[str, str]) -> str | None:
    """A case that the library does not have: a model that lacks a source makes one up."""
    cited = re.findall(r"[A-Z]\w+ v\. [A-Z]\w+", answer)
    unknown = [case for case in cited if case not in LIBRARY]
    return f"cites {', '.join(unknown)}, which is not in the library" if unknown else None


POLICIES: list[dict[str, Any]] = [
    {
        "id": "real-citations",
        "type": "callable",
        "check": invented,
        "action": "block",
        "on_error": "block",
        "severity": "critical",
        "message": "I found no case on this.",
    },
    {"id": "no-advice", "topics": ["you should sue", "my advice"], "action": "redact", "severity": "high"},
    {"id": "clients", "type": "pii", "entities": ["email", "phone"]},
]


async def live(pace: Pace) -> None:
    """Answer questions, and report."""
    async with AgentReporter("legal-research", "law-firm", policies=POLICIES) as reporter:

        @reporter.step("search")
        def search(question: str) -> list[str]:
            words = set(re.findall(r"\w{5,}", question.lower()))
            return [case for case, holds in LIBRARY.items() if words & set(holds.split())]

        @reporter.run("research")
        async def answer(question: str) -> str:
            if "sue" in question:
                return "My advice: you should sue; write to counsel@example.com."
            for case in search(question):
                return f"{case}: {LIBRARY[case]}."
            return "Yes: Quill v. Parchment settled it."

        await ask(reporter, QUESTIONS, answer, pace)


if __name__ == "__main__":
    asyncio.run(live(pace_of_command_line(__doc__)))
