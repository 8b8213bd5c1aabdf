"""What the headline of an outage or incident says, kept true while it grows and shrinks.

The headline in the alert manager's own records follows every summary. People are told again only when a root is twice
as large as what they were told last, and not more often than once a window: an outage that grows from three agents to
a thousand makes at most nine messages, and PagerDuty and Alertmanager put them on the incident that is open.
"""

from __future__ import annotations

from streams.manager.model import Alert, Group, total
from streams.manager.state import GroupKey
from streams.manager.turn import Turn

_MOST_NAMES = 3


def key_of(root: Alert) -> GroupKey:
    """The group that a root is about: its `agent_id` is KIND:NAME."""
    kind, _, name = root.agent_id.partition(":")
    return kind, name


def group_of(turn: Turn, root: Alert) -> Group:
    """What is known of the group that a root is about."""
    return total(turn.state.groups.get(key_of(root), {}))


def share_down(group: Group) -> float:
    """Share of a group's agents whose beats are missing, 0 to 1."""
    return group.overdue / group.agents if group.agents else 0.0


def count_outage(root: Alert, group: Group) -> bool:
    """Have an outage say how many agents are down now; whether that changed anything."""
    before = (root.size, root.summary, root.evidence)
    root.size = round(group.overdue)
    root.worst = max(root.worst, root.size)
    root.value = share_down(group)
    root.summary = f"{_subject(root)}: {_down(root, group)}"
    counts = {"agents": group.agents, "late": group.late, "offline": group.offline}
    found = counts | {"down": root.size, "down_at_the_worst": root.worst}
    root.evidence = {name: f"{count:.0f}" for name, count in found.items()}
    return before != (root.size, root.summary, root.evidence)


def end_of_outage(root: Alert, group: Group) -> None:
    """Have an outage say how it ended."""
    count_outage(root, group)
    worst = f"{root.worst:,} were down at the worst"
    if not group.agents:
        left = f"none of its agents is watched any more; {worst}"
    elif root.size:
        left = f"no longer an outage, {root.size:,} of {_agents(group.agents)} still down; {worst}"
    else:
        left = f"all {_agents(group.agents)} are back; {worst}"
    root.summary = f"{_subject(root)}: {left}"


def count_incident(turn: Turn, root: Alert) -> None:
    """Have an incident say how many alerts belong to it, and how many of them are not over."""
    root.size = root.worst = root.member_count
    still = "all" if root.open_members >= root.member_count else f"{root.open_members:,}"
    root.summary = f"{_subject(root)}: {root.member_count:,} alerts that began close together, {still} still firing"
    root.summary += _kinds(root)
    turn.state.changed("a", root.fingerprint)


def end_of_incident(root: Alert) -> None:
    """Have an incident say that it is over."""
    root.summary = f"{_subject(root)}: all {root.member_count:,} alerts of it are over"


def begin_incident(root: Alert, window_s: float) -> None:
    """Have an incident say what began."""
    root.size = root.worst = root.member_count
    root.summary = f"{_subject(root)}: {root.member_count:,} alerts began within {window_s:.0f} s{_kinds(root)}"


def count_member(root: Alert, alert: Alert) -> None:
    """Have an incident's evidence say how many alerts of each name belong to it."""
    root.evidence[alert.name] = str(int(root.evidence.get(alert.name, "0")) + 1)


def _kinds(root: Alert) -> str:
    """The names that most alerts of an incident have, where not all share one by its definition."""
    if key_of(root)[0] == "name" or not root.evidence:
        return ""
    names = sorted(root.evidence, key=lambda name: (-int(root.evidence[name]), name))
    more = " and others" if len(names) > _MOST_NAMES else ""
    return f" ({', '.join(names[:_MOST_NAMES])}{more})"


def _subject(root: Alert) -> str:
    kind, name = key_of(root)
    return name if kind == "name" else f"{kind} {name}"


def _agents(count: float) -> str:
    return "1 agent" if round(count) == 1 else f"{count:,.0f} agents"


def _down(root: Alert, group: Group) -> str:
    worst = f", {root.worst:,} at the worst" if root.worst > root.size else ""
    return f"{root.size:,} of {_agents(group.agents)} down (no heartbeat){worst}"
