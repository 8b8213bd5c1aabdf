"""What the routes of one API process share."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path

from fastapi import Request

from infra.access import AuditTrail, KeyDirectory, Principal, Session, Sessions
from infra.access.code_flow import CodeFlow
from infra.runtime.clock import Clock, SystemClock
from infra.runtime.trust_settings import TrustSettings
from infra.web.call import principal
from infra.web.options import WebOptions
from infra.web.problem import unavailable
from infra.web.sign_in import SignIn
from sinks.api.alerts.desk import AlertDesk
from sinks.api.kept import Kept
from sinks.api.labels.watch import LabelsWatch
from sinks.api.live.fleet import Fleets
from sinks.api.live.follow import Follower
from sinks.api.live.memory import Memory
from sinks.api.live.recent import Recent
from sinks.api.live.viewers import Viewers
from sinks.api.overview.overview import Overviews
from sinks.api.past.pool import LakePool
from sinks.api.pipeline.flow import Flow
from sinks.api.rules.book import RulesBook
from sinks.api.scope import Scope
from sinks.api.times import at_s, iso_us
from sinks.api.trends.rollups import Rollups
from sinks.api.views.shelf import Shelf
from sinks.lake.sql_process import Spares

PICTURE_KEPT_S = 1.0
"""How long groups of agents are told as they were: of 100,000 they take 30 ms or so, and many look at them."""


@dataclass
class World:
    """`lake`: folder of the lake; `rules`: the file of alert rules that may be replaced, None: none may.
    `directory`: of the keys, so that a stream ends with the key that opened it."""

    bootstrap: str
    lake: Path
    trust: TrustSettings = field(default_factory=TrustSettings)
    rules: Path | None = None
    clock: Clock = field(default_factory=SystemClock)
    directory: KeyDirectory | None = None
    audit: AuditTrail = field(default_factory=lambda: AuditTrail("", "fleetpulse:api:unsent"))
    agents_file: Path | None = None
    """What is said of agents beside what they say themselves; None: nothing."""
    oidc: CodeFlow | None = None
    """How people sign in at an issuer; None: they do not."""
    data_dir: Path | None = None
    web: WebOptions | None = None
    """What the server was told, to be told; None: not known."""

    def __post_init__(self) -> None:
        self.memory = Memory()
        self.viewers = Viewers(self.memory)
        self.follower = Follower(self.bootstrap, self.memory, self.clock, self.viewers.wake)
        self.past = LakePool(self.lake)
        self.recent = Recent(self.lake, self.memory, self.clock)
        self.labels = LabelsWatch(self.agents_file, self.memory)
        self.pictures: Kept[Hashable, bytes] = Kept(self.clock, PICTURE_KEPT_S)
        self.fleets = Fleets(self.memory, self.clock)
        self.desk = AlertDesk(self.bootstrap)
        self.book = RulesBook(self.rules)
        self.shelf = Shelf(self.bootstrap)
        self.spares = Spares()
        self.rollups = Rollups(self.lake, self.clock)
        self.pipeline = Flow(self.bootstrap, self.clock)
        self.overviews = Overviews(
            self.memory, self.viewers, self.past, self.lake, self.clock, self.desk.ask,
            lambda: self.follower.as_of_us,
        )  # fmt: skip

    @cached_property
    def sign_in(self) -> SignIn:
        """How browsers get sessions; without a directory of keys nobody has one."""
        directory = KeyDirectory(os.urandom(32)) if self.directory is None else self.directory
        issuer = self.oidc.name if self.oidc is not None else ""
        return SignIn(Sessions(directory), audit=self.audit, issuer=issuer, now_s=self.clock.now_s)

    def still_valid(self, who: Principal, session: Session | None = None) -> bool:
        """Whether a key or session that was shown a while ago would still be taken; a token is until its stream ends
        by itself."""
        if session is not None and self.sign_in.sessions.is_over(session, self.clock.now_s()):
            return False
        if self.directory is None or who.via != "key":
            return True
        entry = self.directory.entry(who.id.removeprefix("key:"))
        return entry is not None and self.clock.now_s() < min(entry.revoked_s, entry.expires_s)

    def parts(self) -> list[Coroutine[None, None, None]]:
        """What runs as long as the process does."""
        return [
            follow(self.directory, self.bootstrap),
            self.sign_in.sessions.book.follow(self.bootstrap),
            self.follower.run(),
            self.recent.run(),
            self.overviews.run(),
            self.labels.run(),
            self.shelf.run(),
            self.rollups.run(),
            self.pipeline.run(),
            self.book.read_ahead(self.follower.whole),
        ]

    def told(self) -> dict[str, str]:
        """What the ready line says."""
        return {"lake": str(self.lake), "as_of": iso_us(self.follower.as_of_us) or ""}

    def gauges(self) -> list[tuple[str, str, Callable[[], float]]]:
        """Name, description and reading of what Prometheus is told."""
        return [
            ("agents", "Agents in memory", lambda: len(self.memory)),
            ("memory_age_seconds", "Age of the memory", self.follower.age_s),
            ("viewers", "Viewers of changes", lambda: self.viewers.present),
            ("lake_questions", "Questions that the lake answered", lambda: self.past.questions),
        ]

    def now(self) -> datetime:
        """The time, UTC."""
        return at_s(self.clock.now_s())


async def follow(directory: KeyDirectory | None, bootstrap: str) -> None:
    """Keep the directory of keys current; without one there is nothing to do."""
    if directory is not None:
        await directory.follow(bootstrap)


def scope_of(who: Principal, agent_id: str | None = None) -> Scope:
    """What a principal sees; `agent_id`: the agent that they ask for: a compatibility key has readings."""
    who = who.claiming(agent_id=agent_id)
    return Scope(who.tenant, who.agents)


def world_of(request: Request) -> World:
    """The world of the app that a request came to."""
    world = request.app.state.world
    assert isinstance(world, World)
    return world


def scope_in(request: Request, agent_id: str | None = None) -> Scope:
    """What the caller of a request sees."""
    return scope_of(principal(request), agent_id)


def whole_memory(request: Request) -> Memory:
    """The memory, once it was whole. Raises `Problem` 503 before that: what is missing then may be there."""
    world = world_of(request)
    if not world.follower.as_of_us:
        raise unavailable("the latest state is still being read", type="starting")
    return world.memory
