"""An event (session, seq) lands once per topic: which rows of a batch came before.

The common case costs one group-by: a session's rows above the highest seq that has landed are new. Rows at or below
it, and repeats within the batch, are looked up in the lake's own files, in the hours where the session has rows: exact,
and rare. Sessions not seen for a week leave memory; `forgotten_through_hour` then marks unknown sessions with events
that old as ones to look up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import polars as pl

HOUR = "_hour"
"""Column of a batch: hours since 1970-01-01 UTC of the row's folder, i32."""
FORGET_AFTER_HOURS = 7 * 24
REPEATABLE = "idem-"
"""Begin the sessions of single requests over HTTP, named after their Idempotency-Key: as many as there are requests."""
FORGET_REPEATABLE_AFTER_HOURS = 2
_MAX_REMEMBERED_SEQS = 1_000_000


class Landed(NamedTuple):
    """What has landed of a session in one topic and partition: the highest seq, the first and last hour with rows."""

    max_seq: int
    min_hour: int
    max_hour: int

    def joined(self, other: Landed) -> Landed:
        """Both together."""
        if other.max_seq >= self.max_seq and other.min_hour >= self.min_hour and other.max_hour == self.max_hour:
            return Landed(other.max_seq, self.min_hour, self.max_hour)  # The common case, without three calls.
        return Landed(
            max(self.max_seq, other.max_seq), min(self.min_hour, other.min_hour), max(self.max_hour, other.max_hour)
        )


@dataclass(frozen=True)
class Lookup:
    """Sessions to look for in the files of the hours `min_hour` to `max_hour`."""

    sessions: frozenset[str]
    min_hour: int
    max_hour: int


SeqsInLake = Callable[[Lookup], Mapping[str, set[int]]]
"""The seqs of sessions that stand in the lake's files; sessions without rows may be missing."""


@dataclass
class Verdict:
    """`duplicate`: bool per row of the batch; None when there is no duplicate. `landed`: what the others add."""

    duplicate: pl.Series | None
    landed: dict[str, Landed]
    added_seqs: dict[str, set[int]] = field(default_factory=dict)


