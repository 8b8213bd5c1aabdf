"""What partitions tell of groups of agents: outages, rules over the fleet, budgets, and partitions that fell silent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.runtime.measured import number
from streams.manager.life import begin, end, on_firing
from streams.manager.model import GROUP_FIELDS, Group, Signal, total
from streams.manager.roots import ROOTS, fingerprint, group_alert, judge_outages
from streams.manager.state import GroupKey
from streams.manager.turn import Turn
from streams.rules.model import BudgetRule, FleetRule
from streams.rules.values import RANK, matches, render

WORKER_SILENT = "worker_silent"
_BY_GROUP = frozenset({"fleet", "budget"})


def on_summary(turn: Turn, signal: Signal) -> None:
    """Take in what a partition knows, then judge what changed."""
    partition = int(signal["partition"] or 0)
    turn.state.partitions[partition] = turn.now_s
    turn.state.changed("p", partition)
    _end_silence(turn, partition)
    keys = _take_in(turn, partition, signal)
    judge_outages(turn, keys)
    for key in dict.fromkeys(_judged(key) for key in keys):
        judge_rules(turn, key)


def _judged(key: GroupKey) -> GroupKey:
    """The group that rules judge: a budget's, where what changed is the sum that it is a share of."""
    kind, name = key
    return (f"budget:{kind.removeprefix('per:')}", name) if kind.startswith("per:") else key


def _take_in(turn: Turn, partition: int, signal: Signal) -> list[GroupKey]:
    """Groups that the signal names or, if it is complete, leaves out."""
    told: dict[GroupKey, Group] = {}
    for found in signal["groups"]:
        told[found["kind"], found["name"]] = Group(*(found[name] for name in GROUP_FIELDS))
    if signal["complete"]:
        gone = [key for key, known in turn.state.groups.items() if partition in known and key not in told]
        for key in gone:
            turn.state.set_group(partition, key, None)
        keys = [*told, *gone]
    else:
        keys = list(told)
    for key, group in told.items():
        turn.state.set_group(partition, key, group)
    return keys


@dataclass(frozen=True)
class Verdict:
    """How a group stands with a rule: `severity` it fires with, None when it does not; `over`: it ends what fires."""

    value: float
    threshold: float
    severity: str | None
    over: bool


def judge_rules(turn: Turn, key: GroupKey) -> None:
    """All rules over groups, for one group."""
    group = total(turn.state.groups.get(key, {}))
    for rule in _rules_of(turn, key):
        if isinstance(rule, BudgetRule):
            base = total(turn.state.groups.get((f"per:{rule.name}", key[1]), {})).spent
            _judge(turn, rule, key, _budget_verdict(rule, group.spent, base))
        else:
            _judge(turn, rule, key, _verdict(rule, group))


def judge_all(turn: Turn) -> None:
    """All rules over groups, for every group that is known."""
    for key in dict.fromkeys(_judged(key) for key in sorted(turn.state.groups)):
        judge_rules(turn, key)


def end_unruled(turn: Turn) -> None:
    """End what fires, and what waits, by a rule over groups that is no more."""
    pack = turn.config.pack
    names = {rule.name for rule in (*pack.fleet_rules, *pack.budget_rules)}
    for waiting in [name for name in turn.state.waiting if name.split("/")[0] not in names]:
        del turn.state.waiting[waiting]
        turn.state.changed("w", waiting)
    for print_ in sorted(turn.state.active):
        alert = turn.state.alerts[print_]
        if alert.rule_kind in _BY_GROUP and alert.name not in names:
            alert.summary = f"the rule {alert.name} is no more"
            end(turn, alert, round(turn.now_s * 1e6), ROOTS)


def judge_waiting(turn: Turn, name: str) -> None:
    """A condition has been true for as long as its rule asks; `name` is RULE/KIND/NAME."""
    _, kind, group = name.split("/", 2)
    if name in turn.state.waiting:
        judge_rules(turn, (kind, group))


