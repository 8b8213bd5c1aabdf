"""All that the alert manager knows, which of it changed, and when something is due. Restores from its own records.

Keys of the changelog: `a/FINGERPRINT`, `s/SILENCE`, `g/PARTITION/KIND/NAME`, `p/PARTITION`, `w/RULE/KIND/NAME`,
`u/KIND/NAME`, `position`.
"""

from __future__ import annotations

import heapq
import json
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from streams.manager.model import GROUP_FIELDS, Alert, Group, Silence, alert_document, alert_of

POSITION = "position"
SWEEP_FROM = 1000
MOST_RECENT = 4000
"""Beginnings that are looked at for one incident."""
GroupKey = tuple[str, str]


def _recent() -> deque[tuple[float, str]]:
    return deque(maxlen=MOST_RECENT)


@dataclass
class State:
    """`now_s`: log time, it never goes back. `position`: offset of the next signal. `groups` by (kind, name) and
    partition; `partitions`: log time of the last summary; `waiting`: since when a condition with `for` is true.
    `usual`: beginnings by what they share, each worth half after an hour, when that was counted, and
    since when.
    `active`: fingerprints of alerts that are not resolved, also
    `by_agent`; `ended`: of those that are, in order of ending. `recent`:
    (log time, fingerprint) of beginnings by what they share, for correlation; `loose`: those that may have no root.
    """

    now_s: float = 0.0
    position: int = 0
    alerts: dict[str, Alert] = field(default_factory=dict)
    silences: dict[str, Silence] = field(default_factory=dict)
    groups: defaultdict[GroupKey, dict[int, Group]] = field(default_factory=lambda: defaultdict(dict))
    partitions: dict[int, float] = field(default_factory=dict)
    waiting: dict[str, float] = field(default_factory=dict)
    usual: dict[GroupKey, tuple[float, float, float]] = field(default_factory=dict)
    active: dict[str, None] = field(default_factory=dict)
    ended: dict[str, None] = field(default_factory=dict)
    by_agent: defaultdict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    recent: defaultdict[GroupKey, deque[tuple[float, str]]] = field(default_factory=lambda: defaultdict(_recent))
    loose: defaultdict[GroupKey, deque[tuple[float, str]]] = field(default_factory=lambda: defaultdict(_recent))
    _dirty: dict[str, None] = field(default_factory=dict)
    _timers: list[tuple[float, str]] = field(default_factory=list)
    _timed: set[tuple[float, str]] = field(default_factory=set)
    _sweep_at: int = SWEEP_FROM
    _sweep_usual_at: int = SWEEP_FROM

    def changed(self, *parts: object) -> None:
        """The record with this key has to be written again."""
        self._dirty["/".join(map(str, parts))] = None

    def schedule(self, due_s: float | None, key: str) -> None:
        """Look at `key` at `due_s`. An entry that is no longer true does no harm: whoever looks asks the state."""
        if due_s is not None and (entry := (due_s, key)) not in self._timed:
            self._timed.add(entry)
            heapq.heappush(self._timers, entry)

    def next_due_s(self) -> float | None:
        """When there is something to look at; None when nothing waits."""
        return self._timers[0][0] if self._timers else None

    def pop_due(self, until_s: float) -> tuple[float, str] | None:
        """The next timer that is due by `until_s`, taken away."""
        if not self._timers or self._timers[0][0] > until_s:
            return None
        entry = heapq.heappop(self._timers)
        self._timed.discard(entry)
        return entry

    def note(self, key: GroupKey, alert: Alert) -> None:
        """That an alert which shares `key` with others began, at its `noted_s`."""
        self.recent[key].append((alert.noted_s, alert.fingerprint))
        self.loose[key].append((alert.noted_s, alert.fingerprint))
        if len(self.recent) >= self._sweep_at:
            self._sweep()

    def _sweep(self) -> None:
        """Drop what only forgotten alerts shared: hosts come and go."""
        for table in (self.recent, self.loose):
            for key in [key for key, known in table.items() if not any(name in self.alerts for _, name in known)]:
                del table[key]
        self._sweep_at = 2 * max(len(self.recent), SWEEP_FROM)

    def set_usual(self, key: GroupKey, value: tuple[float, float, float], forget_before_s: float) -> None:
        """How often what shares `key` began; drops what was not counted since `forget_before_s` once there is much."""
        self.usual[key] = value
        self.changed("u", *key)
        if len(self.usual) >= self._sweep_usual_at:
            for old in [old for old, (_, at_s, _) in self.usual.items() if at_s < forget_before_s]:
                del self.usual[old]
                self.changed("u", *old)
            self._sweep_usual_at = 2 * max(len(self.usual), SWEEP_FROM)

    def set_group(self, partition: int, key: GroupKey, group: Group | None) -> None:
        """What a partition knows of a group now; None: it has none of it."""
        known = self.groups[key]
        if known.get(partition) == group:
            return
        if group is None:
            known.pop(partition, None)
        else:
            known[partition] = group
        if not known:
            del self.groups[key]
        self.changed("g", partition, *key)

    def place(self, alert: Alert) -> None:
        """Put an alert where it belongs by its status, and have it written."""
        fingerprint = alert.fingerprint
        here, there = (self.active, self.ended) if alert.active else (self.ended, self.active)
        self.alerts[fingerprint] = alert
        there.pop(fingerprint, None)
        here.setdefault(fingerprint, None)
        self._index(alert)
        self.changed("a", fingerprint)

    def _index(self, alert: Alert) -> None:
        if alert.active:
            self.by_agent[alert.agent_id][alert.fingerprint] = None
        elif (known := self.by_agent.get(alert.agent_id)) is not None:
            known.pop(alert.fingerprint, None)
            if not known:
                del self.by_agent[alert.agent_id]

    def forget(self, fingerprint: str) -> None:
        """Drop an alert that ended."""
        del self.alerts[fingerprint]
        self.ended.pop(fingerprint, None)
        self.changed("a", fingerprint)

    @property
    def has_changes(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._dirty)

    def take_changes(self) -> list[tuple[str, bytes | None]]:
        """Key and value of every record that changed since the last call, None for what is no more; position last."""
        keys, self._dirty = [*self._dirty, POSITION], {}
        return [(key, None if (found := self._document(key)) is None else _encode(found)) for key in keys]

    def dump(self) -> dict[str, bytes]:
        """Every record, as a changelog would hold it."""
        keys = [f"a/{fingerprint}" for fingerprint in self.alerts] + [f"s/{name}" for name in self.silences]
        keys += [f"g/{p}/{kind}/{name}" for (kind, name), known in self.groups.items() for p in known]
        keys += [f"p/{p}" for p in self.partitions] + [f"w/{name}" for name in self.waiting]
        keys += [f"u/{kind}/{name}" for kind, name in self.usual] + [POSITION]
        return {key: _encode(self._document(key)) for key in keys}

    def _document(self, key: str) -> Any:  # noqa: ANN401  # JSON
        kind, _, rest = key.partition("/")
        if kind == "a":
            return alert_document(found) if (found := self.alerts.get(rest)) else None
        if kind == "s":
            return _silence_document(silence) if (silence := self.silences.get(rest)) else None
        if kind in {"g", "u"}:
            return self._of_group(kind, rest)
        if kind == "p":
            return self.partitions.get(int(rest))
        if kind == "w":
            return self.waiting.get(rest)
        return {"position": self.position, "now_s": self.now_s}

    def _of_group(self, kind: str, rest: str) -> Any:  # noqa: ANN401  # JSON
        if kind == "u":
            group, name = rest.split("/", 1)
            return self.usual.get((group, name))
        partition, group, name = rest.split("/", 2)
        counts = self.groups.get((group, name), {}).get(int(partition))
        return [getattr(counts, field) for field in GROUP_FIELDS] if counts else None


