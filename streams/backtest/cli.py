"""`fleetpulse backtest`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from streams.backtest.run import Backtest


def backtest(
    rules: Annotated[
        Path | None, typer.Option(help="pack of rules to try; default: the one that comes with the program")
    ] = None,
    since: Annotated[str, typer.Option(help="how far back: 7d, 90m, or a time like 2026-01-31T12:00")] = "7d",
    until: Annotated[str | None, typer.Option(help="the end, written the same way; default: now")] = None,
    lake: Annotated[
        Path | None, typer.Option(help="folder of the lake; default FLEETPULSE_LAKE or DATA_DIR/lake")
    ] = None,
    step: Annotated[str, typer.Option(help="arrivals of so long are replayed at once, for example 1s")] = "1s",
    as_json: Annotated[bool, typer.Option("--json", help="every alert, as JSON")] = False,
) -> None:
    """Which alerts a pack of rules would have raised on what the lake holds, against those that were raised.

    Example:  fleetpulse backtest --rules rules.yaml --since 7d
    """
    import json  # --help stays quick

    from infra.runtime.durations import parse_duration_s
    from infra.runtime.errors import SettingError
    from infra.runtime.settings import load_settings
    from streams.backtest.run import BacktestPlan, run_backtest
    from streams.rules.load import pack_of

    now = datetime.now(UTC)
    plan = BacktestPlan(
        lake=load_settings(lake=lake).lake_dir,
        pack=pack_of(rules),
        since_us=moment_us(since, now, "--since"),
        until_us=moment_us(until, now, "--until") if until is not None else round(now.timestamp() * 1e6),
        step_s=parse_duration_s(step, "--step"),
    )
    if plan.since_us >= plan.until_us:
        raise SettingError("the beginning is not before the end", setting="--since and --until")
    if not 0.1 <= plan.step_s <= 60:
        raise SettingError(f"{step!r} is no step", setting="--step", way_out="Choose from 100ms to 60s")
    found = run_backtest(plan, lambda line: typer.echo(line, err=True))
    sys.stdout.write(json.dumps(found.as_json(), indent=2) + "\n" if as_json else summary(found))


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
    lines.append(f"{found.rows:,} events replayed in {found.seconds:.1f} s")
    if found.gaps:
        lines.append(f"{found.gaps} times nothing arrived for a minute or more: the clock stood still")
    if found.not_replayed:
        lines.append(f"decided by the alert manager, not replayed: {', '.join(found.not_replayed)}")
    return "\n".join(lines) + "\n"
