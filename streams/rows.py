"""Rows of the derived topics from what the operators return: envelope, identifiers, columns turned into records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from infra.runtime.id_columns import event_ids
from infra.runtime.ids import derived_id
from schemas.encode import (
    Column,
    Constant,
    Doubles,
    Fixed,
    Longs,
    Pooled,
    encode_long,
    encode_parts,
    encode_string,
)
from schemas.registry import load_schema
from streams.operators.anomaly import Flags
from streams.operators.heartbeat import REASON_TEXT, STATUS_TEXT, Transitions
from streams.operators.trust import TrustScores
from streams.outputs import Messages, Row
from streams.state.partition import PartitionState

METRICS_AN_EVENT = 4096
"""Sequence numbers set aside for the flags of one event: sixteen columns, then its custom metrics."""


_MOST_LONG = 2**63 - 1


def trust_messages(
    state: PartitionState,
    slots: npt.NDArray[np.int32],
    scores: TrustScores,
    oldest_us: npt.NDArray[np.int64],
    now_us: int,
    model: str,
) -> Messages:
    """fleet.trust for agent slots i4[k] and their scores, encoded by columns.

    `oldest_us` i8[k] is the oldest evidence that the score brings in. There are as many scores as events in the worst
    case, so they never become Python objects (fastavro: 12 us a row, here 0.3).
    """
    count = slots.size
    state.identities.cover(state.agents.slots.keys, state.owners)
    seqs = np.arange(state.next_seq, state.next_seq + count)
    state.next_seq += count
    schema = load_schema("trust")
    now = np.full(count, now_us, np.int64)
    present = np.ones(count, np.bool_)
    columns: list[Column] = [
        Constant(schema.prefix),
        Fixed(event_ids(now, state.session_bits, seqs)),
        Pooled(state.identities.pool, slots.astype(np.int64)),
        Constant(encode_long(now_us) + encode_string(state.session)),
        Longs(seqs),
        Doubles(np.column_stack([scores.trust, scores.p, scores.n, scores.compliant, scores.violating])),
        Constant(encode_string(model)),
        Longs(scores.violations),
        Doubles(scores.compliance, present),
        Doubles(scores.factors, np.isfinite(scores.factors)),
        Longs(oldest_us),
    ]
    keys = state.identities.keys
    return Messages("fleet.trust", [keys[slot] for slot in slots.tolist()], encode_parts(count, columns).to_list())


def anomaly_rows(
    frame: pl.DataFrame, flags: Flags, names: Sequence[str], threshold: float, first_seq: int = 0
) -> list[Row]:
    """fleet.anomalies for flags over rows of `frame`; metric m is `names[m]`.

    Identifiers follow from the source event and the metric, so that a replay gives the same; `first_seq` keeps groups
    of metrics of one event apart.
    """
    if not len(flags):
        return []
    sources = frame.select(
        "event_id", "agent_id", "user_id", "deployment_id", pl.col("timestamp").dt.epoch("us"), "session_id", "seq"
    )[flags.row]
    rows: list[Row] = []
    for i, (source_id, agent, user, deployment, timestamp, session, seq) in enumerate(sources.iter_rows()):
        metric = int(flags.metric[i])
        rows.append(
            {
                "event_id": derived_id(timestamp, source_id.hex(), names[metric]),
                "agent_id": agent,
                "user_id": user,
                "deployment_id": deployment,
                "timestamp": timestamp,
                "session_id": f"{session}/flags",
                "seq": seq * METRICS_AN_EVENT + first_seq + metric,
                "metric": names[metric],
                "value": float(flags.value[i]),
                "expected": float(flags.expected[i]),
                "lower": float(flags.lower[i]),
                "upper": float(flags.upper[i]),
                "score": float(flags.score[i]),
                "threshold": threshold,
                "term_fast": float(flags.term_fast[i]),
                "term_medium": float(flags.term_medium[i]),
                "term_slow": float(flags.term_slow[i]),
                "term_record": float(flags.term_record[i]),
                "term_record_smooth": float(flags.term_record_smooth[i]),
                "confidence": float(flags.confidence[i]),
                "source_event_id": source_id.hex(),
            }
        )
    return rows


def _micros(seconds: float) -> int:
    """Microseconds that fit into Avro's long, whatever an agent's clock says; 0 = not known."""
    return max(-_MOST_LONG, min(int(seconds * 1e6), _MOST_LONG)) if np.isfinite(seconds) else 0


def status_rows(state: PartitionState, changes: Transitions) -> Iterator[Row]:
    """fleet.status for changes of status; a replay of the same beats gives the same identifiers.

    Numbered by the agent's own time of its newest beat: of beats that arrive together, each may change the status.
    """
    for i, slot in enumerate(changes.slots.tolist()):
        owner, agent = state.owners[slot], state.agents.slots.keys[slot]
        at_us, status = _micros(float(changes.at_s[i])), int(changes.status[i])
        beat_us, skew_s = _micros(float(changes.event_s[i])), float(changes.clock_skew_s[i])
        yield {
            "event_id": derived_id(at_us, "status", agent, beat_us, status),
            "agent_id": agent,
            "user_id": owner.user_id,
            "deployment_id": owner.deployment_id,
            "timestamp": at_us,
            "session_id": f"status/{agent}",
            "seq": (beat_us * 8 + status) % _MOST_LONG,
            "status": STATUS_TEXT[status],
            "previous": STATUS_TEXT[int(changes.previous[i])],
            "reason": REASON_TEXT[int(changes.reason[i])],
            "last_beat": beat_us,
            "deadline": _micros(float(changes.deadline_s[i])),
            "interval_s": float(changes.interval_s[i]),
            "loss": float(changes.loss[i]),
            "host": owner.host,
            "gateway": owner.gateway,
            "clock_skew_s": skew_s if np.isfinite(skew_s) else None,
        }
