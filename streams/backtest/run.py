"""A backtest from end to end: read, replay, compare. The next window is read while one is replayed."""

from __future__ import annotations

import tempfile
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from streams.backtest.compare import Comparison, Raised, compare
from streams.backtest.lake import NOT_REPLAYED, OF_MANY, LakeReader, Window, metric_of
from streams.backtest.replay import Replay
from streams.pipeline import Pipeline, PipelineConfig

WARM_UP_S = 900.0
"""In its beginning a replay knows nothing of what was before: baselines, trust, what fired already."""
_TELLING_S = 1.0
"""Of replaying, before its pace says how long the rest takes."""
Arrivals = list[tuple[str, pl.DataFrame]]


@dataclass(frozen=True)
class BacktestPlan:
    """What to replay: arrivals from `since_us` to before `until_us`, micros since the epoch, in steps of `step_s`, of
    `agents` that fit a pattern, by the rules and settings of `config`."""

    lake: Path
    config: PipelineConfig
    since_us: int
    until_us: int
    step_s: float = 1.0
    agents: str = "*"


@dataclass(frozen=True)
class Progress:
    """How far a replay is: `rows` of about `of_rows` in `seconds`, up to `at_us`; `alerts` so far; `left_s`: about how
    long it will still take, at the pace since the first rows came, None before that can be told."""

    rows: int
    of_rows: int
    seconds: float
    at_us: int
    alerts: int
    left_s: float | None
    ended: bool = False

    @property
    def share(self) -> float:
        """Of what is to be replayed, 0 to 1."""
        return 1.0 if self.ended else min(self.rows / max(self.of_rows, 1), 1.0)

    def as_json(self) -> dict[str, Any]:
        """All of it, for a program."""
        return asdict(self) | {"share": self.share}


class Telling:
    """Says how far a replay is, at most every `every_s`; `now_s` is a clock that only goes on."""

    def __init__(
        self, say: Callable[[Progress], None], every_s: float, of_rows: int, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._say, self._every_s, self._of_rows, self._now_s = say, every_s, of_rows, now_s
        self._begun_s = self._told_s = now_s()
        self._first: tuple[float, int] | None = None
        """When rows first were replayed, and how many: what reading took before is not the pace."""

    def begin(self, at_us: int) -> None:
        """The first of what arrived since `at_us` is being read, which may take a while."""
        self._say(Progress(0, self._of_rows, self._now_s() - self._begun_s, at_us, 0, None))

    def step(self, rows: int, alerts: int, at_us: int, *, ended: bool = False) -> None:
        """All that arrived before `at_us` is replayed."""
        now_s = self._now_s()
        self._first = self._first or (now_s, rows)
        if ended or now_s - self._told_s >= self._every_s:
            self._told_s = now_s
            left_s = 0.0 if ended else self._left_s(now_s, rows)
            self._say(Progress(rows, self._of_rows, now_s - self._begun_s, at_us, alerts, left_s, ended))

    def _left_s(self, now_s: float, rows: int) -> float | None:
        assert self._first is not None
        first_s, first = self._first
        if now_s - first_s < _TELLING_S or rows <= first:
            return None
        return (now_s - first_s) * max(self._of_rows - rows, 0) / (rows - first)


@dataclass(frozen=True)
class Backtest:
    """What came of it. `rows` replayed in `seconds`; `gaps`: times in which nothing arrived at all; `why` of those that
    stand alone, where it can be told."""

    comparison: Comparison
    rows: int
    gaps: int
    seconds: float
    not_replayed: list[str]
    why: dict[Raised, str]

    def reasons(self) -> dict[str, int]:
        """How many stand alone for what reason."""
        found: dict[str, int] = {}
        for reason in self.why.values():
            found[reason] = found.get(reason, 0) + 1
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def as_json(self, most: int | None = None) -> dict[str, Any]:
        """All of it, for machines; of single alerts the oldest `most` of each kind, None: all."""
        return {
            "rows": self.rows,
            "seconds": round(self.seconds, 3),
            "events_per_s": round(self.rows / self.seconds) if self.seconds else 0,
            "gaps": self.gaps,
            "rules": self.comparison.by_rule(),
            "rules_not_replayed": self.not_replayed,
            "reasons": self.reasons(),
            "per_hour": self.comparison.per_hour(),
        } | self.comparison.as_json(self.why, most)


def run_backtest(plan: BacktestPlan, say: Callable[[Progress], None], every_s: float = 1.0) -> Backtest:
    """Replay and compare; `say` hears how far it is, at most every `every_s` and at the end. Raises `LakeError`."""
    begun_s = time.monotonic()
    replay = Replay(Pipeline(plan.config), plan.step_s)
    with tempfile.TemporaryDirectory(prefix="fleetpulse-backtest-") as folder:
        reader = LakeReader(plan.lake, Path(folder), plan.agents)
        windows = reader.windows(plan.since_us, plan.until_us)
        telling = Telling(say, every_s, sum(window.rows for window in windows))
        if windows:
            telling.begin(windows[0].start_us)
        for arrivals in _ahead(reader, windows):
            replay.feed(arrivals, lambda at_us: telling.step(replay.rows, len(replay.raised), at_us))
        if windows:
            telling.step(replay.rows, len(replay.raised), windows[-1].end_us, ended=True)
        then = [_raised(row) for row in reader.alerts(plan.since_us, plan.until_us)]
    left_out = () if plan.agents == "*" else OF_MANY
    names = sorted(rule.name for rule in plan.config.rules.rules if rule.kind in left_out)
    now = [one for one in replay.raised if one.kind not in (*NOT_REPLAYED, *left_out)]
    compared = compare(then, now)
    why = {one: reason for one in compared.alone if (reason := _why(one, compared, plan, replay.begun_us)) is not None}
    return Backtest(compared, replay.rows, replay.gaps, time.monotonic() - begun_s, names, why)


def _ahead(reader: LakeReader, windows: list[Window]) -> Iterator[Arrivals]:
    """What arrived in every window."""
    with ThreadPoolExecutor(1, thread_name_prefix="lake") as pool:
        reading: Future[Arrivals] | None = None
        for number in range(len(windows) + 1):
            arrivals = None if reading is None else reading.result()
            if number < len(windows):
                reading = pool.submit(_read, reader, windows[number])
            if arrivals is not None:
                yield arrivals


def _read(reader: LakeReader, window: Window) -> Arrivals:
    return list(reader.arrivals(window))


def _why(one: Raised, compared: Comparison, plan: BacktestPlan, begun_us: list[int]) -> str | None:
    """Why an alert may stand alone; None: because the rules say so, as far as can be told."""
    if (
        one in compared.only_then
        and one.kind not in OF_MANY
        and one.name not in {rule.name for rule in plan.config.rules.rules}
    ):
        return "no rule of the pack has this name"
    if not begun_us:
        return "nothing arrived in the lake in this time"
    stretch = bisect_right(begun_us, one.started_us)
    if stretch == 0:
        return "began before the replayed time"
    if one.started_us < begun_us[stretch - 1] + WARM_UP_S * 1e6:
        after = "" if stretch == 1 else " after a gap"
        return f"in the first {WARM_UP_S / 60:g} minutes{after}: a replay knows nothing of what was before"
    if one.kind == "incident":
        return "an incident is begun by the order of alerts, which a replay keeps only to its step"
    return None


def _raised(row: dict[str, Any]) -> Raised:
    ended = row["ended_us"]
    return Raised(
        str(row["name"]),
        str(row["agent_id"]),
        int(row["started_us"]),
        None if ended is None else int(ended),
        metric_of(row),
        str(row["kind"]),
    )
