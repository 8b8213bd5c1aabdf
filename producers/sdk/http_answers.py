"""What a gateway's answers mean for the events: have they arrived, wait, or is a person needed."""

from __future__ import annotations

import json
import time
from enum import Enum
from typing import Any

from producers.sdk.http_wire import Answer

_MOST_PAUSE_S = 300.0
PERSON_NEEDED_PAUSE_S = 15.0
_SHOWN_CHARS = 200


class Standing(Enum):
    """How the reporter stands with its gateway when something did not go through."""

    AWAY = "nothing answers, or it failed"
    TLS = "its certificate is not trusted"
    BUSY = "it asks to wait"
    KEY_REFUSED = "it does not take the key"
    ELSEWHERE = "what answers is no gateway"
    WRONG_TENANT = "the key is another tenant's"
    EVENTS_REFUSED = "it does not take these events"
    TOO_LARGE = "it does not take so much at once"


class Setback(Exception):  # noqa: N818  # not always an error: 429 is an arrangement
    """Events were not acknowledged.

    `detail` for people; `pause_s` until another attempt makes sense, None for as always; `way_out` where a person is
    needed, who takes a while: then pauses grow further.
    """

    def __init__(self, standing: Standing, detail: str, *, pause_s: float | None = None, way_out: str = "") -> None:
        self.standing, self.detail, self.pause_s, self.way_out = standing, detail, pause_s, way_out
        super().__init__(detail)


def judge_hello(answer: Answer) -> dict[str, Any]:
    """What the gateway says of the key: `tenant`, `agents`, `max_body_bytes`. Raises `Setback`."""
    if answer.status == 403:
        raise _key_refused(answer, "may not write events")
    if answer.status != 200:
        raise _setback(answer)
    try:
        said = json.loads(answer.body)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise _elsewhere("answers 200, but not as a gateway does")
    return said


def judge_send(answer: Answer, events: int) -> None:
    """Return when the answer acknowledges that many events. Raises `Setback`."""
    if answer.status != 202:
        raise _setback(answer)
    try:
        accepted = json.loads(answer.body)["accepted"]
    except (ValueError, KeyError, TypeError):
        accepted = None
    if accepted != events:
        raise Setback(Standing.AWAY, f"acknowledged {accepted!r} of {events} events", pause_s=PERSON_NEEDED_PAUSE_S)


def _setback(answer: Answer) -> Setback:
    status = answer.status
    if status in {429, 503}:
        pause_s = retry_after_s(answer.headers.get("retry-after"), time.time())
        return Setback(Standing.BUSY, _said(answer), pause_s=pause_s)
    if 300 <= status < 400:
        where = answer.headers.get("location", "")[:_SHOWN_CHARS]
        return _elsewhere(f"redirects to {where!r}, which is not followed: the key would go there")
    if 400 <= status < 500 and status != 408:
        return _objection(answer)
    return Setback(Standing.AWAY, _said(answer))


def _objection(answer: Answer) -> Setback:
    """What the same request would meet again."""
    status = answer.status
    if status == 401:
        return _key_refused(answer, "is not valid")
    if status == 413:
        return Setback(Standing.TOO_LARGE, _said(answer))
    if status in {404, 405}:
        return _elsewhere(_said(answer))
    way_out = (
        "Check that the key may write for this agent_id and user_id (`fleetpulse keys list`), and that the gateway is "
        "not older than this SDK"
    )
    return Setback(Standing.EVENTS_REFUSED, _said(answer), pause_s=PERSON_NEEDED_PAUSE_S, way_out=way_out)


def _key_refused(answer: Answer, why: str) -> Setback:
    return Setback(
        Standing.KEY_REFUSED,
        f"the key {why}: {_said(answer)}",
        way_out="Give api_key= or FLEETPULSE_API_KEY a live key of role ingest (`fleetpulse keys create`); what waits "
        "on disk is sent by the next process that has one",
    )


def _elsewhere(detail: str) -> Setback:
    return Setback(
        Standing.ELSEWHERE,
        detail,
        way_out="Set gateway= or FLEETPULSE_GATEWAY to the address that `fleetpulse gateway` says when it is ready",
    )


def _said(answer: Answer) -> str:
    """The status and, of a problem document, its words; never more than a line of a stranger's text."""
    try:
        problem = json.loads(answer.body)
        words = str(problem.get("detail") or problem.get("title") or "")
    except (ValueError, AttributeError):
        words = ""
    shown = "".join(c if c.isprintable() else "?" for c in words[:_SHOWN_CHARS])
    return f"{answer.status} {shown}".strip()


def retry_after_s(value: str | None, now_s: float) -> float | None:
    """Seconds to wait by a Retry-After header (RFC 9110, 10.2.3: seconds or a date), at most 300; None if unclear."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), _MOST_PAUSE_S)
    import email.utils  # noqa: PLC0415  # as heavy as all the rest, for a form of the header that is rare

    try:
        date_s = email.utils.parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(date_s - now_s, 0.0), _MOST_PAUSE_S)
