"""Whose agents somebody may see: the one place where a tenant is told from another.

Memory asks `sees`, the lake puts `CONDITIONS` into every table before a query can name it. What a scope does not hold
is not there: no route can tell it from what does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Scope:
    """`tenant`: the only `user_id` that is seen, None: all. `agents`: patterns of fnmatch, none: every agent."""

    tenant: str | None = None
    agents: tuple[str, ...] = ()

    def sees(self, user_id: str, agent_id: str) -> bool:
        """Whether the agent `agent_id` of the tenant `user_id` is within."""
        return self.sees_tenant(user_id) and self.sees_agent(agent_id)

    def sees_tenant(self, user_id: str) -> bool:
        """Whether anything of a tenant may be seen."""
        return self.tenant is None or user_id == self.tenant

    def sees_agent(self, agent_id: str) -> bool:
        """Whether an agent of that name may be seen."""
        return not self.agents or any(fnmatchcase(agent_id, pattern) for pattern in self.agents)

    def narrowed(self, tenant: str | None) -> Scope | None:
        """The part of it that is of `tenant` (None: all of it); None where nothing is."""
        if tenant is None:
            return self
        return Scope(tenant, self.agents) if self.sees_tenant(tenant) else None


TENANT, AGENT, PATTERNS = "scope_tenant", "scope_agent", "scope_patterns"
"""DuckDB variables that `CONDITIONS` read; NULL where nothing is asked."""

_OF_TENANT = f"user_id = getvariable('{TENANT}')"
_OF_AGENT = f"agent_id = getvariable('{AGENT}')"
_OF_KEY = f"TRY(decode(\"key\")) = getvariable('{AGENT}')"
_OF_PATTERN = f"len(list_filter(getvariable('{PATTERNS}'), lambda pattern: agent_id GLOB pattern)) > 0"


def conditions(scope: Scope, agent: str | None, table: str) -> list[str]:
    """SQL conditions of a table's rows within a scope, of one agent or all; they read the variables of `variables`.

    A dead letter is of nobody whose word can be taken: only the whole fleet sees it, by the key that it came under.
    Duplicates say their agent and session, no tenant: a tenant sees them by agent alone, where they are joined with
    that tenant's own sessions.
    """
    tenant, named = scope.tenant is not None, agent is not None
    if table == "deadletter":
        found = ["false"] if tenant or scope.agents else []
        return [*found, _OF_KEY] if named else found
    found = [_OF_TENANT if table != "duplicates" else "true" if named else "false"] if tenant else []
    found += [_OF_AGENT] if named else []
    return [*found, _OF_PATTERN] if scope.agents else found


def variables(scope: Scope, agent: str | None) -> dict[str, str | list[str] | None]:
    """Values of the variables that `conditions` read."""
    return {TENANT: scope.tenant, AGENT: agent, PATTERNS: list(scope.agents)}
