"""What somebody changed or asked, for the audit trail."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import Request

from infra.access import AuditEvent, AuditTrail
from infra.web.call import call_of


def asked(request: Request, action: str, status: int | None, detail: Mapping[str, Any] | str | None) -> AuditEvent:
    """What is written of a request, as far as its call tells."""
    call = call_of(request)
    text = json.dumps(detail, ensure_ascii=False, separators=(",", ":")) if isinstance(detail, Mapping) else detail
    return AuditEvent(
        action,
        principal=call.principal,
        method=request.method,
        route=call.template or None,
        status=status,
        address=call.address,
        request_id=call.request_id,
        detail=text,
    )


def note(audit: AuditTrail, request: Request, action: str, status: int, detail: Mapping[str, Any] | str) -> None:
    """Have it written that the caller of `request` did `action`, and what became of it; returns at once."""
    audit.record(asked(request, action, status, detail))
