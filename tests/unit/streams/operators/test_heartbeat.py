from __future__ import annotations

import datetime

import numpy as np
import polars as pl
import pytest

from infra.runtime.errors import SettingError
from streams.operators import heartbeat
from streams.operators.arrays import SlotArrays
from streams.operators.heartbeat import FIELDS, HeartbeatConfig, Reason, Said, Status, Transitions
from streams.pipeline_config import pipeline_config

START_S = 1_790_000_000.0
CONFIG = HeartbeatConfig()


class Agent:
    """One agent that beats when told to."""

    def __init__(self, interval_s: float = 10.0) -> None:
        self.arrays = SlotArrays(FIELDS, 1)
        self.interval_s = interval_s

    def beat(
        self, at_s: float, said: Said = Said.HEALTHY, progress: float = np.nan, promise_s: float = np.nan
    ) -> list[tuple[Status, Status, Reason]]:
        one = [np.array([x]) for x in (START_S + at_s, self.interval_s, START_S + promise_s, progress)]
        slot, code = np.zeros(1, np.int32), np.array([said], np.uint8)
        return _changes(heartbeat.update(CONFIG, self.arrays, slot, *one, code))

    def beats(self, count: int, begin_s: float = 0.0) -> float:
        """Regular beats; the time of the last one."""
        for i in range(count):
            self.beat(begin_s + i * self.interval_s)
        return begin_s + (count - 1) * self.interval_s

    def look(self, at_s: float) -> list[tuple[Status, Status, Reason]]:
        return _changes(heartbeat.scan(CONFIG, self.arrays, 1, START_S + at_s))


def _changes(found: Transitions) -> list[tuple[Status, Status, Reason]]:
    return [
        (Status(int(a)), Status(int(b)), Reason(int(c)))
        for a, b, c in zip(found.previous, found.status, found.reason, strict=True)
    ]


def test_the_first_beat_brings_an_agent_online() -> None:
    agent = Agent()
    assert agent.look(1e6) == []
    assert agent.beat(0) == [(Status.UNKNOWN, Status.ONLINE, Reason.FIRST_BEAT)]
    assert agent.beat(10) == []


def test_silence_is_late_then_offline_then_a_beat_brings_it_back() -> None:
    agent = Agent()
    last_s = agent.beats(5)
    assert agent.look(last_s + 15) == []
    assert agent.look(last_s + 30) == [(Status.ONLINE, Status.LATE, Reason.DEADLINE_MISSED)]
    assert agent.look(last_s + 31) == []
    assert agent.look(last_s + 60) == [(Status.LATE, Status.OFFLINE, Reason.DEADLINE_MISSED)]
    assert agent.look(last_s + 9999) == []
    assert agent.beat(last_s + 10_000) == [(Status.OFFLINE, Status.ONLINE, Reason.BEAT_LATE)]


def test_a_beat_in_time_after_late_is_beat_late() -> None:
    agent = Agent()
    last_s = agent.beats(5)
    agent.look(last_s + 30)
    assert agent.beat(last_s + 31) == [(Status.LATE, Status.ONLINE, Reason.BEAT_LATE)]


def test_a_new_agent_has_a_start_grace() -> None:
    fresh, old = Agent(1.0), Agent(1.0)
    fresh.beat(0)
    last_s = old.beats(5)
    assert fresh.look(5) == []
    assert old.look(last_s + 5) == [(Status.ONLINE, Status.OFFLINE, Reason.DEADLINE_MISSED)]


def test_a_promise_holds_the_deadline_and_teaches_nothing() -> None:
    agent = Agent()
    last_s = agent.beats(5)
    agent.beat(last_s + 10, promise_s=last_s + 1200)
    loss = agent.arrays["loss"][0]
    assert agent.look(last_s + 1200) == []
    agent.beat(last_s + 1190)
    assert agent.arrays["loss"][0] == loss
    assert agent.look(last_s + 1190 + 30) == [(Status.ONLINE, Status.LATE, Reason.DEADLINE_MISSED)]


