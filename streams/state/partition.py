"""All that a worker knows of one partition."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from infra.runtime.ids import new_session_bits
from schemas.encode import Pool, encode_optional, encode_string
from streams.operators.arrays import Field, SlotArrays
from streams.rules.absence import Sent
from streams.rules.groups import Groups
from streams.rules.instances import Instances
from streams.rules.scopes import Scopes
from streams.rules.standings import Standings
from streams.state.applied import AppliedThrough
from streams.state.epochs import ChangelogKeys
from streams.state.snapshot import Snapshot, SnapshotFormatError, StoreSnapshot, pack, unpack
from streams.state.stores import BUCKETS, KeyedStore, bucket_of

_RETIRED = frozenset({"alerts"})
"""Arrays of snapshots that older programs wrote and nothing needs: what still holds fires anew."""
NOTHING_PENDING = np.iinfo(np.int64).max
_PUBLISHING = {
    "oldest_us": Field("i8", (), NOTHING_PENDING, "event time of the oldest evidence not scored yet, us; max = none"),
    "newest_s": Field("f8", (), -np.inf, "event time of the newest evidence, s since the epoch; -inf = none"),
    "trust": Field("f8", (), np.nan, "score that was published last, 0 to 1; NaN = none by this worker"),
    "at_s": Field("f8", (), -np.inf, "when it was, s since the epoch; -inf = never"),
}


@dataclass
class Owner:
    """What an agent's events say of where it belongs."""

    user_id: str
    deployment_id: str | None
    host: str | None = None
    gateway: str | None = None


class Identities:
    """What is constant for an agent in the rows that are published of it, encoded once.

    `keys`: message keys in slot order; `pool`: the Avro bytes of agent_id, user_id and deployment_id, piece by slot.
    """

    def __init__(self) -> None:
        self.keys: list[bytes] = []
        self.pool = Pool.of([])
        self._pieces: list[bytes] = []

    def cover(self, agents: list[str], owners: list[Owner]) -> None:
        """Take in the agents that are new since the last time."""
        if len(self.keys) == len(agents):
            return
        for agent, owner in zip(agents[len(self.keys) :], owners[len(self.keys) :], strict=True):
            deployment = None if owner.deployment_id is None else encode_string(owner.deployment_id)
            self._pieces.append(encode_string(agent) + encode_string(owner.user_id) + encode_optional(deployment))
            self.keys.append(agent.encode())
        self.pool = Pool.of(self._pieces)


