"""`fleetpulse example-agent`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from producers.example.agent import Agent
    from producers.example.measure import Measurements
    from producers.sdk import Reporter

REPORT_EVERY_S = 5.0


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

    Example:  fleetpulse example-agent --bootstrap 127.0.0.1:9092 --for 1m
    """
    from infra.runtime.durations import parse_duration_s
    from infra.runtime.errors import SettingError
    from infra.runtime.logs import configure_logs
    from infra.runtime.settings import load_settings
    from producers.example.corpus import project_root
    from producers.sdk import Reporter

    settings = load_settings(bootstrap=bootstrap or None)
    configure_logs(settings.log_level, settings.log_format, "example-agent")
    if not settings.bootstrap:
        raise SettingError(
            "no broker is named",
            setting="--bootstrap or FLEETPULSE_BOOTSTRAP",
            way_out="Name it as HOST:PORT, or start everything with `fleetpulse up`",
        )
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
    asyncio.run(_live(reporter, folder, parse_duration_s(every, "--every"), once, settings.data_dir / "accounts"))


async def _live(reporter: Reporter, root: Path, every_s: float, once: str, accounts: Path) -> None:
    """Answer one question, or ask itself one after the other until SIGINT or SIGTERM; then leave the account."""
    import os

    from infra.runtime.lifecycle import stop_on_signals

    with stop_on_signals() as asked:
        agent, measured = make_agent(reporter, root)
        async with reporter:
            if once:
                typer.echo(agent.answer(once, f"thread-{reporter.session_id[:8]}").text)
            else:
                await _ask_itself(agent, measured, reporter, every_s, asked)
            reporter.metrics(**measured.take())
    reporter.write_account(accounts / f"example-agent-{os.getpid()}.json")


async def _ask_itself(
    agent: Agent, measured: Measurements, reporter: Reporter, every_s: float, asked: asyncio.Event
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
