"""What lists, groups and pictures of agents may be asked for alike: which agents."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from infra.web.problem import Problem
from sinks.api.live.facets import LABEL
from sinks.api.live.listing import Wanted
from sinks.api.models import Status

MOST_TEXTS = 20
_About = Annotated[list[str], Query(default_factory=list, max_length=MOST_TEXTS)]
_LONGEST = 500


def wanted_agents(
    status: Annotated[list[Status], Query(default_factory=list, max_length=MOST_TEXTS, description="only these")],
    deployment: _About,
    host: _About,
    version: _About,
    platform: _About,
    runtime_version: _About,
    gateway: _About,
    tenant: _About,
    department: Annotated[
        list[str],
        Query(default_factory=list, max_length=MOST_TEXTS, description="label `department` of the agents file"),
    ],
    label: Annotated[
        list[str],
        Query(
            default_factory=list,
            max_length=MOST_TEXTS,
            description="any label, as name:value",
            examples=[["tier:gold"]],
        ),
    ],
    q: Annotated[str | None, Query(max_length=200, description="part of the name, in any case")] = None,
    trust_below: Annotated[float | None, Query(ge=0, le=2, description="a score, and one below this")] = None,
) -> Wanted:
    """The agents that fit all of it. A filter that stands twice: one of its values; an empty one: who has none."""
    named = {
        "status": [str(each) for each in status],
        "deployment": deployment,
        "host": host,
        "version": version,
        "platform": platform,
        "runtime_version": runtime_version,
        "gateway": gateway,
        "tenant": tenant,
        "department": department,
    }
    for each in label:
        name, colon, text = each.partition(":")
        if not (name and colon):
            raise Problem(422, detail="label is written name:value", type="bad-label")
        named.setdefault(LABEL + name, []).append(text)
    if any(len(text) > _LONGEST for texts in named.values() for text in texts):
        raise Problem(422, detail=f"a filter has at most {_LONGEST} characters", type="bad-filter")
    return Wanted(tuple((name, tuple(texts)) for name, texts in named.items() if texts), q, trust_below)


WantedAgents = Annotated[Wanted, Depends(wanted_agents)]
