"""Names for limits."""

from __future__ import annotations

import pytest

from infra.access import TokenBuckets, address_name, is_loopback


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
    ],
)
def test_the_name_of_an_address(address: str, name: str) -> None:
    assert address_name(address) == name


@pytest.mark.parametrize(
    ("address", "here"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("::ffff:127.0.0.1", True)]
    + [(other, False) for other in ("192.0.2.7", "::ffff:192.0.2.7", "localhost", "", "127.0.0.1, 192.0.2.7")],
)
def test_who_is_on_this_machine(address: str, here: bool) -> None:
    assert is_loopback(address) == here


def test_the_bucket_longest_not_seen_is_forgotten() -> None:
    buckets = TokenBuckets(1.0, 1.0, most=2)
    assert buckets.take("a", 0.0) == 0.0
    assert buckets.take("b", 0.0) == 0.0
    assert buckets.take("a", 0.5) == pytest.approx(0.5)
    assert buckets.take("c", 0.5) == 0.0
    assert len(buckets) == 2
    assert buckets.take("a", 0.5) > 0


@pytest.mark.parametrize(
    ("rate", "burst", "most"), [(0, 1, 1), (-1, 1, 1), (1, 0.5, 1), (1, 1, 0), (float("nan"), 1, 1)]
)
def test_nonsense_is_refused(rate: float, burst: float, most: int) -> None:
    with pytest.raises(ValueError, match="a rate above 0"):
        TokenBuckets(rate, burst, most)