def test_a_broken_promise_is_a_missed_deadline() -> None:
    agent = Agent()
    agent.beats(5)
    agent.beat(50, promise_s=600)
    assert agent.look(700) == [(Status.ONLINE, Status.OFFLINE, Reason.DEADLINE_MISSED)]


def test_a_failure_that_is_said_is_not_a_missed_deadline() -> None:
    agent = Agent()
    last_s = agent.beats(3)
    assert agent.beat(last_s + 10, Said.FAILED) == [(Status.ONLINE, Status.OFFLINE, Reason.EXPLICIT_FAILURE)]
    assert agent.look(1e6) == []
    assert agent.beat(last_s + 20) == [(Status.OFFLINE, Status.ONLINE, Reason.BEAT_LATE)]


def test_stopping_is_offline_on_purpose() -> None:
    agent = Agent()
    last_s = agent.beats(3)
    assert agent.beat(last_s + 1, Said.STOPPING) == [(Status.ONLINE, Status.STOPPED, Reason.STOPPED)]
    assert heartbeat.STATUS_TEXT[Status.STOPPED] == "offline"
    assert agent.look(1e6) == []
    loss = agent.arrays["loss"][0]
    assert agent.beat(9000) == [(Status.STOPPED, Status.ONLINE, Reason.BEAT)]
    assert agent.arrays["loss"][0] == loss
    assert agent.arrays["beats"][0] == 1


def test_beats_without_progress_are_degraded_until_it_moves() -> None:
    agent = Agent()
    changes = [agent.beat(10.0 * i, progress=7) for i in range(12)]
    assert changes[10] == [(Status.ONLINE, Status.DEGRADED, Reason.NO_PROGRESS)]
    assert agent.beat(120, progress=8) == [(Status.DEGRADED, Status.ONLINE, Reason.BEAT)]


def test_an_agent_that_calls_itself_degraded_is() -> None:
    agent = Agent()
    agent.beats(2)
    assert agent.beat(20, Said.DEGRADED) == [(Status.ONLINE, Status.DEGRADED, Reason.EXPLICIT_FAILURE)]
    assert agent.look(200) == [(Status.DEGRADED, Status.OFFLINE, Reason.DEADLINE_MISSED)]


def test_a_clock_that_was_set_back_begins_anew() -> None:
    agent = Agent()
    agent.beats(3, begin_s=3600)
    agent.beat(0)
    assert agent.arrays["last_s"][0] == START_S
    assert agent.look(2000) == [(Status.ONLINE, Status.OFFLINE, Reason.DEADLINE_MISSED)]


def test_an_undeclared_interval_is_taken_from_the_first_gap() -> None:
    agent = Agent(np.nan)
    for i in range(5):
        agent.beat(12.0 * i)
    assert agent.arrays["interval_s"][0] == pytest.approx(12.0, abs=0.01)


def test_a_beat_that_was_sent_twice_teaches_no_interval() -> None:
    agent = Agent(np.nan)
    agent.beat(0.0)
    agent.beat(0.1)
    assert agent.look(60) == []
    for at_s in (30.0, 60.0, 90.0):
        agent.beat(at_s)
    assert agent.arrays["interval_s"][0] == pytest.approx(30.0, abs=0.1)
    assert agent.arrays["loss"][0] < 0.005
    assert agent.look(130) == []
    assert agent.look(300) == [(Status.ONLINE, Status.OFFLINE, Reason.DEADLINE_MISSED)]


def test_the_first_gap_after_a_beat_that_was_sent_twice_teaches_the_interval() -> None:
    agent = Agent(np.nan)
    for at_s in (0.0, 0.1, 60.1, 120.1):
        agent.beat(at_s)
    assert agent.arrays["interval_s"][0] == pytest.approx(60.0, abs=0.1)
    assert agent.look(190) == []