def _rules_of(turn: Turn, key: GroupKey) -> Iterator[FleetRule | BudgetRule]:
    kind, name = key
    label = {"tenant": "user_id", "deployment": "deployment_id"}.get(kind, kind)
    for rule in turn.config.pack.fleet_rules:
        if rule.of == kind and matches(rule.match, {label: name}):
            yield rule
    for budget in turn.config.pack.budget_rules:
        if kind == f"budget:{budget.name}":
            yield budget


def _budget_verdict(rule: BudgetRule, spent: float, base: float) -> Verdict:
    """`base`: the sum that `spent` is a share of, where the rule says so."""
    if rule.per is not None:
        spent = spent / base if base > 0 and base >= rule.least else 0.0
    return _compare(spent, 1, list(rule.limits), rule.limits[-1][1])


def _verdict(rule: FleetRule, group: Group) -> Verdict:
    if group.agents < rule.least:
        return Verdict(0.0, rule.clear_at, None, over=not group.agents)
    value = {
        "online_share": group.online / group.agents,
        "mean_trust": group.trust_sum / group.agents,
        "violations_per_hour": group.violations,
    }[rule.measure]
    return _compare(value, rule.side, list(rule.limits), rule.clear_at)


def _compare(value: float, side: int, levels: list[tuple[Any, float]], clear_at: float) -> Verdict:
    """`levels`: (severity, limit), the gravest first; `side` 1: above is bad, -1: below."""
    for severity, limit in levels:
        if side * (value - limit) > 0:
            return Verdict(value, limit, severity, over=False)
    return Verdict(value, levels[-1][1], None, over=side * (value - clear_at) <= 0)


def _judge(turn: Turn, rule: FleetRule | BudgetRule, key: GroupKey, verdict: Verdict) -> None:
    known = turn.state.alerts.get(fingerprint(rule.name, key))
    if verdict.severity is not None:
        if _has_lasted(turn, rule, key) and (
            known is None or not known.active or RANK[verdict.severity] > RANK.get(known.severity, 0)
        ):
            _fire(turn, rule, key, verdict)
        return
    if turn.state.waiting.pop(waiting := _waiting(rule, key), None) is not None:
        turn.state.changed("w", waiting)
    if verdict.over and known is not None and known.active:
        known.value = verdict.value
        known.summary = f"{_subject(rule, key)}: {_how_it_ended(turn, rule, key, verdict)}"
        end(turn, known, turn.at_us if turn.at_us is not None else round(turn.now_s * 1e6), ROOTS)


def _waiting(rule: FleetRule | BudgetRule, key: GroupKey) -> str:
    return f"{rule.name}/{key[0]}/{key[1]}"


def _has_lasted(turn: Turn, rule: FleetRule | BudgetRule, key: GroupKey) -> bool:
    """Whether the condition has been true for as long as the rule asks, in log time."""
    if not rule.for_s:
        return True
    name = _waiting(rule, key)
    if name not in turn.state.waiting:
        turn.state.waiting[name] = turn.now_s
        turn.state.changed("w", name)
        turn.state.schedule(turn.now_s + rule.for_s, f"w/{name}")
    return turn.now_s >= turn.state.waiting[name] + rule.for_s


