"""In whose name an event is: the key decides; what a payload or header claims may only agree with it."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from infra.access import Principal

LONGEST_ID = 256


class Refused(Exception):  # noqa: N818  # an answer to a client, not a fault
    """The event is not taken. `status`: 403 for another's name, 422 for a name that is missing or unfit."""

    def __init__(self, status: int, slug: str, detail: str) -> None:
        self.status = status
        self.slug = slug
        super().__init__(detail)


class Name(NamedTuple):
    """Tenant and agent of an event."""

    user_id: str
    agent_id: str


class Ownership(Protocol):
    """What knows whose agents are."""

    def check(self, who: Principal, name: Name) -> None:
        """Raises `Refused` where the agent belongs to another tenant than `name` says."""
        ...


def _usable(text: str) -> bool:
    return 0 < len(text) <= LONGEST_ID and text.isprintable()


def name_of(who: Principal, agent_id: str | None, user_id: str | None, owners: Ownership) -> Name:
    """The tenant and agent of an event of `who` that claims `agent_id` and `user_id` (None: claims nothing).

    Raises `Refused`, also where the agent belongs to another tenant by what `owners` knows.
    """
    who = who.claiming(user_id, agent_id)
    agent = agent_id if agent_id is not None else who.sole_agent()
    if agent is None:
        raise Refused(422, "agent-missing", "the key names no single agent: give agentId or the header X-Agent-Id")
    tenant = who.tenant if who.tenant is not None else user_id
    if tenant is None:
        raise Refused(422, "tenant-missing", "the key is of the whole fleet: give userId")
    if not _usable(agent) or not _usable(tenant):
        raise Refused(422, "name-unfit", f"agent and user ids are 1 to {LONGEST_ID} printable characters")
    if user_id is not None and not who.sees(user_id):
        raise Refused(403, "other-tenant", "the payload names another tenant than the key")
    if not who.writes_for(agent):
        raise Refused(403, "other-agent", "the key does not write for this agent")
    name = Name(tenant, agent)
    owners.check(who, name)
    return name
