"""A clinic's assistant that may read files of patients and must not pass them on.

    python examples/healthcare.py --for 10s

Reports to FLEETPULSE_GATEWAY (with FLEETPULSE_API_KEY) or to the broker FLEETPULSE_BOOTSTRAP; without either, events
wait on disk. A table stands where the model would be.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from asking import Pace, ask, pace_of_command_line

from producers.adapters.logging_handler import FleetLogHandler
from producers.sdk import AgentReporter

POLICIES: list[dict[str, Any]] = [
    {
        "id": "hipaa-compliance",
        "name": "HIPAA Compliance",
        "severity": "critical",
        "remediation": "Point to the patient portal, which knows who is asking.",
    },
    {"id": "record-numbers", "type": "pattern", "patterns": [r"\bMRN-\d{6}\b"], "severity": "high"},
    {
        "id": "no-dosage",
        "topics": ["dosage", "milligrams"],
        "action": "block",
        "message": "How much to take is for your doctor or pharmacist to say.",
    },
    {"id": "response-length-limit", "maxLength": 160},
]
FILES = {"Doe": "Jane Doe, SSN 123-45-6789, MRN-204518, phone (212) 555-0123", "Roe": "nothing yet"}
QUESTIONS = ("When are you open?", "What is in the file of Doe?", "How much ibuprofen may I take?")


async def live(pace: Pace) -> None:
    """Answer questions, and report."""
    async with AgentReporter("healthcare-assistant", "clinic", policies=POLICIES) as reporter:
        log = logging.getLogger("clinic")
        log.addHandler(FleetLogHandler(reporter))

        @reporter.tool("patient_files", deadline_s=5)
        def read_file(name: str) -> str:
            log.warning("file of %s was read: %s", name, FILES[name])
            return FILES[name]

        @reporter.track_task()
        async def answer(question: str) -> str:
            if "file of" in question:
                return f"The file says: {read_file(question.rsplit(maxsplit=1)[-1].rstrip('?'))}."
            return "The usual dosage is two." if "ibuprofen" in question else "From 8 to 18, on Saturdays until 12."

        await ask(reporter, QUESTIONS, answer, pace)


if __name__ == "__main__":
    asyncio.run(live(pace_of_command_line(__doc__)))
