"""Who an OTLP resource is: agent, tenant, deployment, host; and whether the key may write for it.

The tenant is that of the key, whatever a resource says: where one names another tenant, or names an agent outside the
key's patterns, nothing of it is taken. `service.name` names an agent but claims nothing: under the key of one agent all
is that agent's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

from producers.otlp.values import Attributes, text

LONGEST_ID = 256
TENANT = ("fleet.user.id", "fleet.user_id", "fleet.tenant.id", "fleet.tenant")
AGENT = ("fleet.agent.id", "fleet.agent_id")
DEPLOYMENT = (
    "fleet.deployment.id",
    "fleet.deployment_id",
    "deployment.id",
    "deployment.name",
    "deployment.environment.name",
    "deployment.environment",
    "k8s.deployment.name",
)
HOST = ("host.name", "k8s.node.name", "host.id")
_NOBODY = "unknown_service"


class Writer(Protocol):
    """What is asked of the key: `infra.access.Principal` is one."""

    @property
    def tenant(self) -> str | None: ...
    def sees(self, user_id: str) -> bool: ...
    def writes_for(self, agent_id: str) -> bool: ...
    def sole_agent(self) -> str | None: ...
    def claiming(self, user_id: str | None = None, agent_id: str | None = None) -> Self: ...


@dataclass(frozen=True, slots=True)
class Source:
    """`settled`: the agent is known for certain: spans do not name another. `user_id` as the resource claims."""

    agent_id: str
    settled: bool
    user_id: str | None
    deployment_id: str | None
    host: str | None
    version: str | None
    writer: Writer

    def agent_called(self, name: str | None) -> str:
        """The agent of something that names one: it, where the key may write for it; else that of the resource."""
        if self.settled or name is None or not _usable(name) or not self.writer.writes_for(name):
            return self.agent_id
        return name


class ForbiddenError(Exception):
    """The resource is in another's name, or in nobody's."""


def source_of(attributes: Attributes, writer: Writer, header_agent: str | None = None) -> Source:
    """The source of a resource's data; `header_agent`: what X-Agent-Id said. Raises `ForbiddenError`."""
    tenant, claimed = text(attributes, *TENANT), text(attributes, *AGENT, limit=LONGEST_ID + 1)
    writer = writer.claiming(tenant, claimed)
    if tenant is not None and not writer.sees(tenant):
        raise ForbiddenError("the resource names another tenant than the key")
    if tenant is None and writer.tenant is None:
        raise ForbiddenError("the key is of the whole fleet: the resource attribute fleet.user.id is needed")
    sole = writer.sole_agent()
    agent = claimed or sole or _named(attributes, header_agent)
    if agent is None:
        raise ForbiddenError("no agent: set service.name, gen_ai.agent.id or fleet.agent.id")
    if not _usable(agent) or not writer.writes_for(agent):
        raise ForbiddenError("the key does not write for the agent that the resource names")
    return Source(
        agent_id=agent,
        settled=agent in {claimed, sole},
        user_id=tenant,
        deployment_id=text(attributes, *DEPLOYMENT),
        host=text(attributes, *HOST),
        version=text(attributes, "service.version", limit=128),
        writer=writer,
    )


def _named(attributes: Attributes, header_agent: str | None) -> str | None:
    given = text(attributes, "gen_ai.agent.id", limit=LONGEST_ID + 1) or header_agent
    service = text(attributes, "service.name", limit=LONGEST_ID + 1)
    if given or (service and not service.startswith(_NOBODY)):
        return given or service
    host = text(attributes, *HOST)
    return f"host:{host}" if host else service


def _usable(name: str) -> bool:
    return 0 < len(name) <= LONGEST_ID and name.isprintable()
