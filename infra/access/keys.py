"""Keys: their text, what is kept of them, and who they stand for.

    fp_<role letter>_<look-up part: 12 characters of base32>_<secret: 32 characters of base32, 160 random bits>

The prefix says at a glance what a key is for, and lets scanners find keys where they do not belong. The look-up part
is no secret: it names the key in lists, logs and the audit trail. What is kept is an HMAC-SHA256 of the whole text
under the server's secret, so that neither who reads the topic nor who guesses offline has a key, and a seal over the
record, so that who can write to the topic cannot widen one.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
from base64 import b32encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from types import MappingProxyType
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from infra.access.principal import Principal, Role

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LOOKUP_LENGTH = 12
_LOOKUP_BYTES, _SECRET_BYTES = 8, 20
LETTERS: Mapping[Role, str] = MappingProxyType({"ingest": "i", "viewer": "v", "operator": "o", "admin": "a"})
SHAPE = re.compile(r"fp_([ivoa])_([a-z2-7]{12})_[a-z2-7]{32}")
"""Groups: the letter of the role, the look-up part."""
_WITHIN = re.compile(r"(fp_[ivoa]_[a-z2-7]{12}_)[A-Za-z0-9]+")
_LOOKUP = re.compile(r"[a-z2-7]{12}")
LONGEST_KEY = 64
"""Characters; what is longer is no key and is not looked at."""

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class KeyRecord(BaseModel):
    """What is kept of a key: everything but its secret.

    `hash` and `seal` are HMAC-SHA256 in hexadecimal digits; `secret_id` tells which server secret made them.
    `replaces`: look-up part of the key that this one was rotated from.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    lookup: Annotated[str, Field(pattern=r"^[a-z2-7]{12}$")]
    name: Name
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    secret_id: str
    tenant: Name | None
    agents: tuple[Name, ...] = ()
    role: Role
    sql: bool = False
    created: AwareDatetime
    expires: AwareDatetime | None = None
    revoked: AwareDatetime | None = None
    replaces: str | None = None
    seal: str = ""

    @model_validator(mode="after")
    def _fits(self) -> KeyRecord:
        if self.role == "ingest" and self.tenant is None:
            raise ValueError("a key that writes events belongs to one tenant: name the tenant")
        if self.agents and self.role != "ingest":
            raise ValueError("agents limit what a key writes: only a key of role ingest takes them")
        if self.sql and self.role == "ingest":
            raise ValueError("a key of role ingest reads nothing, so it takes no SQL")
        return self

    def principal(self) -> Principal:
        """Who the key stands for."""
        return Principal(f"key:{self.lookup}", self.name, self.tenant, self.agents, self.role, self.sql, "key")

    def ending(self, at_s: float) -> KeyRecord:
        """The same, ending at `at_s` (seconds since the epoch) if not before; to be sealed."""
        at = moment(at_s)
        return self.model_copy(update={"expires": at if self.expires is None else min(at, self.expires)})

    def revoked_at(self, at_s: float) -> KeyRecord:
        """The same, revoked at `at_s` if not before; to be sealed."""
        return self.model_copy(update={"revoked": self.revoked or moment(at_s)})

    def sealed(self, secret: bytes) -> KeyRecord:
        """The record with the seal of its content under `secret`."""
        return self.model_copy(update={"seal": _seal(secret, self)})

    def is_sealed_by(self, secret: bytes) -> bool:
        """Whether the content is what was sealed under `secret`; constant-time."""
        return hmac.compare_digest(self.seal, _seal(secret, self))


def _seal(secret: bytes, record: KeyRecord) -> str:
    content = json.dumps(_content(record), sort_keys=True, separators=(",", ":"))
    return hmac.digest(secret, b"record\0" + content.encode(), "sha256").hex()


def _content(record: KeyRecord) -> dict[str, object]:
    """What is sealed, in a shape that no library's next version changes.

    Without what has its default: so that records stay sealed when the model gets another field.
    """
    fields = KeyRecord.model_fields.items()
    values = {name: getattr(record, name) for name, field in fields if getattr(record, name) != field.default}
    return {name: _plain(value) for name, value in values.items() if name != "seal"}


def _plain(value: object) -> object:
    """A time as micros since the epoch, everything else as it is."""
    return (value - _EPOCH) // timedelta(microseconds=1) if isinstance(value, datetime) else value


def secret_id(secret: bytes) -> str:
    """Names a server secret without telling it."""
    return sha256(b"fleetpulse server secret\0" + secret).hexdigest()[:8]


def make_key(
    secret: bytes,
    *,
    name: str,
    role: Role,
    tenant: str | None,
    now_s: float,
    agents: tuple[str, ...] = (),
    sql: bool = False,
    lives_s: float | None = None,
    replaces: str | None = None,
) -> tuple[str, KeyRecord]:
    """A new key: its text, which is shown once and kept nowhere, and its record, sealed under the server's `secret`.

    `tenant` None: the whole fleet. `lives_s` None: until it is revoked. `now_s`: seconds since the epoch.
    Raises `ValueError` (pydantic) where the parts do not fit together.
    """
    lookup = _base32(_LOOKUP_BYTES)[:LOOKUP_LENGTH]
    text = f"fp_{LETTERS[role]}_{lookup}_{_base32(_SECRET_BYTES)}"
    record = KeyRecord(
        lookup=lookup,
        name=name,
        hash=hash_of(secret, text).hex(),
        secret_id=secret_id(secret),
        tenant=tenant,
        agents=agents,
        role=role,
        sql=sql,
        created=moment(now_s),
        expires=None if lives_s is None else moment(now_s + lives_s),
        replaces=replaces,
    )
    return text, record.sealed(secret)


def moment(at_s: float) -> datetime:
    """Seconds since the epoch as a time that says its zone."""
    return datetime.fromtimestamp(at_s, UTC)


def _base32(size_bytes: int) -> str:
    return b32encode(secrets.token_bytes(size_bytes)).decode().rstrip("=").lower()


def hash_of(secret: bytes, text: str) -> bytes:
    """What is kept of the key `text`: 32 bytes."""
    return hmac.digest(secret, b"key\0" + text.encode(), "sha256")


def lookup_of(text: str) -> str | None:
    """The part of a key that may be told, of a whole key or of the part itself; None where it is neither."""
    if found := SHAPE.fullmatch(text):
        return found[2]
    return text if _LOOKUP.fullmatch(text) else None


def without_secrets(text: str) -> str:
    """Text that may hold keys, each with dots in the place of its secret: for logs and the audit trail."""
    return _WITHIN.sub(r"\1...", text) if "fp_" in text else text


def looks_like_key(text: str) -> bool:
    """Whether a bearer token is meant as one of our keys rather than as a token of an issuer."""
    return text.startswith("fp_")
