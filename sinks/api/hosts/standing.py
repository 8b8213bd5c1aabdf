"""Who runs where, from memory: agents by host, how they are, and how far they are trusted."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sinks.api.live.facets import facet
from sinks.api.live.memory import Memory
from sinks.api.live.wordbook import NONE, Codes
from sinks.api.live.words import number, status_word
from sinks.api.scope import Scope

PROBE = "host:"
"""How the agent that a host's probe is begins; its name goes on with the host's."""
Line = dict[str, Any]


def standing(memory: Memory, scope: Scope) -> dict[str, Line]:
    """Of every host that an agent of the scope names: agents, by_status, trust_mean, trust_lowest, probe."""
    hosts = facet(memory, "host")
    slots = np.flatnonzero(memory.visible(scope) & (hosts.codes != NONE))
    names = {int(code): hosts.book.texts[code] or "" for code in np.unique(hosts.codes[slots])}
    probes = {code: memory.find(scope, PROBE + name) for code, name in names.items()}
    agents = slots[~np.isin(slots, [slot for slot in probes.values() if slot is not None])]
    lines = {code: nobody_on(None if slot is None else status_word(memory, slot)) for code, slot in probes.items()}
    _count(memory, lines, hosts.codes[agents], agents)
    _sum_up(lines, hosts.codes[agents], memory.trust["trust"][agents])
    return {names[code]: line for code, line in lines.items()}


def nobody_on(probe: str | None) -> Line:
    """The standing of a host without agents. `probe`: status of its probe."""
    return {"agents": 0, "by_status": {}, "trust_mean": None, "trust_lowest": None, "probe": probe}


def agents_on(memory: Memory, scope: Scope, host: str) -> list[int]:
    """Slots of the agents on a host without its probe, the least trusted first, those without a score last."""
    chosen = np.flatnonzero(memory.visible(scope) & facet(memory, "host").having(host))
    chosen = chosen[chosen != memory.find(scope, PROBE + host)]
    order = np.lexsort((memory.ranks()[chosen], np.nan_to_num(memory.trust["trust"][chosen], nan=2.0)))
    found: list[int] = chosen[order].tolist()
    return found


def _count(memory: Memory, lines: dict[int, Line], hosts: Codes, agents: npt.NDArray[np.int64]) -> None:
    """Agents of every host, in all and by status."""
    statuses = facet(memory, "status")
    many = len(statuses.book)
    pairs, counts = np.unique(hosts.astype(np.int64) * many + statuses.codes[agents], return_counts=True)
    for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
        host, status = divmod(pair, many)
        lines[host]["by_status"][statuses.book.texts[status]] = count
        lines[host]["agents"] += count


def _sum_up(lines: dict[int, Line], hosts: Codes, trust: npt.NDArray[np.float64]) -> None:
    """Mean and lowest score of every host that has any."""
    scored = np.isfinite(trust)
    hosts, trust = hosts[scored], trust[scored]
    order = np.lexsort((trust, hosts))
    codes, first, counts = np.unique(hosts[order], return_index=True, return_counts=True)
    if not codes.size:
        return
    means, lowest = np.add.reduceat(trust[order], first) / counts, trust[order][first]
    for code, mean, low in zip(codes.tolist(), means.tolist(), lowest.tolist(), strict=True):
        lines[code] |= {"trust_mean": number(mean), "trust_lowest": number(low)}