def test_an_agent_that_beats_fast_and_declares_nothing_comes_down_to_the_least_interval() -> None:
    agent = Agent(np.nan)
    for i in range(1000):
        agent.beat(1.0 * i)
    assert agent.arrays["interval_s"][0] == pytest.approx(CONFIG.least_interval_s, rel=0.01)
    assert agent.look(1000 + 15) == []
    assert agent.look(1000 + 60) == [(Status.ONLINE, Status.OFFLINE, Reason.DEADLINE_MISSED)]


@pytest.mark.parametrize("least_s", [-1.0, 31.0, np.nan])
def test_a_least_interval_that_is_none_is_refused(least_s: float) -> None:
    with pytest.raises(SettingError, match="--least-interval"):
        pipeline_config(least_interval_s=least_s)


def test_the_least_interval_may_be_set() -> None:
    assert pipeline_config(least_interval_s=0.5).heartbeat.least_interval_s == 0.5
    assert pipeline_config().heartbeat == CONFIG


def test_what_an_agent_declares_may_be_below_the_least_interval() -> None:
    agent = Agent(0.5)
    last_s = agent.beats(100)
    assert agent.arrays["interval_s"][0] == pytest.approx(0.5)
    assert agent.look(last_s + 1) == []
    assert agent.look(last_s + 3) == [(Status.ONLINE, Status.OFFLINE, Reason.DEADLINE_MISSED)]


def test_an_interval_of_before_the_floor_is_learned_anew() -> None:
    agent = Agent(np.nan)
    agent.beat(0.0)
    agent.arrays["interval_s"][0], agent.arrays["beats"][0] = 0.1, 50
    agent.beat(30.0)
    assert agent.arrays["interval_s"][0] == pytest.approx(30.0)
    assert agent.look(60) == []


def test_an_interval_that_is_declared_anew_counts_at_once() -> None:
    agent = Agent(10.0)
    agent.beats(5)
    agent.interval_s = 60.0
    agent.beat(50)
    assert agent.arrays["interval_s"][0] == pytest.approx(60.0)
    assert agent.look(100) == []


def test_thirty_second_beats_with_jitter_and_loss_meet_the_bar() -> None:
    """10 % jitter, 1 % loss: mean timeout at most 4.5 intervals, at most one false suspicion an agent-year."""
    agents, rounds, interval_s = 500, 1200, 30.0
    rng = np.random.default_rng(8)
    arrays = SlotArrays(FIELDS, agents)
    timeouts, false = [], 0
    for i in range(rounds):
        here = np.flatnonzero(rng.random(agents) > 0.01).astype(np.int32)
        at_s = START_S + i * interval_s + rng.normal(0, 0.1 * interval_s, here.size)
        false += int((arrays["offline_at_s"][here] < at_s).sum())
        nothing = np.full(here.size, np.nan)
        declared = np.full(here.size, interval_s)
        heartbeat.update(CONFIG, arrays, here, at_s, declared, nothing, nothing, np.zeros(here.size, np.uint8))
        if i > 200:
            timeouts.append(np.mean(arrays["offline_at_s"][here] - at_s) / interval_s)
    assert np.mean(timeouts) <= 4.5
    assert false == 0


def test_a_frame_becomes_columns() -> None:
    at = datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC)
    frame = pl.DataFrame(
        {
            "timestamp": [at, at, at],
            "interval_s": [5.0, None, 5.0],
            "next_beat_by": [None, at + datetime.timedelta(minutes=20), None],
            "progress": [3, None, 4],
            "status": ["healthy", "stopping", "odd"],
        }
    ).with_columns(pl.col("timestamp", "next_beat_by").cast(pl.Datetime("us", "UTC")))
    beats = heartbeat.beats_of(frame)
    assert beats.event_time_s.tolist() == [at.timestamp()] * 3
    assert beats.next_beat_by_s[1] == at.timestamp() + 1200
    assert np.isnan(beats.next_beat_by_s[0])
    assert beats.said.tolist() == [Said.HEALTHY, Said.STOPPING, Said.HEALTHY]
    assert np.isnan(beats.interval_s[1])
    assert beats.progress[[0, 2]].tolist() == [3.0, 4.0]


