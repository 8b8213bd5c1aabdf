"""Which agents are governed: by what their newest heartbeats say, and by who counted a policy check."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import numpy as np

from infra.access.principal import OWN_TENANT
from sinks.api.live.groups import Slots
from sinks.api.live.memory import Memory
from sinks.api.live.words import deployment
from sinks.api.scope import Scope

MOST_NAMED = 100


def coverage(memory: Memory, scope: Scope, checked: Set[tuple[str, str]]) -> dict[str, Any]:
    """In the shape of `Coverage`. `checked`: tenant and name of agents with a policy check.

    Our own processes are not among them: they evaluate no policies, and nobody expects it of them.
    """
    slots = _governable(memory, scope)
    governed = memory.recent["governance"][slots]
    off = slots[governed == 0.0]
    without = [slot for slot in slots.tolist() if (memory.users[slot], memory.agents[slot]) not in checked]
    loaded = memory.recent["policies_loaded"][slots]
    counts, times = np.unique(loaded[np.isfinite(loaded)].astype(np.int64), return_counts=True)
    return {
        "agents": int(slots.size),
        "governance_on": int((governed == 1.0).sum()),
        "governance_off": int(off.size),
        "governance_unknown": int(np.isnan(governed).sum()),
        "off": [_agent(memory, slot) for slot in off[:MOST_NAMED].tolist()],
        "checking": int(slots.size) - len(without),
        "never_checked": len(without),
        "unchecked": [_agent(memory, slot) for slot in without[:MOST_NAMED]],
        "policies_loaded": {str(count): int(agents) for count, agents in zip(counts, times, strict=True)},
    }


def _governable(memory: Memory, scope: Scope) -> Slots:
    slots = np.flatnonzero(memory.visible(scope))
    found: Slots = slots[memory.tenants.codes[slots] != memory.words.find(OWN_TENANT)]
    return found


def _agent(memory: Memory, slot: int) -> dict[str, Any]:
    return {
        "agent_id": memory.agents[slot],
        "user_id": memory.users[slot],
        "deployment_id": deployment(memory, slot),
    }
