"""`X-Fleetpulse-Signature: t=SECONDS,v1=HEX`: HMAC-SHA256 over `SECONDS.BODY`, so that neither can be changed."""

from __future__ import annotations

import hashlib
import hmac

HEADER = "X-Fleetpulse-Signature"


def sign(secret: str, body: bytes, now_s: float) -> str:
    """The header's value for a body that is sent now; `now_s` in seconds since the epoch."""
    moment = str(int(now_s))
    mac = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256)
    return f"t={moment},v1={mac.hexdigest()}"
