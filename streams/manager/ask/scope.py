"""Whose alerts somebody sees: those of one tenant, of some of its agents, or all of the fleet.

An alert without a tenant (an outage, a rule about the whole fleet, a budget) is the fleet's. A tenant's silence has the
matcher `user_id=TENANT` besides its own, so it can never keep another's alert quiet; which silences are a tenant's is
read from just that matcher.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from infra.runtime.errors import SettingError
from streams.manager.ask.picture import Picture
from streams.manager.matchers import Matcher
from streams.manager.model import Alert, Silence
from streams.manager.state import State


@dataclass(frozen=True)
class Scope:
    """`tenant` None: the whole fleet. `agents`: patterns with `*` and `?`, none: every agent."""

    tenant: str | None = None
    agents: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # Alerts of the fleet have the empty tenant: nobody is to get them by a key that names no tenant.
        if self.tenant == "":
            raise SettingError("a tenant has a name", setting="tenant")

    def has(self, alert: Alert) -> bool:
        """Whether it is somebody's affair."""
        return (self.tenant is None or alert.user_id == self.tenant) and (
            not self.agents or any(fnmatchcase(alert.agent_id, pattern) for pattern in self.agents)
        )

    @property
    def own(self) -> tuple[Matcher, ...]:
        """What every silence within it must have."""
        return () if self.tenant is None else (("user_id", "=", self.tenant),)

    def has_silence(self, silence: Silence) -> bool:
        """Whether it was made within it: it is for this tenant and for no other."""
        return self.tenant is None or (_tenants(silence.matchers) == {self.tenant} and not self.agents)

    def matchers(self, given: Sequence[Matcher]) -> tuple[Matcher, ...]:
        """Those of a silence that is to be made here. Raises `SettingError` where it could reach beyond."""
        if self.agents:
            raise SettingError(
                "this key is for some agents only, and a silence is for a whole tenant",
                setting="matchers",
                way_out="Use a key for all agents of the tenant, or acknowledge the alerts",
            )
        if self.tenant is not None and not _tenants(given) <= {self.tenant}:
            raise SettingError("a silence is for alerts of the own tenant", setting="matchers")
        return (*given, *(each for each in self.own if each not in given))


def _tenants(matchers: Sequence[Matcher]) -> set[str]:
    """Whose alerts matchers name."""
    return {value for name, operator, value in matchers if (name, operator) == ("user_id", "=")}


def within(picture: Picture, scope: Scope) -> Picture:
    """The same picture with nothing in it that is another's."""
    if scope == Scope():
        return picture
    alerts = {name: alert for name, alert in picture.state.alerts.items() if scope.has(alert)}
    state = State(
        now_s=picture.state.now_s,
        position=picture.state.position,
        alerts=alerts,
        silences={name: each for name, each in picture.state.silences.items() if scope.has_silence(each)},
        active=dict.fromkeys(name for name in picture.state.active if name in alerts),
        ended=dict.fromkeys(name for name in picture.state.ended if name in alerts),
    )
    return replace(picture, state=state, records={})
