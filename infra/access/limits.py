"""How often somebody may ask: token buckets by key and by address. Pure: the clock is an argument."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

MOST_BUCKETS = 20_000


class TokenBuckets:
    """One bucket for each name: `burst` requests at once, then `rate_per_s`; full at first.

    Of more than `most` names the one that was longest not seen is forgotten, and begins anew with a full bucket.
    """

    def __init__(self, rate_per_s: float, burst: float, most: int = MOST_BUCKETS) -> None:
        if not (rate_per_s > 0 and burst >= 1 and most >= 1):
            raise ValueError("a rate above 0, a burst of 1 or more and at least one bucket are needed")
        self.rate_per_s = rate_per_s
        self.burst = burst
        self._most = most
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, now_s: float, cost: float = 1.0) -> float:
        """Take `cost` tokens (1 <= cost <= burst) at `now_s`, of a clock that never goes back.

        0.0 where they were there; else nothing is taken, and it is how many seconds to wait until they are.
        """
        cost = min(cost, self.burst)
        tokens, at_s = self._buckets.get(name, (self.burst, now_s))
        tokens = min(self.burst, tokens + max(now_s - at_s, 0.0) * self.rate_per_s)
        short = cost - tokens
        self._buckets[name] = (tokens if short > 0 else -short, max(now_s, at_s))
        self._buckets.move_to_end(name)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return short / self.rate_per_s if short > 0 else 0.0

    def __len__(self) -> int:
        return len(self._buckets)


def address_name(address: str) -> str:
    """The name of an address for limits: of IPv6 its /64, which one customer has whole; IPv4 in IPv6 as IPv4."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
    return str(found)


def is_loopback(address: str) -> bool:
    """Whether who asks from `address` is on this machine."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped.is_loopback
    return found.is_loopback