def _encode(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _silence_document(silence: Silence) -> dict[str, Any]:
    return {name: getattr(silence, name) for name in Silence.__slots__}


def silence_of(document: Mapping[str, Any]) -> Silence:
    """The silence in a document."""
    matchers = tuple((name, operator, value) for name, operator, value in document["matchers"])
    return Silence(**{**document, "matchers": matchers})


def restore(records: Mapping[str, bytes] | Iterable[tuple[str, bytes]]) -> State:
    """The state in the newest records by key, without tombstones. Timers and indexes are the caller's next step."""
    state = State()
    items = dict(records).items()
    for key, raw in items:
        _take_in(state, key, json.loads(raw))
    for alert in sorted(state.alerts.values(), key=lambda a: (a.updated_s, a.fingerprint)):
        (state.active if alert.active else state.ended)[alert.fingerprint] = None
        state._index(alert)
    return state


def _take_in(state: State, key: str, document: Any) -> None:  # noqa: ANN401  # JSON
    kind, _, rest = key.partition("/")
    if kind == "a":
        state.alerts[rest] = alert_of(document)
    elif kind == "s":
        state.silences[rest] = silence_of(document)
    elif kind == "g":
        partition, group, name = rest.split("/", 2)
        state.groups[group, name][int(partition)] = Group(*document)
    elif kind == "p":
        state.partitions[int(rest)] = document
    elif kind == "w":
        state.waiting[rest] = document
    elif kind == "u":
        group, name = rest.split("/", 1)
        count, at_s, since_s = document
        state.usual[group, name] = (count, at_s, since_s)
    elif key == POSITION:
        state.position, state.now_s = document["position"], document["now_s"]
