"""Digests of arguments: by value, without order where there is none, bounded, and keyed."""

from __future__ import annotations

import time
from typing import Any

import pytest

from producers.sdk.digest import ArgumentDigest


class _Opaque:
    def __repr__(self) -> str:
        raise AssertionError("nobody asks an object of the host what it is")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"x", "y", "z"}, {"z", "y", "x"}),
        ([1, (2, 3)], (1, [2, 3])),
        (_Opaque(), _Opaque()),
    ],
)
def test_equal_arguments_have_equal_digests(one: object, other: object) -> None:
    digest = ArgumentDigest()
    assert digest.of(one) == digest.of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("1", 1), ([1], [1, 1]), ({"a": 1}, {"a": 2}), ("x" * 70_000, "x" * 70_001), (None, "None"), (b"a", "a")],
)
def test_different_ones_differ(one: object, other: object) -> None:
    digest = ArgumentDigest()
    assert digest.of(one) != digest.of(other)


def test_another_process_has_other_digests() -> None:
    assert ArgumentDigest().of("123-45-6789") != ArgumentDigest().of("123-45-6789")


def test_what_is_large_deep_or_circular_costs_little() -> None:
    circular: list[Any] = []
    circular.append(circular)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    values = (circular, deep, list(range(5_000_000)), "x" * 50_000_000, "\ud800", [[0] * 1_000] * 1_000)
    digest, began_s = ArgumentDigest(), time.thread_time()
    for value in values:
        assert len(digest.of(value)) == 32
    assert time.thread_time() - began_s < 0.5
    while deep:  # taken apart by hand: the interpreter would recurse
        deep = deep.pop()