@dataclass
class PartitionState:
    """Stores by name, what is to be published, what is dirty. `lock` keeps batches, ticks and flushes apart.

    `sent`: done when all outputs so far are acknowledged; None before the first.
    `agents`: keys are agent ids; `hosts`: host agents; `series`: agent + separator + custom metric (+ separator +
    per_second: a counter's rate). `silent`: state of the lifecycle operator by agent. `owners` in slot order of
    `agents`. `session` and `next_seq` number what this worker publishes of its own accord (trust scores). `instances`:
    active alerts by slot of `agents`; `groups`: what was told of groups of agents, by the agents' `standings`;
    `scopes`: who budgets count for; `sent_metrics`: who sent what absence rules name; `looked_s`: when time was looked
    at for rules. `keys`: where its snapshots stand.
    """

    partition: int
    stores: Mapping[str, KeyedStore]
    silent: dict[str, Any] = field(default_factory=dict)
    owners: list[Owner] = field(default_factory=list)
    applied: AppliedThrough = field(default_factory=AppliedThrough)
    dirty: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(BUCKETS, np.bool_))
    publishing: SlotArrays = field(default_factory=lambda: SlotArrays(_PUBLISHING))
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    sent: asyncio.Future[None] | None = None
    identities: Identities = field(default_factory=Identities)
    session: str = field(default_factory=lambda: str(uuid.uuid4()))
    session_bits: int = field(default_factory=new_session_bits)
    next_seq: int = 0
    instances: Instances = field(default_factory=Instances)
    groups: Groups = field(default_factory=Groups)
    standings: Standings = field(default_factory=Standings)
    scopes: Scopes = field(default_factory=Scopes)
    sent_metrics: Sent = field(default_factory=Sent)
    looked_s: float = -np.inf
    keys: ChangelogKeys = field(default_factory=ChangelogKeys)

    @property
    def agents(self) -> KeyedStore:
        """The store keyed by agent."""
        return self.stores["agents"]

    def assign_agents(self, frame: pl.DataFrame) -> npt.NDArray[np.int32]:
        """Slots of the agents of a frame; new agents are remembered with their owner."""
        slots = self.agents.assign(frame["agent_id"])
        if len(self.owners) < len(self.agents):
            known = len(self.owners)
            rows = pl.Series(np.flatnonzero(slots >= known))
            first = frame.select("agent_id", "user_id", "deployment_id")[rows].unique("agent_id", keep="first")
            by_agent = {agent: Owner(user, deployment) for agent, user, deployment in first.iter_rows()}
            self.owners += [by_agent[agent] for agent in self.agents.slots.keys[known:]]
            self.publishing.reserve(len(self.agents))
        return slots

    def touch(self, buckets: npt.NDArray[np.int32]) -> None:
        """The state of these buckets differs from their last snapshot."""
        self.dirty[buckets] = True

    def take_dirty_snapshots(self) -> list[tuple[bytes, bytes]]:
        """(`PARTITION/BUCKET`, snapshot) of every bucket that changed; they count as clean from now on.

        The caller holds the lock, and writes them all before it commits an offset.
        """
        slots = {name: _by_bucket(store.buckets) for name, store in self.stores.items()}
        silent: defaultdict[int, dict[str, Any]] = defaultdict(dict)
        for agent, of_agent in self.silent.items():
            silent[bucket_of(agent)][agent] = of_agent
        snapshots = []
        for bucket in np.flatnonzero(self.dirty).tolist():
            snapshot = self._snapshot(bucket, {name: of_store[bucket] for name, of_store in slots.items()})
            snapshot.extra["silent"] = silent[bucket]
            snapshots.append((f"{self.partition}/{bucket}".encode(), pack(snapshot)))
            self.dirty[bucket] = False
        return snapshots

    def _snapshot(self, bucket: int, slots: Mapping[str, npt.NDArray[np.int64]]) -> Snapshot:
        """What the bucket holds, but for the lifecycle operator's part; `slots`: of each store in the bucket."""
        snapshot = Snapshot(self.applied.of_bucket(bucket))
        for name, store in self.stores.items():
            if slots[name].size:
                keys = [store.slots.keys[slot] for slot in slots[name]]
                columns = {array: fields.take(slots[name]) for array, fields in store.arrays.items()}
                snapshot.stores[name] = StoreSnapshot(keys, columns)
        agents = [(slot, self.agents.slots.keys[slot]) for slot in slots["agents"].tolist() if slot < len(self.owners)]
        owners = [self.owners[slot] for slot, _ in agents]
        snapshot.extra["owners"] = [[one.user_id, one.deployment_id, one.host, one.gateway] for one in owners]
        snapshot.extra["bucket"] = bucket
        active, firings = self.instances.by_slot, self.instances.firings
        snapshot.extra["rules"] = {agent: active[slot] for slot, agent in agents if active.get(slot)}
        snapshot.extra["firings"] = {agent: firings[slot] for slot, agent in agents if firings.get(slot)}
        return snapshot

    def restore(self, raws: Iterable[bytes]) -> None:
        """Take over the buckets of a recovered changelog. Raises `SnapshotFormatError`."""
        for raw in raws:
            snapshot = unpack(raw)
            try:
                self._take_over(snapshot)
            except (KeyError, ValueError, TypeError, IndexError) as error:
                raise SnapshotFormatError(f"not of this program's state: {type(error).__name__}: {error}") from error

    def _take_over(self, snapshot: Snapshot) -> None:
        for name, saved in snapshot.stores.items():
            if not saved.keys:
                continue
            store = self.stores[name]
            slots = store.assign(pl.Series(saved.keys, dtype=pl.String))
            for array, columns in saved.columns.items():
                if array in _RETIRED:
                    continue
                store.arrays[array].put(slots, columns)
        self.applied.restore(snapshot.extra["bucket"], snapshot.applied)
        self.owners += [Owner(*owner) for owner in snapshot.extra["owners"]]
        self.publishing.reserve(len(self.agents))
        self.silent.update(snapshot.extra["silent"])
        instances, firings = snapshot.extra.get("rules", {}), snapshot.extra.get("firings", {})
        for agent in {**instances, **firings}:
            slot = int(self.agents.slots.lookup(pl.Series([agent], dtype=pl.String))[0])
            self.instances.restore(slot, instances.get(agent, {}), firings.get(agent, {}))


def _by_bucket(buckets: npt.NDArray[np.int32]) -> list[npt.NDArray[np.int64]]:
    """Slots of every bucket, ascending: `buckets` i4[slots]."""
    order = np.argsort(buckets, kind="stable")
    return np.split(order, np.searchsorted(buckets[order], np.arange(1, BUCKETS)))


def digest(state: PartitionState) -> str:
    """The state as canonical text, keys sorted: what the fault suite compares with a rebuild from the topics."""
    found: dict[str, Any] = {}
    for name, store in state.stores.items():
        slots = np.argsort(np.array(store.slots.keys)) if len(store) else np.zeros(0, np.int64)
        found[name] = {
            "keys": [store.slots.keys[s] for s in slots],
            "arrays": {a: {f: v.tolist() for f, v in arrays.take(slots).items()} for a, arrays in store.arrays.items()},
        }
    return json.dumps(found, sort_keys=True)