def test_gaps_tell_how_many_beats_they_lack() -> None:
    arrays, missed = SlotArrays(FIELDS, 1), np.full(6, np.nan)
    time_s = 1_790_000_000.0 + np.array([0.0, 5.0, 20.0, 15.0, 60.0, 65.0])
    promised_s = np.array([np.nan, np.nan, time_s[4], np.nan, np.nan, np.nan])
    intervals, progress = np.full(6, 5.0), np.full(6, np.nan)
    slots, said = np.zeros(6, np.int32), np.zeros(6, np.uint8)
    heartbeat.update(
        HeartbeatConfig(), arrays, slots, time_s, intervals, promised_s, progress, said, missed
    )  # fmt: skip
    np.testing.assert_array_equal(missed, [np.nan, 0.0, 2.0, np.nan, np.nan, 0.0])


class Clocked(Agent):
    """An agent whose clock is ahead of the broker's by `ahead_s`; all times are the broker's."""

    def __init__(self, interval_s: float = 10.0, ahead_s: float = 0.0) -> None:
        super().__init__(interval_s)
        self.ahead_s = ahead_s

    def beat(
        self, at_s: float, said: Said = Said.HEALTHY, progress: float = np.nan, promise_s: float = np.nan
    ) -> list[tuple[Status, Status, Reason]]:
        return self.sent(at_s, at_s, said, progress, promise_s)

    def sent(
        self, sent_s: float, at_s: float, said: Said = Said.HEALTHY, progress: float = np.nan, promise_s: float = np.nan
    ) -> list[tuple[Status, Status, Reason]]:
        """A beat of `sent_s` that arrives at `at_s`."""
        own, promised = START_S + sent_s + self.ahead_s, START_S + promise_s + self.ahead_s
        one = [np.array([x]) for x in (own, self.interval_s, promised, progress)]
        code, arrived_s = np.array([said], np.uint8), np.array([START_S + at_s])
        return _changes(heartbeat.update(CONFIG, self.arrays, np.zeros(1, np.int32), *one, code, arrived_s=arrived_s))


@pytest.mark.parametrize("ahead_s", [-3600.0, 3600.0, -1e9, 1e9])
def test_a_wrong_clock_alarms_nobody_and_hides_no_death(ahead_s: float) -> None:
    agent = Clocked(ahead_s=ahead_s)
    for i in range(50):
        assert agent.beat(10.0 * i) == ([(Status.UNKNOWN, Status.ONLINE, Reason.FIRST_BEAT)] if i == 0 else [])
        assert agent.look(10.0 * i + 9) == []
    assert agent.arrays["skew_s"][0] == pytest.approx(-ahead_s, rel=1e-6)
    assert agent.look(490 + 60) == [(Status.ONLINE, Status.OFFLINE, Reason.DEADLINE_MISSED)]


@pytest.mark.parametrize("jump_s", [-3600.0, -300.0, 300.0, 3600.0])
def test_a_clock_that_is_set_loses_no_beat(jump_s: float) -> None:
    agent = Clocked()
    agent.beats(10)
    agent.ahead_s = jump_s
    for i in range(10, 60):
        assert agent.beat(10.0 * i) == []
        assert agent.look(10.0 * i + 9) == []
    assert agent.arrays["beats"][0] == 60
    assert agent.arrays["skew_s"][0] == pytest.approx(-jump_s, abs=10)


