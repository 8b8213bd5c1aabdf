"""`fleetpulse example-agent`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from infra.runtime.settings import Settings
    from producers.example.agent import Agent
    from producers.example.measure import Measurements
    from producers.sdk import Reporter
    from producers.sdk.health import ReporterHealth

REPORT_EVERY_S = 5.0
_MOST_WAITING = 1_000
"""Events beyond which reports do not get away: a minute of them at the default pace."""


def example_agent(
    once: Annotated[str, typer.Option(help="Answer this question, print the answer, end.")] = "",
    agent_id: Annotated[str, typer.Option(help="How the agent calls itself.")] = "example-agent",
    user_id: Annotated[str, typer.Option(help="The tenant that owns it.")] = "example",
    bootstrap: Annotated[str, typer.Option(help="HOST:PORT of the broker.", envvar="FLEETPULSE_BOOTSTRAP")] = "",
    root: Annotated[
        Path | None, typer.Option(help="Folder whose files it answers from; default: this project.")
    ] = None,
    every: Annotated[str, typer.Option(help="Pause between two questions that it asks itself.")] = "2s",
    beat_interval: Annotated[float, typer.Option(min=0.1, help="Seconds between heartbeats.")] = 1.0,
) -> None:
    """Run an agent that answers questions over this project's files and reports what it does.

    Example:  fleetpulse example-agent --bootstrap 127.0.0.1:9092 --every 5s
    """
    from infra.runtime.durations import parse_duration_s
    from infra.runtime.errors import SettingError
    from infra.runtime.logs import configure_logs
    from infra.runtime.settings import load_settings
    from infra.runtime.which_broker import require_named
    from producers.example.corpus import project_root
    from producers.sdk import Reporter

    settings = load_settings(bootstrap=bootstrap or None)
    configure_logs(settings.log_level, settings.log_format, "example-agent")
    require_named(settings)
    folder = (root or project_root()).resolve()
    if not folder.is_dir():
        raise SettingError(f"{folder} is not a folder", setting="--root", way_out="Name the folder of a project")
    reporter = Reporter(
        agent_id,
        user_id,
        "example",
        bootstrap=settings.bootstrap,
        spool_dir=settings.data_dir / "spool",
        heartbeat_interval_s=beat_interval,
        version="1.0",
    )
    asyncio.run(_live(reporter, folder, parse_duration_s(every, "--every"), once, settings))


async def _live(reporter: Reporter, root: Path, every_s: float, once: str, settings: Settings) -> None:
    """Answer one question, or ask itself one after the other until SIGINT or SIGTERM; then leave the account."""
    import os

    from infra.runtime.lifecycle import stop_on_signals

    with stop_on_signals() as asked:
        agent, measured = make_agent(reporter, root)
        async with reporter:
            if once:
                typer.echo(agent.answer(once, f"thread-{reporter.session_id[:8]}").text)
            else:
                await _ask_itself(agent, measured, reporter, every_s, asked, settings.pulse_file)
            reporter.metrics(**measured.take())
    reporter.write_account(settings.data_dir / "accounts" / f"example-agent-{os.getpid()}.json")


async def _ask_itself(
    agent: Agent,
    measured: Measurements,
    reporter: Reporter,
    every_s: float,
    asked: asyncio.Event,
    pulse_file: Path | None,
) -> None:
    """One question after the other; `pulse_file` gets signs of life of the loop in which it answers."""
    import contextlib

    from infra.health.pulse import pulsing
    from producers.sdk.health import ReporterHealth

    health = ReporterHealth("example-agent", reporter, what="answers", most_waiting=_MOST_WAITING)
    async with pulsing(health, pulse_file) if pulse_file is not None else contextlib.nullcontext():
        await _answer_all(agent, measured, reporter, every_s, asked, health)


async def _answer_all(
    agent: Agent,
    measured: Measurements,
    reporter: Reporter,
    every_s: float,
    asked: asyncio.Event,
    health: ReporterHealth,
) -> None:
    import json

    from producers.example.questions import QUESTIONS

    loop = asyncio.get_running_loop()
    typer.echo(json.dumps({"event": "ready", "process": "example-agent", "session_id": reporter.session_id}))
    report_at_s = loop.time() + REPORT_EVERY_S
    number = 0
    while not asked.is_set():
        thread_id = f"thread-{reporter.session_id[:8]}-{number // len(QUESTIONS)}"
        agent.answer(QUESTIONS[number % len(QUESTIONS)], thread_id)
        number += 1
        health.done = number
        if loop.time() >= report_at_s:
            reporter.metrics(**measured.take())
            report_at_s += REPORT_EVERY_S
        try:
            async with asyncio.timeout(every_s):
                await asked.wait()
        except TimeoutError:
            continue


def make_agent(reporter: Reporter, root: Path) -> tuple[Agent, Measurements]:
    """An agent over the files below `root`, and what it measures."""
    import random

    from producers.example.agent import Agent
    from producers.example.corpus import read_passages
    from producers.example.measure import Measurements
    from producers.example.retrieval import Index
    from producers.example.tools import Toolbox

    index = Index(read_passages(root))
    measured = Measurements(root)
    return Agent(Toolbox(root, index, random.Random()), reporter, measured), measured  # noqa: S311  # who is busy when