def _summary(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.group_by("session_id").agg(
        pl.col("seq").min().alias("low"),
        pl.col("seq").max().alias("high"),
        pl.col(HOUR).min().alias("min_hour"),
        pl.col(HOUR).max().alias("max_hour"),
    )


def _kept_hours(session: str) -> int:
    return FORGET_REPEATABLE_AFTER_HOURS if session.startswith(REPEATABLE) else FORGET_AFTER_HOURS


class Sessions:
    """What has landed per session of one topic and partition."""

    def __init__(
        self,
        landed: dict[str, Landed] | None = None,
        forgotten_through_hour: int = -1,
        repeatable_through_hour: int | None = None,
    ) -> None:
        self.landed = landed if landed is not None else {}
        self.forgotten_through_hour = forgotten_through_hour
        self.repeatable_through_hour = (
            forgotten_through_hour if repeatable_through_hour is None else repeatable_through_hour
        )
        self._seqs: dict[str, set[int]] = {}
        self._remembered = 0

    def judge(self, frame: pl.DataFrame, seqs_in_lake: SeqsInLake) -> Verdict:
        """Which rows (columns session_id, seq, `HOUR`) are duplicates. Changes nothing but a cache."""
        if frame.is_empty():
            return Verdict(None, {})
        batch: dict[str, Landed] = {}
        suspects: set[str] = set()
        for session, low, high, min_hour, max_hour in _summary(frame).iter_rows():
            batch[session] = Landed(high, min_hour, max_hour)
            if low <= self._threshold(session, min_hour):
                suspects.add(session)
        repeats = frame.select(pl.struct("session_id", "seq").is_duplicated().alias("repeat"))["repeat"]
        looked_up = frozenset(suspects)
        if repeats.any():
            suspects.update(frame.filter(repeats)["session_id"].unique())
        if not suspects:
            return Verdict(None, batch)
        return self._judge_exactly(frame, batch, suspects, self._seqs_of(looked_up, batch, seqs_in_lake))

    def _threshold(self, session: str, min_hour: int) -> int:
        """Seqs above it are certainly new."""
        known = self.landed.get(session)
        if known is not None:
            return known.max_seq
        return 1 << 63 if min_hour <= self._forgotten_through(session) else -1

    def _forgotten_through(self, session: str) -> int:
        return self.repeatable_through_hour if session.startswith(REPEATABLE) else self.forgotten_through_hour

    def _judge_exactly(
        self, frame: pl.DataFrame, batch: dict[str, Landed], suspects: set[str], in_lake: Mapping[str, set[int]]
    ) -> Verdict:
        rows = (
            frame.select("session_id", "seq", HOUR)
            .with_row_index("row")
            .filter(pl.col("session_id").is_in(list(suspects)))
        )
        duplicate = [False] * frame.height
        added: dict[str, set[int]] = {session: set() for session in suspects}
        landed = {session: summary for session, summary in batch.items() if session not in suspects}
        for row, session, seq, hour in rows.iter_rows():
            if seq in added[session] or seq in in_lake.get(session, ()):
                duplicate[row] = True
                continue
            added[session].add(seq)
            one = Landed(seq, hour, hour)
            landed[session] = landed[session].joined(one) if session in landed else one
        return Verdict(pl.Series("duplicate", duplicate) if any(duplicate) else None, landed, added)

    def _seqs_of(
        self, sessions: frozenset[str], batch: Mapping[str, Landed], seqs_in_lake: SeqsInLake
    ) -> Mapping[str, set[int]]:
        missing = frozenset(session for session in sessions if session not in self._seqs)
        if missing:
            hours = [self._hours_of(session, batch[session]) for session in missing]
            found = seqs_in_lake(Lookup(missing, min(h[0] for h in hours), max(h[1] for h in hours)))
            if self._remembered > _MAX_REMEMBERED_SEQS:
                self._seqs = {session: self._seqs[session] for session in sessions & self._seqs.keys()}
                self._remembered = sum(map(len, self._seqs.values()))
            for session in missing:
                self._seqs[session] = set(found.get(session, ()))
                self._remembered += len(self._seqs[session])
        return {session: self._seqs[session] for session in sessions}

    def _hours_of(self, session: str, rows: Landed) -> tuple[int, int]:
        """Where a session may have landed. A second try of a request that was forgotten has the times of the first, or
        is one of now."""
        known = self.landed.get(session, rows if session.startswith(REPEATABLE) else None)
        return (known.min_hour, known.max_hour) if known is not None else (0, self.forgotten_through_hour)

    def add(self, frame: pl.DataFrame, verdict: Verdict) -> None:
        """Take over what a verdict adds, once its rows are durable. `frame` is the batch that was judged."""
        for session, more in verdict.landed.items():
            known = self.landed.get(session)
            self.landed[session] = known.joined(more) if known is not None else more
        if not self._seqs:
            return
        for session, seqs in verdict.added_seqs.items():
            self._remember(session, seqs)
        others = [s for s in verdict.landed if s in self._seqs and s not in verdict.added_seqs]
        if others:
            for session, seq in (
                frame.select("session_id", "seq").filter(pl.col("session_id").is_in(others)).iter_rows()
            ):
                self._remember(session, (seq,))

    def _remember(self, session: str, seqs: Iterable[int]) -> None:
        if session in self._seqs:
            before = len(self._seqs[session])
            self._seqs[session].update(seqs)
            self._remembered += len(self._seqs[session]) - before

    def forget_idle(self, hour: int) -> int:
        """Drop sessions without rows in the week before `hour`, those of single requests after two hours; how many."""
        idle = [s for s, landed in self.landed.items() if landed.max_hour < hour - _kept_hours(s)]
        for session in idle:
            gone = self.landed.pop(session)
            if session.startswith(REPEATABLE):
                self.repeatable_through_hour = max(self.repeatable_through_hour, gone.max_hour)
            else:
                self.forgotten_through_hour = max(self.forgotten_through_hour, gone.max_hour)
            self._remembered -= len(self._seqs.pop(session, ()))
        return len(idle)

    def add_rows(self, frame: pl.DataFrame) -> None:
        """Take over rows (session_id, seq, `HOUR`) that stand in the lake."""
        for session, _, high, min_hour, max_hour in _summary(frame).iter_rows():
            more = Landed(high, min_hour, max_hour)
            known = self.landed.get(session)
            self.landed[session] = known.joined(more) if known is not None else more
