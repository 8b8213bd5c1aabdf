"""`fleetpulse bench policies`: what ten policies over an answer of 2,000 characters cost the agent.

Each answer is judged many times, in rounds; the quantiles are of wall time, and the median of the rounds counts. Beside
them the processor time of the same calls, which other work on the machine does not stretch.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from producers.governance.engine import Engine

CHARACTERS, ROUNDS, CALLS = 2_000, 5, 500
BAR_P99_MS = 1.0
_PROSE = "The report for 2023-10-11 says that 1,234 orders were sent at $56.78 each, reference ORD-99812, on time. "
_GERMAN = "Der Bericht für das vierte Quartal – geprüft – nennt „1.234“ Aufträge, größtenteils pünktlich. "
_PERSONAL = (
    "Write to ops@example.org or call +49 30 1234567; card 4111 1111 1111 1111, MRN-123456, SSN 123-45-6789, "
    "IBAN DE89 3704 0044 0532 0130 00; about the dosage there is legal advice. "
)
ANSWERS = {
    "nothing to find": _PROSE * 30,
    "eight findings": _PROSE * 8 + _PERSONAL + _PROSE * 30,
    "not ASCII": _GERMAN * 30,
    "full-width digits": _PROSE * 8 + "Karte ４１１１ １１１１\u00a0１１１１\u200b １１１１. " + _GERMAN * 30,
}


def _fits(_question: str, response: str, _context: Mapping[str, str]) -> str | None:
    return "shouts" if response.isupper() else None


POLICIES: list[dict[str, Any]] = [
    {"id": "no-personal-info"},
    {"id": "hipaa-compliance", "severity": "critical", "entities": ["ssn", "email"]},
    {"id": "response-length-limit", "maxLength": 5_000},
    {"id": "medicine", "topics": ["dosage", "diagnosis", "self harm"], "action": "flag"},
    {"id": "law", "topics": ["legal advice", "lawsuit"], "action": "flag"},
    {"id": "finance", "topics": ["insider information", "guaranteed return"]},
    {"id": "record-numbers", "patterns": [r"\bMRN-\d{6,8}\b"]},
    {"id": "secrets", "patterns": [r"\bsk-[A-Za-z0-9]{20,}\b", r"-----BEGIN [A-Z ]*PRIVATE KEY-----"]},
    {"id": "accounts", "patterns": [r"\baccount (no|number) ?:? ?\d{8,12}\b"], "ignoreCase": True},
    {"id": "tone", "type": "callable", "check": _fits},
]


class Round(NamedTuple):
    """Quantiles of one evaluation, ms, of wall and of processor time."""

    p50_ms: float
    p99_ms: float
    cpu_p50_ms: float
    cpu_p99_ms: float


def _round(engine: Engine, answer: str) -> Round:
    wall_ms, cpu_ms = list[float](), list[float]()
    for _ in range(CALLS):
        began_s, began_cpu_ns = time.perf_counter(), time.thread_time_ns()
        engine.evaluate("What do you know about my order?", answer)
        cpu_ms.append((time.thread_time_ns() - began_cpu_ns) / 1e6)
        wall_ms.append((time.perf_counter() - began_s) * 1_000)
    cuts = [statistics.quantiles(taken, n=100) for taken in (wall_ms, cpu_ms)]
    return Round(*(round(cut[at], 3) for cut in cuts for at in (49, 98)))


def _answer(engine: Engine, answer: str) -> dict[str, Any]:
    _round(engine, answer)
    rounds = [_round(engine, answer) for _ in range(ROUNDS)]
    medians = Round(*(round(statistics.median(column), 3) for column in zip(*rounds, strict=True)))
    return medians._asdict() | {"p99_ms_rounds": [each.p99_ms for each in rounds]}


def measure() -> dict[str, Any]:
    """By answer: p50 and p99 in ms, wall and processor time, medians of the rounds; the worst p99 of each."""
    engine = Engine(POLICIES)
    found = {name: _answer(engine, text[:CHARACTERS]) for name, text in ANSWERS.items()}
    worst = {name: max(each[name] for each in found.values()) for name in ("p99_ms", "cpu_p99_ms")}
    return {"policies": len(POLICIES), "characters": CHARACTERS, "answers": found, **worst, "bar_ms": BAR_P99_MS}


def main(json_output: bool) -> None:
    """Print the figures as a table, or as one JSON object."""
    found = measure()
    if json_output:
        sys.stdout.write(json.dumps(found) + "\n")
        return
    heads = ("answer", "p50 ms", "p99 ms", "CPU p50", "CPU p99", "p99 of each round")
    table = Table(*heads, box=None, header_style="dim")
    for name, row in found["answers"].items():
        rounds = ", ".join(f"{each:.2f}" for each in row["p99_ms_rounds"])
        table.add_row(name, *(f"{row[column]:.3f}" for column in Round._fields), rounds)
    terminal = Console()
    terminal.print(table)
    met = "met" if found["p99_ms"] < BAR_P99_MS else "missed"
    terminal.print(
        f"{len(POLICIES)} policies: p99 {found['p99_ms']:.2f} ms ({found['cpu_p99_ms']:.2f} ms of CPU), "
        f"bar {BAR_P99_MS} ms: {met}",
        highlight=False,
    )
