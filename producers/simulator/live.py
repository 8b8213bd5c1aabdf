"""The run: one tick after the other against the clock, until its time is over or somebody asks it to stop."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from infra.health import publishing
from infra.runtime.clock import Clock
from infra.runtime.lifecycle import stop_on_signals
from infra.runtime.logs import get_logger
from producers.simulator.config import FleetConfig
from producers.simulator.connect import connected
from producers.simulator.fleet import Fleet
from producers.simulator.health import SimulatorHealth
from producers.simulator.papers import account, truth, write_json
from producers.simulator.rows import Tick
from producers.simulator.sender import Sender
from producers.simulator.wire import BEATS_TOPIC, TOPICS, Wire

LATE_S = 0.1
"""A tick later than this carries the time at which it was made, not that for which it was planned."""
MAX_BEHIND_S = 5.0
"""Further behind the clock than this, the rest of the plan is moved: the rate cannot be kept."""
MIN_WINDOW_US = 1_000
TRUTH_EVERY_S = 5.0
HELD_UP_S = 1.0
SHORTFALL = 0.95
_log = get_logger("simulator")


@dataclass(frozen=True)
class RunFiles:
    """Where a run writes its truth (None: nowhere) and its account; how long it waits for acknowledgements."""

    truth: Path | None
    account: Path
    drain_s: float = 20.0


class Run:
    """One fleet on its way to one broker."""

    def __init__(self, fleet: Fleet, wire: Wire, sender: Sender, clock: Clock) -> None:
        self._fleet = fleet
        self._wire = wire
        self._sender = sender
        self._clock = clock
        self.issued: Counter[str] = Counter()
        self.shifted_s = 0.0
        self._until_us = fleet.config.start_us
        self.seconds = 0.0
        self._held_up_us: list[tuple[int, int]] = []

    @property
    def ticks(self) -> int:
        """Ticks that were published so far."""
        return self._fleet.ticks

    @property
    def unacknowledged(self) -> int:
        """Events that the broker has not acknowledged yet."""
        return self._sender.pending

    async def until(self, asked: asyncio.Event, files: RunFiles) -> None:
        """Publish tick by tick until the fleet's time is over or `asked` is set, then say `stopping` for all agents.

        `seconds` is then the length of the run up to the moment at which generation stopped.
        """
        config = self._fleet.config
        began_s = next_truth_s = self._clock.monotonic_s()
        while not asked.is_set() and (config.run_s is None or self._fleet.ticks * config.tick_s < config.run_s):
            due_s = began_s + self.shifted_s + (self._fleet.ticks + 1) * config.tick_s
            await self._wait_until(due_s, asked)
            await self._wait_for_room(asked)
            behind_s = self._clock.monotonic_s() - due_s
            self._note_held_up(behind_s, began_s)
            if behind_s > MAX_BEHIND_S:
                self.shifted_s += behind_s
            if self._clock.monotonic_s() >= next_truth_s:
                self._write_truth(files, None)
                next_truth_s = self._clock.monotonic_s() + TRUTH_EVERY_S
            self._publish(self._fleet.step(self._window_us(began_s, due_s)))
        self._publish(self._fleet.stop(self._until_us))
        self.seconds = self._clock.monotonic_s() - began_s

    def _note_held_up(self, behind_s: float, began_s: float) -> None:
        """Beats that are made too late, or wait for the broker, are late indeed: the truth says when that was so."""
        waited_s = max(behind_s, self._sender.waited_s(BEATS_TOPIC, asyncio.get_running_loop().time()))
        if waited_s < HELD_UP_S:
            return
        now_us = self._fleet.config.start_us + round((self._clock.monotonic_s() - began_s) * 1e6)
        begin_us = now_us - round(waited_s * 1e6)
        if self._held_up_us and begin_us <= self._held_up_us[-1][1]:
            begin_us = min(begin_us, self._held_up_us.pop()[0])
        self._held_up_us.append((begin_us, now_us))

    def _window_us(self, began_s: float, due_s: float) -> tuple[int, int]:
        """The event time of the next tick: from the end of the last to when it was due, or to now where that is late.

        A late tick is made up for, with the stamps of the moment at which its events are really made.
        """
        start_us, now_s = self._fleet.config.start_us, self._clock.monotonic_s()
        end_s = now_s if now_s - due_s > LATE_S else due_s
        begin_us = self._until_us
        self._until_us = max(start_us + round((end_s - began_s) * 1e6), begin_us + MIN_WINDOW_US)
        return begin_us, self._until_us

    async def _wait_until(self, due_s: float, asked: asyncio.Event) -> None:
        left_s = due_s - self._clock.monotonic_s()
        if left_s <= 0:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(left_s):
                await asked.wait()
        except TimeoutError:
            return

    async def _wait_for_room(self, asked: asyncio.Event) -> None:
        """While the broker is away too much waits: then no more is made, but a stop is heard."""
        if not self._sender.room.is_set():
            waits = [asyncio.create_task(event.wait()) for event in (self._sender.room, asked)]
            _, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for task in pending:
                task.cancel()

    def _publish(self, tick: Tick) -> None:
        for shipment in self._wire.ship(tick):
            self.issued[shipment.topic] += len(shipment.values)
            self._sender.submit(shipment)

    def _write_truth(self, files: RunFiles, ended_at_us: int | None) -> None:
        if files.truth is not None:
            write_json(files.truth, truth(self._fleet, ended_at_us, self._held_up_us), setting="--truth")

    async def finish(self, files: RunFiles) -> dict[str, Any]:
        """Wait for the acknowledgements, write truth and account; the account."""
        complete = await self._sender.drain(files.drain_s)
        self._write_truth(files, self._until_us)
        paper = account(self._fleet, self._sender, self.issued, self.seconds)
        write_json(files.account, paper, setting="FLEETPULSE_DATA_DIR")
        if not complete:
            _log.error("not everything was acknowledged", unacknowledged=self._sender.pending, deadline_s=files.drain_s)
        if paper["rate_achieved"] < SHORTFALL * self._fleet.config.rate:
            _log.warning(
                "the rate was not reached",
                asked=self._fleet.config.rate,
                achieved=paper["rate_achieved"],
                shifted_s=round(self.shifted_s, 3),
            )
        return paper


async def run_fleet(config: FleetConfig, bootstrap: str, files: RunFiles, clock: Clock) -> dict[str, Any]:
    """Run a fleet against a broker until its time is over or SIGINT or SIGTERM; the account.

    The fleet starts now, whatever `config.start_us` says, once the broker is there and the kernels are compiled.
    Raises `BrokerUnreachableError`, `TopicMismatchError`, `SettingError`.
    """
    async with connected(bootstrap, TOPICS) as (producer, partitions, stamped):
        warm_up(config)
        fleet = Fleet(replace(config, start_us=round(clock.now_s() * 1e6), stamped=stamped))
        wire = Wire(fleet, partitions)
        run = Run(fleet, wire, Sender(producer), clock)
        with stop_on_signals() as asked:
            say(
                event="ready",
                process="simulator",
                agents=fleet.config.agents,
                rate=fleet.config.rate,
                pid=os.getpid(),
                beat_interval_s=round(fleet.shares.beat_interval_s, 3),
                metrics_interval_s=round(fleet.shares.metrics_interval_s, 3),
                incidents=len(fleet.incidents),
                account=str(files.account),
            )
            async with publishing(SimulatorHealth(run), bootstrap, process="simulator"):
                await run.until(asked, files)
                return await run.finish(files)


def warm_up(config: FleetConfig) -> None:
    """Compile, or load from their cache, the kernels that the first tick would otherwise wait for."""
    fleet = Fleet(replace(config, agents=2, rate=100.0, run_s=None, incidents=False))
    wire = Wire(fleet, dict.fromkeys(TOPICS, 1))
    for tick in (fleet.step(), fleet.stop()):
        for _ in wire.ship(tick):
            pass


def say(**line: object) -> None:
    """One JSON line on standard output."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
