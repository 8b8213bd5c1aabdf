"""A backtest from end to end: read, replay, compare."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from streams.backtest.compare import Comparison, Raised, compare
from streams.backtest.lake import BY_THE_MANAGER, LakeReader, metric_of
from streams.backtest.replay import Replay
from streams.pipeline import Pipeline, PipelineConfig
from streams.rules.model import Pack


@dataclass(frozen=True)
class BacktestPlan:
    """What to replay: arrivals from `since_us` to before `until_us`, micros since the epoch, in steps of `step_s`."""

    lake: Path
    pack: Pack
    since_us: int
    until_us: int
    step_s: float = 1.0


@dataclass(frozen=True)
class Backtest:
    """What came of it. `rows` replayed in `seconds`; `gaps`: times in which nothing arrived at all."""

    comparison: Comparison
    rows: int
    gaps: int
    seconds: float
    not_replayed: list[str]

    def as_json(self) -> dict[str, Any]:
        """All of it, for machines."""
        return {
            "rows": self.rows,
            "seconds": round(self.seconds, 3),
            "gaps": self.gaps,
            "rules": self.comparison.by_rule(),
            "rules_not_replayed": self.not_replayed,
        } | self.comparison.as_json()


def run_backtest(plan: BacktestPlan, say: Callable[[str], None]) -> Backtest:
    """Replay and compare; `say` gets a line for each window. Raises `LakeError`."""
    begun_s = time.monotonic()
    replay = Replay(Pipeline(replace(PipelineConfig(), rules=plan.pack, alerts_directly=False)), plan.step_s)
    with tempfile.TemporaryDirectory(prefix="fleetpulse-backtest-") as folder:
        reader = LakeReader(plan.lake, Path(folder))
        windows = reader.windows(plan.since_us, plan.until_us)
        for number, window in enumerate(windows, start=1):
            replay.feed(reader.arrivals(window))
            at = time.strftime("%Y-%m-%d %H:%M", time.gmtime(window.start_us / 1e6))
            say(f"{number} of {len(windows)}: {at} UTC, {replay.rows:,} events, {len(replay.raised):,} alerts so far")
        then = [_raised(row) for row in reader.alerts(plan.since_us, plan.until_us)]
    names = {rule.name for rule in plan.pack.rules if rule.kind in BY_THE_MANAGER}
    compared = compare([one for one in then if one.name not in names], replay.raised)
    return Backtest(compared, replay.rows, replay.gaps, time.monotonic() - begun_s, sorted(names))


def _raised(row: dict[str, Any]) -> Raised:
    ended = row["ended_us"]
    return Raised(
        str(row["name"]),
        str(row["agent_id"]),
        int(row["started_us"]),
        None if ended is None else int(ended),
        metric_of(row),
    )
