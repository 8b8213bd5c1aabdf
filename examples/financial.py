"""A bank's bot that works out savings, names no account, and promises nothing.

    python examples/financial.py --for 10s

Reports to FLEETPULSE_GATEWAY (with FLEETPULSE_API_KEY) or to the broker FLEETPULSE_BOOTSTRAP; without either, events
wait on disk. A table stands where the model would be.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

from asking import Pace, ask, pace_of_command_line

from producers.governance import Part, Policy, parse_policies
from producers.sdk import AgentReporter

QUESTIONS = (
    "What do 1,000 become in 10 years at 3 percent?",
    "Which account do I pay into?",
    "Is the fund a good idea?",
)
ANSWERS = {
    QUESTIONS[1]: "Into DE89 3704 0044 0532 0130 00, or by card 4111 1111 1111 1111.",
    QUESTIONS[2]: "Yes: it has guaranteed returns of 9% and is risk-free.",
}


def promises(_question: str, answer: str, _context: Mapping[str, str]) -> list[Part]:
    """Percentages that are stated without saying that they are an assumption."""
    if "assum" in answer:
        return []
    return [Part(*found.span()) for found in re.finditer(r"\d+(?:\.\d+)?\s?%", answer)]


POLICIES: tuple[Policy, ...] = parse_policies(
    [
        {"id": "pci", "type": "pii", "entities": ["card", "iban"], "severity": "critical"},
        {"id": "rates", "type": "callable", "check": promises, "remediation": "Say what the figure assumes."},
        {
            "id": "no-promises",
            "topics": ["guaranteed returns", "risk-free", "insider information"],
            "action": "block",
            "severity": "high",
            "message": "No return is certain. A person of our staff will gladly advise you.",
        },
    ]
)


async def live(pace: Pace) -> None:
    """Answer questions, and report."""
    async with AgentReporter("savings-bot", "bank", policies=POLICIES) as reporter:

        @reporter.tool("compound_interest")
        def grown(amount: float, years: int, percent: float) -> float:
            return amount * (1 + percent / 100) ** years

        @reporter.run("advice")
        async def answer(question: str) -> str:
            numbers = [float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", question)]
            if len(numbers) == 3:
                with reporter.step("work it out"):
                    return f"{grown(numbers[0], int(numbers[1]), numbers[2]):,.2f}, assuming 3% each year."
            return ANSWERS[question]

        await ask(reporter, QUESTIONS, answer, pace)


if __name__ == "__main__":
    asyncio.run(live(pace_of_command_line(__doc__)))
