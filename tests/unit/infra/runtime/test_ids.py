"""Event ids: UUIDv7 (RFC 9562), unique by session and sequence number, ordered by time."""

from __future__ import annotations

import uuid

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from infra.runtime.id_columns import event_ids
from infra.runtime.ids import derived_id, event_id, new_session_bits

MICROS = st.integers(0, 2**48 * 1000 - 1)
BITS = st.integers(0, 2**30 - 1)
SEQS = st.integers(0, 2**44 - 1)


@given(micros=MICROS, bits=BITS, seq=SEQS)
def test_the_shape_of_a_uuid_7(micros: int, bits: int, seq: int) -> None:
    for raw in (event_id(micros, bits, seq), derived_id(micros, bits, seq)):
        found = uuid.UUID(bytes=raw)
        assert (found.version, found.variant) == (7, uuid.RFC_4122)
        assert found.int >> 80 == micros // 1000


@given(bits=BITS, one=SEQS, other=SEQS)
def test_within_a_session_every_number_has_its_own(bits: int, one: int, other: int) -> None:
    assert (event_id(0, bits, one) == event_id(0, bits, other)) == (one == other)


@given(one=BITS, other=BITS, seq=SEQS)
def test_sessions_are_told_apart(one: int, other: int, seq: int) -> None:
    assert (event_id(0, one, seq) == event_id(0, other, seq)) == (one == other)


@given(earlier=MICROS, later=MICROS, seq=SEQS)
def test_ids_are_ordered_by_the_millisecond(earlier: int, later: int, seq: int) -> None:
    if earlier // 1000 < later // 1000:
        assert event_id(earlier, 2**30 - 1, seq) < event_id(later, 0, seq)


@given(micros=st.integers(-(2**63), 2**63 - 1))
def test_any_time_makes_an_id(micros: int) -> None:
    assert len(event_id(micros, 1, 2)) == len(derived_id(micros, "a")) == 16


@given(st.lists(st.tuples(MICROS, SEQS.filter(lambda n: n < 2**40)), max_size=20), BITS)
def test_columns_of_ids_are_the_ids(rows: list[tuple[int, int]], bits: int) -> None:
    micros, seqs = (np.array([row[k] for row in rows], np.int64) for k in (0, 1))
    assert [bytes(found) for found in event_ids(micros, bits, seqs)] == [event_id(m, bits, s) for m, s in rows]


def test_derived_ids_repeat_and_their_parts_do_not_run_into_each_other() -> None:
    assert derived_id(5, "a", 1) == derived_id(5, "a", 1)
    assert derived_id(5, "ab", "c") != derived_id(5, "a", "bc")


def test_session_bits_fit() -> None:
    assert all(0 <= new_session_bits() < 2**30 for _ in range(1000))
