"""What a simulated fleet is told, and how its event rate is shared among the topics."""

from __future__ import annotations

from dataclasses import dataclass

TURN_EVENTS = 12.0
"""Mean number of lifecycle and run events of one turn (see `turns.clean_turn`)."""
TURN_PERIOD_S = 2.0
MIN_TALKERS = 16
MAX_BEAT_SHARE = 0.25


@dataclass(frozen=True)
class FleetConfig:
    """A fleet is a pure function of this.

    `rate`: events a second over all topics; `start_us`: event time of fleet time 0, micros since the epoch;
    `run_s`: length of the run, None for one that goes on until it is stopped; `tick_s`: step of the generation;
    `stamped`: whether the broker stamps what it takes; where not, nobody can tell a wrong clock, and none is made;
    `day_s`: length of the daily cycle (shorter than 86,400 to see it sooner); `users`: number of tenants.
    """

    agents: int
    rate: float
    seed: int
    start_us: int
    run_s: float | None = None
    beat_interval_s: float = 1.0
    incidents: bool = True
    stamped: bool = True
    tick_s: float = 0.04
    day_s: float = 86_400.0
    users: int = 20
    prefix: str = "agent"


def agents_of_a_host(agents: int) -> int:
    """How many agents of a fleet share a host: a twentieth, so that a host is no large part of it; 3 to 20."""
    return min(max(agents // 20, 3), 20)


@dataclass(frozen=True)
class Shares:
    """How often each kind of event happens: intervals of one agent in s, rates of the whole fleet in 1/s."""

    beat_interval_s: float
    metrics_interval_s: float
    turns_per_s: float
    talkers: int
    logs_per_s: float
    violations_per_s: float


def share_out(config: FleetConfig) -> Shares:
    """Beats first (at most a quarter of the rate), a few percent for turns and logs, the rest is metrics."""
    beat_interval_s = max(config.beat_interval_s, config.agents / (MAX_BEAT_SHARE * config.rate))
    turn_events_per_s = min(max(0.04 * config.rate, min(0.15 * config.rate, 90.0)), 1_500.0)
    turns_per_s = turn_events_per_s / TURN_EVENTS
    logs_per_s = min(max(0.01 * config.rate, min(0.05 * config.rate, 10.0)), 300.0)
    violations_per_s = min(config.agents / 3_600.0, 0.01 * config.rate)
    others = config.agents / beat_interval_s + turn_events_per_s + logs_per_s + violations_per_s
    return Shares(
        beat_interval_s=beat_interval_s,
        metrics_interval_s=config.agents / (config.rate - others),
        turns_per_s=turns_per_s,
        talkers=min(config.agents, max(MIN_TALKERS, round(turns_per_s * TURN_PERIOD_S))),
        logs_per_s=logs_per_s,
        violations_per_s=violations_per_s,
    )
