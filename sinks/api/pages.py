"""Pages by cursor: where the last one ended, as the values that it was sorted by; nothing is kept between two pages.

A page begins after (sort value, name) of the last item of the page before. So what does not change comes exactly once,
whatever is added, removed or moved meanwhile. A cursor grants nothing: what it names is looked up within the scope of
who shows it, so there is nothing to sign.
"""

from __future__ import annotations

import json
import math
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request, Response

from infra.web.problem import Problem

DEFAULT_LIMIT, MAX_LIMIT = 100, 1_000
_LONGEST = 2_000


def encode_cursor(values: Sequence[str | int | float | None]) -> str:
    """Values of a sort as one opaque text, safe in a URL."""
    return urlsafe_b64encode(json.dumps(list(values), separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(text: str | None, kinds: Sequence[type]) -> list[Any] | None:
    """The values of a cursor, as many as `kinds` and of these types; None without one.

    Raises `Problem` 400 for what no page of ours gave out.
    """
    if text is None:
        return None
    try:
        values = json.loads(urlsafe_b64decode(text[:_LONGEST].encode("ascii") + b"=" * (-len(text) % 4)))
        return [_fit(value, kind) for value, kind in zip(_listed(values), kinds, strict=True)]
    except (ValueError, RecursionError):
        raise Problem(
            400, detail="the cursor is none that a page of this kind gave: begin without one", type="bad-cursor"
        ) from None


def _listed(values: object) -> list[object]:
    if isinstance(values, list):
        return values
    raise ValueError(values)


def _fit(value: object, kind: type) -> object:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError(value)
    if isinstance(value, int) and abs(value) >= 2**63:
        raise ValueError(value)
    if isinstance(value, str) and "\0" in value:
        raise ValueError(value)
    return value


def next_link(request: Request, response: Response, cursor: str | None) -> str | None:
    """The cursor itself, for the body; the whole address of the next page goes into the header Link."""
    if cursor is not None:
        query = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        path = quote(request.scope["path"])  # a header has no other characters, and names of agents have any
        response.headers["Link"] = f'<{path}?{urlencode([*query, ("cursor", cursor)])}>; rel="next"'
    return cursor
