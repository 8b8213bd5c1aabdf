"""What the examples share: who asks the agent, and for how long."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from infra.runtime.durations import parse_duration_s
from producers.sdk import AgentReporter


@dataclass(frozen=True)
class Pace:
    """How long an example runs and how long it pauses between questions, seconds."""

    lasts_s: float
    every_s: float


def pace_of_command_line(what: str | None) -> Pace:
    """Reads `--for 10s --every 500ms`."""
    options = argparse.ArgumentParser(description=what, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--for", dest="lasts", default="10s", help="how long, default 10s")
    options.add_argument("--every", default="500ms", help="pause between two questions, default 500ms")
    given = options.parse_args()
    return Pace(parse_duration_s(given.lasts, "--for"), parse_duration_s(given.every, "--every"))


async def ask(
    reporter: AgentReporter, questions: Sequence[str], answer: Callable[[str], Awaitable[str]], pace: Pace
) -> None:
    """Ask over and over until the time is over, each question once at least; every answer passes the policies. Then say
    what was reported.
    """
    ends_s = time.monotonic() + pace.lasts_s
    for number, question in enumerate(itertools.cycle(questions), start=1):
        with reporter.track_message_sent():
            governed = await reporter.wrap_response(question, answer(question))
            print(f"{question}\n  {governed.action}: {governed.text}  (trust {governed.trust_score:.2f})", flush=True)
        if number >= len(questions) and time.monotonic() + pace.every_s > ends_s:
            break
        await asyncio.sleep(pace.every_s)
    if report := await reporter.aclose():
        print(f"{report.issued} events: {report.acknowledged} acknowledged, {report.spooled} wait on disk")
