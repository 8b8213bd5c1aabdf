"""Who asks, and what they may: roles, tenant, agents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Literal, TypeAlias

Role: TypeAlias = Literal["ingest", "viewer", "operator", "admin"]
"""ingest writes events and reads nothing; viewer reads; operator reads, acknowledges and silences; admin does all."""

Via: TypeAlias = Literal["key", "oidc", "compat", "local"]

IMPLIED: Mapping[Role, frozenset[Role]] = MappingProxyType(
    {
        "ingest": frozenset({"ingest"}),
        "viewer": frozenset({"viewer"}),
        "operator": frozenset({"viewer", "operator"}),
        "admin": frozenset({"ingest", "viewer", "operator", "admin"}),
    }
)
"""What each role includes."""

OWN_TENANT = "fleetpulse"
OWN_AGENTS = "fleetpulse:"
"""Tenant and prefix of the agents that our own processes are (infra.health): nobody else may write in their name."""
_WILD = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who has been recognised.

    `id` names them in logs and in the audit trail and is no secret: `key:LOOKUP`, `oidc:SUBJECT`. `tenant` None: the
    whole fleet. `agents`: patterns as in fnmatch, of the agents that they write for; () = every agent of the tenant.
    `readings`: of a compatibility key whose text can be read in several ways, every (tenant, agent).
    """

    id: str
    name: str
    tenant: str | None
    agents: tuple[str, ...]
    role: Role
    sql: bool
    via: Via
    readings: tuple[tuple[str, str], ...] = ()

    def may(self, needed: Role) -> bool:
        """Whether their role includes `needed`. A compatibility key reads and writes, as the sources' keys do."""
        return needed in IMPLIED[self.role] or (self.via == "compat" and needed == "viewer")

    def sees(self, user_id: str) -> bool:
        """Whether they may know of what belongs to the tenant `user_id`."""
        return self.tenant is None or self.tenant == user_id

    def writes_for(self, agent_id: str) -> bool:
        """Whether events in the name of `agent_id` may come from them."""
        if agent_id.startswith(OWN_AGENTS) and self.tenant not in {None, OWN_TENANT}:
            return False
        return not self.agents or any(fnmatchcase(agent_id, pattern) for pattern in self.agents)

    def sole_agent(self) -> str | None:
        """The agent that they stand for, where it is exactly one, without wildcard."""
        if len(self.agents) == 1 and not _WILD & set(self.agents[0]):
            return self.agents[0]
        return None

    def claiming(self, user_id: str | None = None, agent_id: str | None = None) -> Principal:
        """Themselves, where a payload names `user_id` and `agent_id`: of a compatibility key the reading that fits.

        Nothing is granted by it: where no reading fits, or there is one only, it is the same principal, and `sees`
        and `writes_for` say no.
        """
        for tenant, agent in self.readings:
            if user_id in {None, tenant} and agent_id in {None, agent}:
                return replace(self, tenant=tenant, agents=(agent,))
        return self


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nobody was recognised. `reason` is for logs, counters and the audit trail; a client is only told 401 (503 where
    `not_ready`). `lookup`: the public part of the key that was shown, if it had one.

    Of keys: malformed, unknown, mismatch, expired, revoked, other_secret, not_ready, not_local. Of tokens: malformed,
    too_long, algorithm, unknown_signer, signature, claims, expired, no_role, no_tenant, issuer_away.
    """

    reason: str
    lookup: str | None = None
    detail: str = ""
