"""The sources' keys, `promethios_{userId}_{agentId}_{timestamp}`: anybody can make one up, so they are taken only
where a server is told to, and only from programs on the same machine.

Both ids may hold underscores, so that a text can be read in several ways. What a request says of itself (X-Agent-Id,
userId and agentId of its payload) decides where it fits one of them: `Principal.claiming`. Else the text is parted in
the middle, as all examples of the sources are meant: `promethios_test_user_test_agent_1672531200` is test_agent of
test_user.
"""

from __future__ import annotations

import re

from infra.access.limits import is_loopback
from infra.access.principal import OWN_AGENTS, OWN_TENANT, Principal, Refusal

PREFIX = "promethios_"
LONGEST = 400
"""Characters."""
_SHAPE = re.compile(r"promethios_([^\x00-\x20\x7f]+)_[A-Za-z0-9.:-]+")
_MOST_PARTS = 40


def looks_compatible(text: str) -> bool:
    """Whether a key is meant as one of the sources'."""
    return text.startswith(PREFIX)


def compat_principal(
    text: str, *, address: str, user_id: str | None = None, agent_id: str | None = None
) -> Principal | Refusal:
    """Who shows the key `text` from `address`; for servers with --compat-keys alone.

    The principal reads and writes as the one agent of the one tenant that the text names; `user_id` and `agent_id`:
    what the request says of itself.
    """
    if not is_loopback(address):
        return Refusal("not_local")
    found = _SHAPE.fullmatch(text) if len(text) <= LONGEST else None
    readings = _readings(found[1]) if found is not None else ()
    if found is None or not readings:
        return Refusal("malformed")
    tenant, agent = readings[0]
    named = Principal(f"compat:{found[1]}", agent, tenant, (agent,), "ingest", False, "compat", readings)
    return named.claiming(user_id, agent_id)


def _readings(text: str) -> tuple[tuple[str, str], ...]:
    """Every (tenant, agent) that the text may mean, the most even first; none where an id would be a pattern, and none
    that would be one of our own processes."""
    parts = text.split("_")
    if len(parts) > _MOST_PARTS or set(text) & set("*?["):
        return ()
    places = sorted(range(1, len(parts)), key=lambda place: (abs(len(parts) - 2 * place), place))
    readings = [("_".join(parts[:place]), "_".join(parts[place:])) for place in places]
    return tuple(
        (tenant, agent)
        for tenant, agent in readings
        if tenant and agent and tenant != OWN_TENANT and not agent.startswith(OWN_AGENTS)
    )