@pytest.mark.parametrize("jump_s", [-3600.0, -300.0, 300.0])
def test_a_stopped_agent_is_back_with_a_session_of_its_own_whatever_its_clock_says(jump_s: float) -> None:
    def beat(at_s: float, sent_s: float, session: int, said: Said = Said.HEALTHY) -> None:
        one = [np.array([x]) for x in (START_S + sent_s, 10.0, np.nan, np.nan)]
        arrived_s = np.array([START_S + at_s])
        more = {"arrived_s": arrived_s, "session": np.array([session])}
        heartbeat.update(CONFIG, arrays, np.zeros(1, np.int32), *one, np.array([said], np.uint8), **more)

    arrays = SlotArrays(FIELDS, 1)
    for i in range(5):
        beat(10.0 * i, 10.0 * i, 1)
    beat(45, 45, 1, Said.STOPPING)
    beat(52, 42, 1)
    assert arrays["status"][0] == Status.STOPPED
    beat(55, 55 + jump_s, 2)
    assert arrays["status"][0] == Status.ONLINE
    assert arrays["skew_s"][0] == pytest.approx(-jump_s)


def test_a_promise_is_kept_in_the_clock_of_who_gave_it() -> None:
    for ahead_s in (-3600.0, 0.0, 3600.0):
        agent = Clocked(ahead_s=ahead_s)
        agent.beats(5)
        agent.beat(50, promise_s=1250)
        assert agent.look(1250) == []
        assert agent.look(1350) == [(Status.ONLINE, Status.OFFLINE, Reason.DEADLINE_MISSED)]


def test_a_promised_pause_is_no_lack_of_progress() -> None:
    agent = Clocked()
    for i in range(5):
        agent.beat(10.0 * i, progress=7)
    agent.beat(50, progress=7, promise_s=1250)
    assert agent.beat(1250, progress=7) == []
    changes = [agent.beat(1250 + 10.0 * i, progress=7) for i in range(1, 8)]
    assert [change for change in changes if change] == [[(Status.ONLINE, Status.DEGRADED, Reason.NO_PROGRESS)]]


def test_an_agent_without_a_progress_counter_is_never_degraded() -> None:
    agent = Clocked()
    agent.beats(100)
    assert agent.arrays["status"][0] == Status.ONLINE


def test_a_spool_that_is_sent_at_once_teaches_nothing() -> None:
    agent = Clocked()
    agent.beats(20)
    before = [agent.arrays[name][0] for name in ("interval_s", "jitter_s2")]
    for i in range(20, 40):
        agent.sent(10.0 * i, 400.0)
    assert agent.arrays["interval_s"][0] == pytest.approx(before[0], rel=0.02)
    agent.beat(410)
    assert agent.look(425) == []
    assert agent.arrays["skew_s"][0] == pytest.approx(0, abs=1)


def test_a_late_double_is_no_sign_of_life() -> None:
    agent = Clocked()
    agent.beats(3)
    assert agent.beat(25, Said.STOPPING) == [(Status.ONLINE, Status.STOPPED, Reason.STOPPED)]
    assert agent.sent(20, 100) == []
    assert agent.arrays["last_s"][0] == START_S + 25


def test_beat_grace_is_apart_from_start_grace() -> None:
    arrays = {}
    for grace_s in (0.0, 7.0):
        config = HeartbeatConfig(start_grace_s=50.0, beat_grace_s=grace_s)
        found = SlotArrays(FIELDS, 1)
        for i in range(5):
            one = [np.array([x]) for x in (START_S + 10.0 * i, 10.0, np.nan, np.nan)]
            heartbeat.update(config, found, np.zeros(1, np.int32), *one, np.zeros(1, np.uint8))
        arrays[grace_s] = found["offline_at_s"][0]
    assert arrays[7.0] - arrays[0.0] == pytest.approx(7.0)


def test_state_of_an_older_program_is_read_on() -> None:
    old = Clocked()
    last_s = old.beats(5)
    columns = {name: array for name, array in old.arrays.take([0]).items() if name not in ("event_s", "skew_s")}
    agent = Clocked()
    agent.arrays.put([0], columns)
    agent.beat(last_s)
    assert agent.arrays["beats"][0] == 5
    agent.beat(last_s + 10)
    assert agent.arrays["beats"][0] == 6
