"""One cause, one alert: outages (a host, gateway or deployment whose agents are overdue) and incidents (alerts that
share something and begin together). Their members are written, but nobody is told of them."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

from streams.manager import usual
from streams.manager.headlines import (
    begin_incident,
    count_incident,
    count_member,
    count_outage,
    end_of_incident,
    end_of_outage,
    group_of,
    share_down,
)
from streams.manager.life import Roots, begin, end, release
from streams.manager.model import MOST_MEMBERS, Alert, Group, total
from streams.manager.state import GroupKey
from streams.manager.telling import announce, plan, reconsider, tell_growth
from streams.manager.turn import Turn
from streams.rules.values import RANK

OUTAGE_KINDS = ("gateway", "host", "deployment")
ALONE = frozenset({"outage", "incident", "fleet", "budget", "watchdog"})
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
    if alert.rule_kind in ALONE:
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
            end_of_incident(root)
            end(turn, root, alert.ends_us or 0, ROOTS)
        elif root.rule_kind == "incident" and root.active:
            count_incident(turn, root)


ROOTS = Roots(place, left)


def join(turn: Turn, root: Alert, alert: Alert) -> None:
    """Make an alert a member of a root; one that ended and fires again was counted before."""
    alert.root = root.fingerprint
    firing = f"{root.fingerprint}/{root.epoch}"
    if alert.counted_in != firing:
        alert.counted_in = firing
        root.members = [*root.members, alert.fingerprint][-MOST_MEMBERS:]
        root.member_count += 1
        if root.rule_kind == "incident":
            count_member(root, alert)
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
    for key, group in sorted(found, key=lambda item: (-share_down(item[1]), -item[1].agents, item[0])):
        _judge(turn, key, group)


def _judge(turn: Turn, key: GroupKey, group: Group) -> None:
    settings = turn.config.pack.correlation
    root = turn.state.alerts.get(fingerprint("outage", key))
    out = group.overdue >= settings.outage_least and share_down(group) > settings.outage_share
    if root is None or not root.active:
        if out and not _explained(turn, key, group):
            _begin_outage(turn, key, group)
    elif not group.overdue:
        end_outage(turn, root)
    else:
        _go_on(turn, root, group, out=out)


def _go_on(turn: Turn, root: Alert, group: Group, *, out: bool) -> None:
    changed = count_outage(root, group)
    if out is (root.below_s is not None):
        root.below_s, changed = None if out else turn.now_s, True
    if changed:
        tell_growth(turn, root)
        plan(turn, root)


def _explained(turn: Turn, key: GroupKey, group: Group) -> bool:
    """Whether an outage of another kind of group, hit at least as hard, holds at least half of the overdue agents."""
    for root in map(turn.state.alerts.__getitem__, turn.state.active):
        kind, _, name = root.agent_id.partition(":")
        if root.rule_kind == "outage" and kind != key[0]:
            theirs = total(turn.state.groups.get((kind, name), {}))
            if share_down(theirs) >= share_down(group) and 2 * theirs.overdue >= group.overdue:
                return True
    return False


def _begin_outage(turn: Turn, key: GroupKey, group: Group) -> None:
    kind, name = key
    root = group_alert(turn, "outage", "outage", key, "critical", "")
    root.threshold = turn.config.pack.correlation.outage_share
    count_outage(root, group)
    members = [
        alert
        for alert in map(turn.state.alerts.__getitem__, sorted(turn.state.active))
        if is_overdue(alert) and _is_free(turn, alert) and shared(alert).get(kind) == name
    ]
    turn.state.place(root)
    for alert in members:
        join(turn, root, alert)
    begin(turn, root, ROOTS)
    for alert in members:
        _follow(turn, alert)


def _is_free(turn: Turn, alert: Alert) -> bool:
    """Whether it belongs to nothing that goes on: who outlived an outage belongs to the next one of the same host."""
    root = turn.state.alerts.get(alert.root) if alert.root is not None else None
    return root is None or not root.active


def _follow(turn: Turn, alert: Alert) -> None:
    """Write that an alert is a member now."""
    if alert.held_until_s is not None:
        release(turn, alert)
    else:
        reconsider(turn, alert, "repeated")


def end_outage(turn: Turn, root: Alert) -> None:
    """The group is back. Members end by signals of their own, which come after the summary: they get a moment."""
    root.below_s = None
    end_of_outage(root, group_of(turn, root))
    end(turn, root, turn.at_us if turn.at_us is not None else round(turn.now_s * 1e6), ROOTS)
    for name in root.members:
        alert = turn.state.alerts.get(name)
        if alert is not None and alert.active and alert.root == root.fingerprint:
            alert.held_until_s, alert.held_cause = turn.now_s + turn.config.recovery_s, "repeated"
            plan(turn, alert)


def _correlate(turn: Turn, alert: Alert) -> None:
    """Join an incident that goes on; else begin one when enough began within the window."""
    keys = [*shared(alert).items(), ("name", alert.name)]
    wanted = {key: usual.enough(turn, key) for key in keys}
    alert.noted_s = turn.now_s
    for key in keys:
        usual.note(turn, key)
        turn.state.note(key, alert)
    for key in keys:
        root = turn.state.alerts.get(fingerprint("incident", key))
        if root is not None and root.active and _goes_on(turn, root, key, wanted[key]):
            _join_incident(turn, root, alert)
            return
    for key in keys:
        if len(alike := _without_root(turn, key, wanted[key])) >= wanted[key]:
            _begin_incident(turn, key, alike, alert)
            return


def _goes_on(turn: Turn, root: Alert, key: GroupKey, wanted: int) -> bool:
    """Whether members still come half as fast, the newest included, as they must for an incident to begin."""
    least = -(-wanted // 2) - 1
    members = (one for one in _within(turn, turn.state.recent[key]) if one.root == root.fingerprint)
    return least <= 0 or sum(1 for _ in islice(members, least)) == least


def _without_root(turn: Turn, key: GroupKey, wanted: int) -> list[Alert]:
    """What began within the window and belongs to nothing yet; a restart does not change the order."""
    if len(turn.state.loose[key]) < wanted:
        return []
    found = [alert for alert in _within(turn, turn.state.loose[key]) if alert.root is None]
    found.sort(key=lambda alert: (alert.noted_s, alert.fingerprint))
    turn.state.loose[key].clear()
    turn.state.loose[key].extend((alert.noted_s, alert.fingerprint) for alert in found)
    return found


def _join_incident(turn: Turn, root: Alert, alert: Alert) -> None:
    join(turn, root, alert)
    count_incident(turn, root)
    if RANK.get(alert.severity, 0) > RANK.get(root.severity, 0):
        root.severity, root.began_s, root.step = alert.severity, turn.now_s, 0
        announce(turn, root, "worse")
    else:
        tell_growth(turn, root)
        plan(turn, root)


def hold_no_longer(turn: Turn, alert: Alert) -> None:
    """Write an alert that was held. No outage came for one that began: it may belong to an incident."""
    if alert.held_cause == "began" and alert.root is None:
        _correlate(turn, alert)
    release(turn, alert)


def note_again(turn: Turn) -> None:
    """After a restore: what began within the window, by what it shares."""
    turn.state.recent.clear()
    turn.state.loose.clear()
    since_s = turn.now_s - turn.config.pack.correlation.window_s
    for alert in sorted(turn.state.alerts.values(), key=lambda a: (a.noted_s, a.fingerprint)):
        if alert.noted_s >= since_s and alert.noted_s:
            for key in (*shared(alert).items(), ("name", alert.name)):
                turn.state.note(key, alert)


def _within(turn: Turn, known: deque[tuple[float, str]]) -> Iterator[Alert]:
    """Of these alerts, the newest first, those that began within the window and fire."""
    since_s = turn.now_s - turn.config.pack.correlation.window_s
    while known and known[0][0] < since_s:
        known.popleft()
    for noted_s, name in reversed(known):
        found = turn.state.alerts.get(name)
        if found is not None and found.active and found.noted_s == noted_s:
            yield found


def _begin_incident(turn: Turn, key: GroupKey, members: list[Alert], new: Alert) -> None:
    severity = max((alert.severity for alert in members), key=lambda name: RANK.get(name, 0))
    root = turn.state.alerts.get(fingerprint("incident", key))
    again = root is not None and root.active
    if root is None or not root.active:
        root = group_alert(turn, "incident", "incident", key, severity, "")
        turn.state.place(root)
    for alert in members:
        join(turn, root, alert)
    if again:
        count_incident(turn, root)
        announce(turn, root, "repeated")
    else:
        begin_incident(root, turn.config.pack.correlation.window_s)
        begin(turn, root, ROOTS)
    for alert in members:
        if alert is not new:
            _follow(turn, alert)