def _fire(turn: Turn, rule: FleetRule | BudgetRule, key: GroupKey, verdict: Verdict) -> None:
    """By the way of every alert, so that worse is worse."""
    name, scope = key[1], _scope(rule, key)
    limit = _number(rule, verdict.threshold)
    summary = f"{_subject(rule, key)}: {_measured(rule, verdict.value)}, the limit is {limit}"
    assert verdict.severity is not None
    alert = group_alert(turn, rule.name, rule.kind, (scope, name), verdict.severity, summary)
    alert.fingerprint = fingerprint(rule.name, key)
    if scope == "agent":
        alert.agent_id, alert.labels = name, {"agent_id": name}
    before = turn.state.alerts.get(alert.fingerprint)
    alert.epoch = max(alert.epoch, before.epoch + 1 if before else 0)
    fields: Mapping[str, str] = alert.values() | {
        "value": number(verdict.value),
        "threshold": number(verdict.threshold),
    }
    texts = {title: render(text, {**fields, "group": name}) for title, text in rule.annotations.items()}
    on_firing(
        turn,
        {
            "fingerprint": alert.fingerprint,
            "epoch": alert.epoch,
            "name": rule.name,
            "severity": verdict.severity,
            "summary": summary,
            "agent_id": alert.agent_id,
            "user_id": alert.user_id,
            "deployment_id": alert.deployment_id,
            "rule_kind": rule.kind,
            "starts_at": alert.starts_us,
            "timestamp": alert.starts_us,
            "oldest_source_timestamp": alert.oldest_us,
            "value": verdict.value,
            "threshold": verdict.threshold,
            "labels": alert.labels | rule.labels,
            "annotations": texts,
            "evidence": {},
        },
        ROOTS,
    )


def _scope(rule: FleetRule | BudgetRule, key: GroupKey) -> str:
    return key[0].removeprefix("budget:") if isinstance(rule, FleetRule) else rule.of


def _subject(rule: FleetRule | BudgetRule, key: GroupKey) -> str:
    return f"{_scope(rule, key)} {key[1]}".strip()


def _how_it_ended(turn: Turn, rule: FleetRule | BudgetRule, key: GroupKey, verdict: Verdict) -> str:
    if isinstance(rule, FleetRule) and not total(turn.state.groups.get(key, {})).agents:
        return "no agents are left"
    return f"{_measured(rule, verdict.value)} again"


def _measured(rule: FleetRule | BudgetRule, value: float) -> str:
    number = _number(rule, value)
    if isinstance(rule, BudgetRule):
        return f"{_budget_words(rule)} is {number}"
    return {
        "online_share": f"{number} of the agents are online",
        "mean_trust": f"mean trust is {number}",
        "violations_per_hour": f"{number} violations an hour",
    }[rule.measure]


def _number(rule: FleetRule | BudgetRule, value: float) -> str:
    return f"{100 * value:.3g} %" if _is_share(rule) else number(value)


def _is_share(rule: FleetRule | BudgetRule) -> bool:
    return rule.per is not None if isinstance(rule, BudgetRule) else rule.measure == "online_share"


def _budget_words(rule: BudgetRule) -> str:
    """What the number of a budget is: `custom:cost within 24 h`, `failed_requests of request_count within 1 h`."""
    share = f" of {rule.per}" if rule.per is not None else ""
    return f"{rule.metric}{share} within {rule.window_s / 3600:g} h"


def _end_silence(turn: Turn, partition: int) -> None:
    alert = turn.state.alerts.get(fingerprint(WORKER_SILENT, ("partition", str(partition))))
    if alert is not None and alert.active:
        alert.summary = f"partition {partition} is watched again"
        end(turn, alert, turn.at_us if turn.at_us is not None else round(turn.now_s * 1e6), ROOTS)


def watch_partitions(turn: Turn, since_s: float) -> None:
    """Fire for partitions without a summary for too long; what was missed before `since_s` does not count: then nobody
    was there to read it."""
    for partition, last_s in turn.state.partitions.items():
        if turn.now_s - max(last_s, since_s) <= turn.config.silent_s:
            continue
        key = ("partition", str(partition))
        alert = turn.state.alerts.get(fingerprint(WORKER_SILENT, key))
        if alert is None or not alert.active:
            summary = f"partition {partition}: no stream worker has told how it stands for {turn.now_s - last_s:.0f} s"
            alert = group_alert(turn, WORKER_SILENT, "watchdog", key, "critical", summary)
            alert.value, alert.threshold = turn.now_s - last_s, turn.config.silent_s
            begin(turn, alert, ROOTS)
