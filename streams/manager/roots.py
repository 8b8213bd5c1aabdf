"""One cause, one alert: outages (a host, gateway or deployment whose agents are overdue) and incidents (alerts that
share something and begin together). Their members are written, but nobody is told of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from streams.manager.life import Roots, begin, end, release
from streams.manager.model import MOST_MEMBERS, Alert, Group, total
from streams.manager.state import GroupKey
from streams.manager.telling import announce, plan, reconsider
from streams.manager.turn import Turn
from streams.rules.values import RANK

OUTAGE_KINDS = ("gateway", "host", "deployment")
_ALONE = frozenset({"outage", "incident", "fleet", "budget", "watchdog"})
"""Kinds that belong to no incident: each says something of many agents itself."""
_OVERDUE_NAMES = frozenset({"agent_late", "agent_offline"})


def fingerprint(name: str, key: GroupKey) -> str:
    """32 hexadecimal digits of an alert of a group: as rules make theirs, over name and labels."""
    text = f"{name}\x1e{key[0]}\x1f{key[1]}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def is_overdue(alert: Alert) -> bool:
    """Whether the alert says that beats of an agent are missing."""
    return alert.rule_kind == "absence" or (
        alert.name in _OVERDUE_NAMES
        or (alert.rule_kind == "status" and alert.labels.get("status") in {"late", "offline"})
    )


def shared(alert: Alert) -> dict[str, str]:
    """What an alert can have in common with others: group kind to name."""
    found = {kind: alert.labels.get(kind, "") for kind in ("host", "gateway")}
    found["deployment"] = alert.deployment_id or alert.labels.get("deployment_id", "")
    return {kind: name for kind, name in found.items() if name}


def group_alert(turn: Turn, name: str, rule_kind: str, key: GroupKey, severity: str, summary: str) -> Alert:
    """A new alert about a group, `agent_id` KIND:NAME; its epoch is greater than that of the one before."""
    found = fingerprint(name, key)
    before = turn.state.alerts.get(found)
    at_us = turn.at_us if turn.at_us is not None else round(turn.now_s * 1e6)
    label = "deployment_id" if key[0] == "deployment" else "user_id" if key[0] == "tenant" else key[0]
    return Alert(
        fingerprint=found,
        epoch=max(at_us // 1000, before.epoch + 1 if before else 0),
        name=name,
        severity=severity,
        summary=summary,
        agent_id=f"{key[0]}:{key[1]}" if key[1] else key[0],
        user_id=key[1] if key[0] == "tenant" else "",
        deployment_id=key[1] if key[0] == "deployment" else None,
        rule_kind=rule_kind,
        starts_us=at_us,
        oldest_us=at_us,
        began_s=turn.now_s,
        labels={label: key[1]} if key[1] else {},
        flips_s=before.flips_s if before else [],
        flapping=before.flapping if before else False,
    )


def place(turn: Turn, alert: Alert) -> None:
    """Before an alert is announced: join the outage that covers it, wait for one, or join or begin an incident."""
    if alert.rule_kind in _ALONE:
        return
    if is_overdue(alert):
        if (root := _outage_over(turn, alert)) is not None:
            join(turn, root, alert)
            return
        if _may_be_an_outage(turn, alert):
            alert.held_until_s = turn.now_s + turn.config.hold_s
            return
    _correlate(turn, alert)


def left(turn: Turn, alert: Alert) -> None:
    """After an alert ended: its incident ends with the last of them; an outage ends by its group."""
    if alert.root is not None and (root := turn.state.alerts.get(alert.root)) is not None:
        root.open_members = max(root.open_members - 1, 0)
        turn.state.changed("a", root.fingerprint)
        if root.rule_kind == "incident" and root.active and not root.open_members:
            root.summary = f"{root.agent_id}: all {root.member_count} alerts are over"
            end(turn, root, alert.ends_us or 0, ROOTS)


ROOTS = Roots(place, left)


def join(turn: Turn, root: Alert, alert: Alert) -> None:
    """Make an alert a member of a root."""
    alert.root = root.fingerprint
    root.members = [*root.members, alert.fingerprint][-MOST_MEMBERS:]
    root.member_count += 1
    root.open_members += 1
    root.joined_s = turn.now_s
    turn.state.changed("a", root.fingerprint)
    turn.state.changed("a", alert.fingerprint)


def _outage_over(turn: Turn, alert: Alert) -> Alert | None:
    names = shared(alert)
    for kind in OUTAGE_KINDS:
        root = turn.state.alerts.get(fingerprint("outage", (kind, names[kind]))) if kind in names else None
        if root is not None and root.active:
            return root
    return None


def _may_be_an_outage(turn: Turn, alert: Alert) -> bool:
    """Whether the agent's host or gateway has enough agents for an outage."""
    least = turn.config.pack.correlation.outage_least
    names = shared(alert)
    return any(
        total(known).agents >= least
        for kind in ("host", "gateway")
        if kind in names and (known := turn.state.groups.get((kind, names[kind])))
    )


def judge_outages(turn: Turn, keys: Iterable[GroupKey]) -> None:
    """Begin and end outages of groups that changed, those first that are hit hardest, then the largest."""
    groups = turn.state.groups
    found = [(key, total(groups.get(key, {}))) for key in keys if key[0] in OUTAGE_KINDS]
    for key, group in sorted(found, key=lambda item: (-_share(item[1]), -item[1].agents, item[0])):
        _judge(turn, key, group)


def _share(group: Group) -> float:
    return group.overdue / group.agents if group.agents else 0.0


