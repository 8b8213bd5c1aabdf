"""Incidents collapse what has one cause and hide nothing that has not, in fleets of every size."""

from __future__ import annotations

import random

import pytest
from fleet_alerts import GATEWAYS, PER_HOST, Begins, common, run, unrelated
from manager_world import World

from streams.manager.state import SWEEP_FROM, State

HOUR_S = 3600.0


@pytest.mark.parametrize(
    ("agents", "per_agent_day", "hours"),
    [(100, 24, 6), (500, 24, 2), (1_000, 24, 1), (10_000, 1, 6), (10_000, 6, 1), (100_000, 1, 0.5)],
)
def test_alerts_that_have_nothing_to_do_with_each_other_are_told(
    agents: int, per_agent_day: float, hours: float
) -> None:
    dice = random.Random(1)
    found = run(World(), agents, unrelated(dice, agents, hours, per_agent_day))
    assert found.share_hidden(0) < 0.03


def _with_causes(dice: random.Random, agents: int) -> list[Begins]:
    """Two hours of alerts at random, and a host, a gateway and a third of the fleet that have a cause each."""
    behind = [agent for agent in range(agents) if agent // PER_HOST % GATEWAYS == 3]
    return [
        *unrelated(dice, agents, 2, 3),
        *common(dice, range(40, 40 + PER_HOST), 0.5 * HOUR_S, 20, "error_rate_high", 1),
        *common(dice, behind, HOUR_S, 30, "metric_anomaly", 2),
        *common(dice, dice.sample(range(agents), agents // 3), 1.5 * HOUR_S, 60, "response_time_high", 3),
    ]


@pytest.mark.parametrize("agents", [100, 1_000, 5_000])
def test_alerts_of_one_cause_are_one_incident(agents: int) -> None:
    found = run(World(), agents, _with_causes(random.Random(2), agents))
    assert found.told.get(1, 0) < 5
    assert found.told.get(2, 0) < max(5, 0.03 * agents / GATEWAYS)
    assert found.told.get(3, 0) < max(5, 0.04 * agents / 3)
    assert found.share_hidden(0) < 0.03
    assert found.incidents <= 10


def test_an_incident_ends_its_welcome_when_its_alerts_come_no_faster_than_usual() -> None:
    """At 2.4 alerts in half a minute one that comes by itself is no member of what went before it."""
    dice = random.Random(3)
    burst = common(dice, range(300), HOUR_S, 20, "metric_anomaly", 1)
    after = [begins for begins in unrelated(dice, 1_000, 3, 12) if begins.at_s > HOUR_S + 60]
    found = run(World(), 1_000, [*burst, *after])
    assert found.share_hidden(1) > 0.95
    assert found.share_hidden(0) < 0.03


def test_hosts_that_are_gone_are_forgotten() -> None:
    world = World()
    for number in range(3 * SWEEP_FROM):
        world.fire(f"a{number}", host=f"pod-{number}")
        world.resolve(f"a{number}", host=f"pod-{number}")
        world.after(world.config.forget_s + 1 if not number % 500 else 1)
    assert len(world.state.recent) <= 2 * SWEEP_FROM
    assert len(world.state.loose) <= 2 * SWEEP_FROM


def test_what_nothing_came_from_for_a_day_is_forgotten_and_its_record_with_it() -> None:
    state = State()
    for number in range(SWEEP_FROM + 1):
        state.set_usual(("deployment", f"d{number}"), (1.0, float(number), 0.0), float(number) - 100)
    assert len(state.usual) == 102
    assert ("deployment", "d0") not in state.usual
    written = dict(state.take_changes())
    assert written["u/deployment/d0"] is None
    assert written[f"u/deployment/d{SWEEP_FROM}"] is not None
