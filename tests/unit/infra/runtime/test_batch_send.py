"""Partitions are those of Kafka's own producers."""

from __future__ import annotations

import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from infra.runtime.batch_send import partition_of


@given(key=st.binary(max_size=40), partitions=st.integers(1, 64))
def test_as_aiokafka_chooses(key: bytes, partitions: int) -> None:
    everywhere = list(range(partitions))
    assert partition_of(key, partitions) == DefaultPartitioner()(key, everywhere, everywhere)


@pytest.mark.parametrize(
    ("key", "hashed"),
    # The vectors of Apache Kafka's own UtilsTest, signed; the sign bit is cleared before the modulo.
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536)],
)
def test_known_hashes(key: bytes, hashed: int) -> None:
    assert partition_of(key, 2**31) == hashed & 0x7FFFFFFF