def _judge(turn: Turn, key: GroupKey, group: Group) -> None:
    settings = turn.config.pack.correlation
    root = turn.state.alerts.get(fingerprint("outage", key))
    out = group.overdue >= settings.outage_least and _share(group) > settings.outage_share
    if root is None or not root.active:
        if out and not _explained(turn, key, group):
            _begin_outage(turn, key, group)
    elif out:
        root.below_s = None
        turn.state.changed("a", root.fingerprint)
    elif not group.overdue:
        end_outage(turn, root)
    elif root.below_s is None:
        root.below_s = turn.now_s
        plan(turn, root)


def _explained(turn: Turn, key: GroupKey, group: Group) -> bool:
    """Whether an outage of another kind of group, hit at least as hard, holds at least half of the overdue agents."""
    for root in map(turn.state.alerts.__getitem__, turn.state.active):
        kind, _, name = root.agent_id.partition(":")
        if root.rule_kind == "outage" and kind != key[0]:
            theirs = total(turn.state.groups.get((kind, name), {}))
            if _share(theirs) >= _share(group) and 2 * theirs.overdue >= group.overdue:
                return True
    return False


def _begin_outage(turn: Turn, key: GroupKey, group: Group) -> None:
    kind, name = key
    summary = f"{kind} {name}: {group.overdue:.0f} of {group.agents:.0f} agents are overdue"
    root = group_alert(turn, "outage", "outage", key, "critical", summary)
    root.value, root.threshold = _share(group), turn.config.pack.correlation.outage_share
    root.evidence = {"agents": f"{group.agents:.0f}", "overdue": f"{group.overdue:.0f}"}
    members = [
        alert
        for alert in map(turn.state.alerts.__getitem__, sorted(turn.state.active))
        if is_overdue(alert) and alert.root is None and shared(alert).get(kind) == name
    ]
    turn.state.place(root)
    for alert in members:
        join(turn, root, alert)
    begin(turn, root, ROOTS)
    for alert in members:
        _follow(turn, alert)


def _follow(turn: Turn, alert: Alert) -> None:
    """Write that an alert is a member now."""
    if alert.held_until_s is not None:
        release(turn, alert)
    else:
        reconsider(turn, alert, "repeated")


def end_outage(turn: Turn, root: Alert) -> None:
    """The group is back. Members end by signals of their own, which come after the summary: they get a moment."""
    root.below_s = None
    root.summary = f"{root.agent_id} is back; {root.member_count} alerts were part of it"
    end(turn, root, turn.at_us if turn.at_us is not None else round(turn.now_s * 1e6), ROOTS)
    for name in root.members:
        alert = turn.state.alerts.get(name)
        if alert is not None and alert.active and alert.root == root.fingerprint:
            alert.held_until_s, alert.held_cause = turn.now_s + turn.config.recovery_s, "repeated"
            plan(turn, alert)


def _correlate(turn: Turn, alert: Alert) -> None:
    """Join an incident whose newest member is recent; else begin one when enough began within the window."""
    settings = turn.config.pack.correlation
    keys = [*shared(alert).items(), ("name", alert.name)]
    for key in keys:
        root = turn.state.alerts.get(fingerprint("incident", key))
        if root is not None and root.active and turn.now_s - root.joined_s <= settings.window_s:
            join(turn, root, alert)
            if RANK.get(alert.severity, 0) > RANK.get(root.severity, 0):
                root.severity, root.began_s, root.step = alert.severity, turn.now_s, 0
                announce(turn, root, "worse")
            return
    alert.noted_s = turn.now_s
    for key in keys:
        if len(alike := _recent(turn, key, alert)) >= settings.least:
            _begin_incident(turn, key, alike, alert)
            return


def correlate_released(turn: Turn, alert: Alert) -> None:
    """No outage came for an alert that was held: it may belong to an incident."""
    if alert.root is None:
        _correlate(turn, alert)


def note_again(turn: Turn) -> None:
    """After a restore: what began within the window, by what it shares."""
    turn.state.recent.clear()
    since_s = turn.now_s - turn.config.pack.correlation.window_s
    for alert in sorted(turn.state.alerts.values(), key=lambda a: (a.noted_s, a.fingerprint)):
        if alert.noted_s >= since_s and alert.noted_s:
            for kind, name in (*shared(alert).items(), ("name", alert.name)):
                turn.state.recent[f"{kind}:{name}"].append((alert.noted_s, alert.fingerprint))


def _recent(turn: Turn, key: GroupKey, alert: Alert) -> list[Alert]:
    """Alerts that share this, began within the window, fire and have no root; the new one is the last."""
    name = f"{key[0]}:{key[1]}"
    known = turn.state.recent[name]
    while known and known[0][0] < turn.now_s - turn.config.pack.correlation.window_s:
        known.popleft()
    known.append((turn.now_s, alert.fingerprint))
    found = {found.fingerprint: found for _, fp in known if (found := turn.state.alerts.get(fp)) is not None}
    return [a for a in found.values() if a.active and a.root is None and a.rule_kind not in _ALONE]


def _begin_incident(turn: Turn, key: GroupKey, members: list[Alert], new: Alert) -> None:
    turn.state.recent.pop(f"{key[0]}:{key[1]}", None)
    severity = max((alert.severity for alert in members), key=lambda name: RANK.get(name, 0))
    summary = f"{key[0]} {key[1]}: {len(members)} alerts began within {turn.config.pack.correlation.window_s:.0f} s"
    root = turn.state.alerts.get(fingerprint("incident", key))
    again = root is not None and root.active
    if root is None or not root.active:
        root = group_alert(turn, "incident", "incident", key, severity, summary)
        turn.state.place(root)
    for alert in members:
        join(turn, root, alert)
    if again:
        root.summary = summary
        announce(turn, root, "repeated")
    else:
        begin(turn, root, ROOTS)
    for alert in members:
        if alert is not new:
            _follow(turn, alert)
