"""`fleetpulse backtest`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.options import AnomalySensitivity, AnomalyThreshold, LeastInterval, TrustModel

if TYPE_CHECKING:
    from streams.backtest.run import Backtest, Progress


def backtest(
    rules: Annotated[
        Path | None, typer.Option(help="pack of rules to try; default: the one that comes with the program")
    ] = None,
    since: Annotated[str, typer.Option(help="how far back: 7d, 90m, or a time like 2026-01-31T12:00")] = "7d",
    until: Annotated[str | None, typer.Option(help="the end, written the same way; default: now")] = None,
    lake: Annotated[
        Path | None, typer.Option(help="folder of the lake; default FLEETPULSE_LAKE or DATA_DIR/lake")
    ] = None,
    agent: Annotated[str, typer.Option(help="only agents that fit: an id, or a pattern with *")] = "*",
    step: Annotated[str, typer.Option(help="arrivals of so long are replayed at once, for example 1s")] = "1s",
    trust_model: TrustModel = "beta",
    anomaly_threshold: AnomalyThreshold = None,
    anomaly_sensitivity: AnomalySensitivity = None,
    least_interval: LeastInterval = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="every alert, as JSON")] = False,
    examples: Annotated[
        int | None, typer.Option(min=0, help="with --json, so many single alerts of each kind; default: all")
    ] = None,
    json_progress: Annotated[
        bool, typer.Option("--json-progress", help="how far it is as a JSON line a second, on standard error")
    ] = False,
) -> None:
    """Which alerts a pack of rules would have raised on what the lake holds, against those that were raised.

    With --agent, what follows from many agents (outages, incidents, rules about the fleet, budgets) is left out.
    Set trust, anomalies and heartbeats as the workers had them that are compared with.

    How far it is, and about how long it still takes, stands on standard error; with --json nothing does.

    Example:  fleetpulse backtest --rules rules.yaml --since 7d
    """
    import json  # --help stays quick
    from dataclasses import replace

    from infra.runtime.durations import parse_duration_s
    from infra.runtime.errors import SettingError
    from infra.runtime.settings import load_settings
    from streams.backtest.run import BacktestPlan, run_backtest
    from streams.pipeline_config import pipeline_config
    from streams.rules.load import pack_of

    config = pipeline_config(
        trust_model=trust_model,
        anomaly_threshold=anomaly_threshold,
        anomaly_sensitivity=anomaly_sensitivity,
        least_interval_s=least_interval,
    )
    now = datetime.now(UTC)
    plan = BacktestPlan(
        lake=load_settings(lake=lake).lake_dir,
        config=replace(config, rules=pack_of(rules)),
        since_us=moment_us(since, now, "--since"),
        until_us=moment_us(until, now, "--until") if until is not None else round(now.timestamp() * 1e6),
        step_s=parse_duration_s(step, "--step"),
        agents=agent,
    )
    if plan.since_us >= plan.until_us:
        raise SettingError("the beginning is not before the end", setting="--since and --until")
    if not 0.1 <= plan.step_s <= 60:
        raise SettingError(f"{step!r} is no step", setting="--step", way_out="Choose from 100ms to 60s")
    say = tell_progress if json_progress else say_nothing if as_json else show_progress
    try:
        found = run_backtest(plan, say, every_s=1.0 if json_progress or sys.stderr.isatty() else 10.0)
    except KeyboardInterrupt:
        typer.echo("\nstopped before the end: nothing is compared", err=True)
        raise typer.Exit(130) from None
    sys.stdout.write(json.dumps(found.as_json(examples), indent=2) + "\n" if as_json else summary(found))


def show_progress(now: Progress) -> None:
    """How far it is, on standard error: one line that changes on a terminal, else a line each time."""
    line = progress_line(now)
    ends = now.ended or not sys.stderr.isatty()
    sys.stderr.write(f"\r{line}\033[K" + ("\n" if ends else "") if sys.stderr.isatty() else f"{line}\n")
    sys.stderr.flush()


def progress_line(now: Progress) -> str:
    """How far it is, in words."""
    at = datetime.fromtimestamp(now.at_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M")
    pace = now.rows / max(now.seconds, 1e-9)
    left = "" if now.ended or now.left_s is None else f", about {_long(now.left_s)} left"
    return f"{now.share:4.0%} up to {at} UTC: {now.rows:,} events, {pace:,.0f}/s, {now.alerts:,} alerts{left}"


def _long(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 100 else f"{round(seconds / 60)} min" if whole < 6_000 else f"{seconds / 3600:.1f} h"


def tell_progress(now: Progress) -> None:
    """How far it is, for a program."""
    import json

    sys.stderr.write(json.dumps({"event": "progress", **now.as_json()}) + "\n")
    sys.stderr.flush()


def say_nothing(now: Progress) -> None:
    """For who asked for JSON alone."""


def moment_us(text: str, now: datetime, setting: str) -> int:
    """A time, or a duration before `now`, as micros since the epoch; times without a zone are UTC.

    Raises `SettingError`.
    """
    from infra.runtime.durations import parse_duration_s
    from infra.runtime.errors import SettingError

    if "-" not in text:
        return round((now.timestamp() - parse_duration_s(text, setting)) * 1e6)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingError(
            f"{text!r} is neither a time nor a duration", setting=setting, way_out="Write 7d or 2026-01-31T12:00"
        ) from error
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e6)


def summary(found: Backtest) -> str:
    """For people: a line a rule."""
    lines = [f"{'rule':<28}{'would fire':>12}{'matched':>10}{'only then':>11}{'only now':>10}"]
    for name, row in found.comparison.by_rule().items():
        counts = f"{row['would_fire']:>12,}{row['matched']:>10,}{row['only_then']:>11,}{row['only_now']:>10,}"
        lines.append(f"{name:<28}{counts}")
    lines += [f"{number:,} stand alone: {reason}" for reason, number in found.reasons().items()]
    pace = found.rows / found.seconds if found.seconds else 0.0
    lines.append(f"{found.rows:,} events replayed in {found.seconds:.1f} s, {pace:,.0f} a second")
    if found.gaps:
        lines.append(f"{found.gaps} times nothing arrived for a minute or more: the clock stood still")
    if found.not_replayed:
        lines.append(f"about many agents, not replayed: {', '.join(found.not_replayed)}")
    return "\n".join(lines) + "\n"
