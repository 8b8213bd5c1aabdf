"""A principal as the mapping of OTLP asks it: its key, and whose agents are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from infra.access import Principal
from producers.gateway.identity import Name, Ownership, Refused


@dataclass(frozen=True, slots=True)
class OtlpWriter:
    """`writes_for` says no as well for an agent that belongs to another tenant."""

    who: Principal
    owners: Ownership

    @property
    def tenant(self) -> str | None:
        """The tenant of the key; None: the whole fleet."""
        return self.who.tenant

    def sees(self, user_id: str) -> bool:
        """Whether the key is of this tenant, or of all."""
        return self.who.sees(user_id)

    def sole_agent(self) -> str | None:
        """The agent that the key stands for."""
        return self.who.sole_agent()

    def claiming(self, user_id: str | None = None, agent_id: str | None = None) -> Self:
        """See `Principal.claiming`."""
        return type(self)(self.who.claiming(user_id, agent_id), self.owners)

    def writes_for(self, agent_id: str) -> bool:
        """Whether events in the agent's name may come from the key; an agent of nobody's is its from now on."""
        if not self.who.writes_for(agent_id) or self.who.tenant is None:
            return self.who.writes_for(agent_id)
        try:
            self.owners.check(self.who, Name(self.who.tenant, agent_id))
        except Refused:
            return False
        return True
