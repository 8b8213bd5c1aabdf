"""What `alerts serve` answers: a request of one line to a document, in the words of the other commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from infra.runtime.errors import FleetpulseError, SettingError
from streams.manager.ask import act
from streams.manager.ask.act import Order, Outcome
from streams.manager.ask.choose import IN_A_REQUEST, Wanted, choose, find_alert, parse_matchers
from streams.manager.ask.documents import alert_json, manager_json, show_json, silence_json
from streams.manager.ask.follow import Follower
from streams.manager.ask.scope import Scope, within
from streams.manager.ask.trail import Trail, read_trail
from streams.manager.model import Alert
from streams.rules.values import RANK

_MOST, _MOST_NAMED, _MOST_TRAILS = 1_000, 100, 16
Place = tuple[bool, int, int, str]
"""Where an alert stands in a list: over or not, gravest, newest, fingerprint."""


class Request(BaseModel):
    """One line of standard input. `tenant` and `agents` say whose alerts there are for whoever asks; `within_s`: how
    long an order may take, None does not wait for it."""

    model_config = ConfigDict(extra="forbid")

    id: int | str
    do: Literal[
        "list", "show", "silences", "acknowledge", "unacknowledge", "resolve", "escalate", "silence", "unsilence"
    ]
    tenant: str | None = None
    agents: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = Field(default=(), max_length=_MOST_NAMED)
    ids: tuple[str, ...] = Field(default=(), max_length=_MOST_NAMED)
    matchers: tuple[str, ...] = Field(default=(), max_length=50)
    lasting: str = ""
    actor: str = "somebody"
    comment: str = ""
    within_s: float | None = Field(default=5.0, gt=0, le=60)
    severity: str | None = None
    agent: str | None = None
    name: str | None = None
    everything: bool = False
    most: int = Field(default=200, ge=1, le=_MOST)
    after: Place | None = None

    @property
    def scope(self) -> Scope:
        """Raises `SettingError`."""
        return Scope(self.tenant, self.agents)


Answer = dict[str, Any]


async def answer(follower: Follower, request: Request) -> Answer:
    """The document that was asked for, or what became of an order. Raises `FleetpulseError`, `KafkaError`."""
    return await _WAYS[request.do](follower, request)


def place_of(alert: Alert) -> Place:
    """Its place in a list; as in `choose`."""
    return not alert.active, -RANK.get(alert.severity, 0), -alert.starts_us, alert.fingerprint


async def _list(follower: Follower, request: Request) -> Answer:
    picture = within(follower.picture(), request.scope)
    wanted = Wanted(
        parse_matchers(request.matchers, "matcher", IN_A_REQUEST), request.severity, request.agent, request.name
    )
    chosen = choose(picture.alerts, wanted, everything=request.everything)
    after = request.after
    left = [alert for alert in chosen.shown if after is None or place_of(alert) > after]
    shown = left[: request.most]
    return {
        "alerts": [alert_json(alert) for alert in shown],
        "total": len(chosen.shown),
        "next": place_of(shown[-1]) if len(left) > len(shown) else None,
        "hidden": chosen.hidden,
        "manager": manager_json(picture),
    }


async def _show(follower: Follower, request: Request) -> Answer:
    picture = within(follower.picture(), request.scope)
    alert = find_alert(picture.alerts, _one(request.fingerprints), active=False)
    found = show_json(picture, alert, await _trail(follower, alert))
    if request.tenant is not None:
        # What a channel answered names machines of those who run the fleet.
        found["deliveries"] = [row | {"error": None} for row in found["deliveries"]]
    return found


async def _trail(follower: Follower, alert: Alert) -> Trail:
    """Each reads two topics from the broker, for seconds where they are long; who only lists, or acknowledges, is not
    to wait behind them."""
    if follower.trails >= _MOST_TRAILS:
        raise FleetpulseError("too many alerts are being shown at once", way_out="Try again in a moment")
    follower.trails += 1
    try:
        return await read_trail(follower.bootstrap, alert, follower.partitions)
    finally:
        follower.trails -= 1


def _one(names: tuple[str, ...]) -> str:
    if len(names) != 1:
        raise SettingError(f"{len(names)} fingerprints", setting="fingerprints", way_out="Name one")
    return names[0]


async def _silences(follower: Follower, request: Request) -> Answer:
    picture = within(follower.picture(), request.scope)
    return {
        "silences": [silence_json(picture, each) for each in picture.silences],
        "manager": manager_json(picture),
    }


async def _on_alerts(
    what: Callable[..., Awaitable[tuple[list[Alert], Outcome]]], follower: Follower, request: Request
) -> Answer:
    if not request.fingerprints:
        raise SettingError("no fingerprint", setting="fingerprints", way_out="Name at least one")
    picture = within(follower.picture(), request.scope)
    found, outcome = await what(_order(follower, request), picture, request.fingerprints)
    return {"alerts": [alert.fingerprint for alert in found], **_became(outcome)}


async def _silence(follower: Follower, request: Request) -> Answer:
    given = parse_matchers(request.matchers, "matchers", IN_A_REQUEST)
    if not given:
        raise SettingError("no matcher", setting="matchers", way_out="Say what is to be quiet, such as name=cpu_high")
    wanted = request.scope.matchers(given)
    act.check_silence(wanted)
    if request.tenant is not None:
        act.check_room(within(follower.picture(), request.scope))
    made, outcome = await act.silence(_order(follower, request), wanted, act.silence_s(request.lasting, "for"))
    picture = within(follower.picture(), request.scope)
    unknown = act.unknown_fields(picture, wanted)
    return {"silence": silence_json(picture, made), "unknown_fields": unknown, **_became(outcome)}


async def _unsilence(follower: Follower, request: Request) -> Answer:
    if not request.ids:
        raise SettingError("no id", setting="ids", way_out="Name at least one silence")
    picture = within(follower.picture(), request.scope)
    found, outcome = await act.unsilence(_order(follower, request), picture, request.ids)
    return {"silences": [each.id for each in found], **_became(outcome)}


def _order(follower: Follower, request: Request) -> Order:
    return Order(follower.bootstrap, request.actor, request.comment, request.within_s, follower.hands)


def _became(outcome: Outcome) -> Answer:
    """`done` None: nobody waited; false: kept for when an alert manager works, or `refused`."""
    return {"done": None if outcome.taken is None else outcome.is_well, "refused": outcome.refused}


_WAYS: Mapping[str, Callable[[Follower, Request], Awaitable[Answer]]] = MappingProxyType(
    {
        "list": _list,
        "show": _show,
        "silences": _silences,
        "acknowledge": partial(_on_alerts, act.acknowledge),
        "unacknowledge": partial(_on_alerts, act.unacknowledge),
        "resolve": partial(_on_alerts, act.resolve),
        "escalate": partial(_on_alerts, act.escalate),
        "silence": _silence,
        "unsilence": _unsilence,
    }
)
