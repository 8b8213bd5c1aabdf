"""Alerts that were raised against alerts that would have been: who has a partner, who stands alone. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

TOLERANCE_US = 60_000_000
"""So far apart two firings may lie and still be one: arrivals are replayed by the second, and state starts empty."""
HOUR_US = 3_600_000_000
_OPEN_US = 1 << 62


@dataclass(frozen=True, slots=True)
class Raised:
    """One firing; times in micros since the epoch, `ended_us` None while it fires; `metric` where the rule has many;
    `kind` of the rule, or outage, incident."""

    name: str
    agent_id: str
    started_us: int
    ended_us: int | None = None
    metric: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Comparison:
    """`matched`: pairs (then, now); `only_then`: raised and would not be; `only_now`: would be and was not."""

    matched: list[tuple[Raised, Raised]] = field(default_factory=list)
    only_then: list[Raised] = field(default_factory=list)
    only_now: list[Raised] = field(default_factory=list)

    @property
    def alone(self) -> list[Raised]:
        """Those without a partner."""
        return [*self.only_then, *self.only_now]

    def by_rule(self) -> dict[str, dict[str, int]]:
        """Counts of all three by the name of the rule, and of all that would have fired."""
        counts = {
            "matched": Counter(now.name for _, now in self.matched),
            "only_then": Counter(one.name for one in self.only_then),
            "only_now": Counter(one.name for one in self.only_now),
        }
        names = sorted(set().union(*counts.values()))
        return {
            name: {kind: counts[kind][name] for kind in counts}
            | {"would_fire": counts["matched"][name] + counts["only_now"][name]}
            for name in names
        }

    def per_hour(self) -> dict[str, list[tuple[int, int]]]:
        """By the name of the rule, (beginning of the hour in micros since the epoch, how many would begin in it)."""
        counts = Counter(
            (one.name, one.started_us // HOUR_US * HOUR_US)
            for one in [*(now for _, now in self.matched), *self.only_now]
        )
        found: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        for (name, hour_us), count in sorted(counts.items()):
            found[name].append((hour_us, count))
        return dict(found)

    def as_json(self, why: Mapping[Raised, str], most: int | None = None) -> dict[str, Any]:
        """Lists of all three, the oldest `most` (None: all) of each; `why` those that stand alone do."""
        return {
            "matched": [{"then": asdict(then), "now": asdict(now)} for then, now in self.matched[:most]],
            "only_then": [asdict(one) | {"why": why.get(one)} for one in self.only_then[:most]],
            "only_now": [asdict(one) | {"why": why.get(one)} for one in self.only_now[:most]],
        }


def _touch(first: Raised, second: Raised, tolerance_us: int) -> bool:
    """Whether two firings overlap, or miss each other by no more than the tolerance."""
    first_end_us = _OPEN_US if first.ended_us is None else first.ended_us
    second_end_us = _OPEN_US if second.ended_us is None else second.ended_us
    return first.started_us <= second_end_us + tolerance_us and second.started_us <= first_end_us + tolerance_us


def compare(then: Iterable[Raised], now: Iterable[Raised], tolerance_us: int = TOLERANCE_US) -> Comparison:
    """Pair firings of the same rule, agent and metric that touch, oldest first, each with one partner at most."""
    waiting: defaultdict[tuple[str, str, str], list[Raised]] = defaultdict(list)
    for one in sorted(now, key=lambda raised: raised.started_us):
        waiting[one.name, one.agent_id, one.metric].append(one)
    found = Comparison()
    for one in sorted(then, key=lambda raised: raised.started_us):
        candidates = waiting[one.name, one.agent_id, one.metric]
        partner = next((other for other in candidates if _touch(one, other, tolerance_us)), None)
        if partner is None:
            found.only_then.append(one)
        else:
            candidates.remove(partner)
            found.matched.append((one, partner))
    found.only_now.extend(sorted((one for some in waiting.values() for one in some), key=lambda one: one.started_us))
    return found
