"""Which addresses a channel may connect to. Asked at connect time, about the address that is being connected to."""

from __future__ import annotations

import ipaddress

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_ALSO_CLOSED = (
    ipaddress.ip_network("168.63.129.16/32"),  # Azure's host; the metadata of other clouds is link-local or private
    ipaddress.ip_network("192.0.0.0/24"),  # Oracle's; older Pythons take most of it for global
    ipaddress.ip_network("fec0::/10"),  # site-local: deprecated, still routed by some
)


class BlockedAddressError(Exception):
    """A channel that may not reach private addresses was about to."""


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for: mapped, 6to4, Teredo, NAT64."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


def is_public(text: str) -> bool:
    """Whether an IP address is one of the open Internet; what is no IP address is not."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    inner = _inner(address) if isinstance(address, ipaddress.IPv6Address) else None
    if inner is not None:
        return is_public(str(inner))
    closed = any(address in network for network in _ALSO_CLOSED)
    return address.is_global and not address.is_multicast and not address.is_reserved and not closed


def check(address: str) -> None:
    """Raises `BlockedAddressError`; its text leaves the address out: many people read deliveries."""
    if not is_public(address):
        raise BlockedAddressError(
            "the address is private, loopback, link-local, multicast or metadata; allow_private: true would allow it"
        )
