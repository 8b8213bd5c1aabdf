"""Who may do what: keys, principals, roles, limits, tokens of an issuer, the audit trail. No web framework here.

directory = KeyDirectory(server_secret(settings))
following = asyncio.create_task(directory.follow(bootstrap))   # `await directory.ready.wait()`
found = verify(text, directory, now_s)                          # Principal | Refusal

async with auditing(bootstrap, "fleetpulse:gateway:HOST-1") as trail:
    trail.record(AuditEvent("refused", status=401, address=address, detail=found.reason))
"""

from infra.access.audit import AuditEvent
from infra.access.directory import KeyDirectory
from infra.access.keys import KeyRecord, looks_like_key, lookup_of, make_key, without_secrets
from infra.access.limits import TokenBuckets, address_name, is_loopback
from infra.access.principal import Principal, Refusal, Role
from infra.access.recognise import verify
from infra.access.session import Session, Sessions
from infra.access.trail import AuditTrail, auditing

__all__ = [
    "AuditEvent",
    "AuditTrail",
    "KeyDirectory",
    "KeyRecord",
    "Principal",
    "Refusal",
    "Role",
    "Session",
    "Sessions",
    "TokenBuckets",
    "address_name",
    "auditing",
    "is_loopback",
    "looks_like_key",
    "lookup_of",
    "make_key",
    "verify",
    "without_secrets",
]
