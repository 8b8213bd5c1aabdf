"""Acknowledge, silence, their opposites, resolve, escalate: checked, sent, and seen to be carried out."""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from infra.runtime.errors import SettingError
from infra.runtime.text import printable
from streams.manager.ask.choose import UnknownAlertError, find_alert, find_silence
from streams.manager.ask.give import Given, give
from streams.manager.ask.picture import Picture
from streams.manager.matchers import Matcher, fits
from streams.manager.model import ACKNOWLEDGED, FIRING, Alert, Silence
from streams.manager.roots import ALONE
from streams.manager.signals import command
from streams.manager.state import State
from streams.rules.values import seconds

_MOST_MATCHERS, _LONGEST_S = 20, 365 * 86_400.0
MOST_SILENCES = 200
"""In force, of one tenant: the alert manager asks each of them about every alert of everybody."""


Hands = Callable[[Sequence[bytes], float | None], Awaitable[Given]]
"""Who sends commands and waits for so many seconds until they are decided on. Raises `KafkaError`."""


@dataclass(frozen=True)
class Order:
    """Who commands, and how long to wait until it is carried out; `within_s` None: do not wait. `hands`: whose
    connections carry it; None: some of its own."""

    bootstrap: str
    actor: str
    comment: str
    within_s: float | None
    hands: Hands | None = None


class UnfitAlertError(UnknownAlertError):
    """The alert is known, and the order makes no sense for it as it is."""


@dataclass(frozen=True)
class Outcome:
    """`taken`: the alert manager decided on it (None: nobody waited); `refused`: subjects that are not as commanded
    although it did, in words."""

    taken: bool | None
    refused: list[str]

    @property
    def is_well(self) -> bool:
        """Carried out, or not waited for."""
        return self.taken is not False and not self.refused


def silence_s(text: str, setting: str = "--for") -> float:
    """How long a silence is to last. Raises `SettingError` that names `setting`."""
    try:
        found = seconds(text.strip())
    except ValueError as error:
        raise SettingError(str(error), setting=setting, way_out="Write for example 30m, 2h, 1h30m or 7d") from error
    assert isinstance(found, float)
    if not 0 < found <= _LONGEST_S:
        raise SettingError(f"{text!r} is too long or nothing", setting=setting, way_out="A silence lasts at most 365d")
    return found


def check_silence(matchers: Sequence[Matcher]) -> None:
    """Whether a silence may have these. Raises `SettingError`."""
    if not 1 <= len(matchers) <= _MOST_MATCHERS:
        raise SettingError(
            f"{len(matchers)} matchers",
            setting="MATCHERS",
            way_out=f"Give 1 to {_MOST_MATCHERS}, such as name=cpu_high",
        )
    if fits(matchers, {}):
        raise SettingError(
            "such a silence would fit whatever lacks these fields",
            setting="MATCHERS",
            way_out="Add one that says what is to be quiet: name=cpu_high, 'host=~web-.*' or 'severity=~info|warning'",
        )


def check_room(picture: Picture) -> None:
    """Whether a tenant, whose picture this is, may have one silence more. Raises `UnfitAlertError`."""
    if len(picture.silences) >= MOST_SILENCES:
        raise UnfitAlertError(
            f"{MOST_SILENCES} silences are in force already", setting="matchers", way_out="End some of them first"
        )


def unknown_fields(picture: Picture, matchers: Sequence[Matcher]) -> list[str]:
    """Fields that no known alert has: perhaps misspelt."""
    known = {name for alert in picture.alerts for name in alert.values()}
    return [name for name, _, _ in matchers if known and name not in known]


async def acknowledge(order: Order, picture: Picture, beginnings: Sequence[str]) -> tuple[list[Alert], Outcome]:
    """Acknowledge alerts that fire; one that is acknowledged stays so. Raises `UnknownAlertError`."""
    found = [find_alert(picture.alerts, each, active=True) for each in beginnings]
    left = [alert for alert in found if alert.status != ACKNOWLEDGED]
    return found, await _on_alerts(order, "acknowledge", left, ACKNOWLEDGED)


async def unacknowledge(order: Order, picture: Picture, beginnings: Sequence[str]) -> tuple[list[Alert], Outcome]:
    """Take acknowledgements back: people are told again. Raises `UnknownAlertError`, also of one that has none."""
    found = [find_alert(picture.alerts, each, active=True) for each in beginnings]
    for alert in found:
        if alert.status != ACKNOWLEDGED:
            raise UnfitAlertError(f"{printable(alert.fingerprint[:8])} is not acknowledged", setting="FINGERPRINT")
    return found, await _on_alerts(order, "unacknowledge", found, FIRING)


async def resolve(order: Order, picture: Picture, beginnings: Sequence[str]) -> tuple[list[Alert], Outcome]:
    """Have alerts end though their rules may hold. Raises `UnknownAlertError`, also of one that has ended, and of what
    the alert manager finds itself: that would fire again at once, or leave members that nobody is told of."""
    found = [find_alert(picture.alerts, each, active=True) for each in beginnings]
    for alert in found:
        if alert.rule_kind in ALONE:
            raise UnfitAlertError(
                printable(f"{alert.fingerprint[:8]} ({alert.name} of {alert.agent_id}) ends when what it says does"),
                setting="FINGERPRINT",
                way_out="To keep it quiet until then, silence it: `fleetpulse alerts show` has the command",
            )

    def refused(after: State) -> list[str]:
        # A rule that ended and fired anew meanwhile did so with another number.
        return [
            printable(f"{alert.fingerprint[:8]} ({alert.name} of {alert.agent_id}) still fires")
            for alert in found
            if (now := after.alerts.get(alert.fingerprint)) is not None and now.active and now.epoch == alert.epoch
        ]

    return found, await _carry_out(order, _messages(order, "resolve", found), refused)


async def escalate(order: Order, picture: Picture, beginnings: Sequence[str]) -> tuple[list[Alert], Outcome]:
    """Have the next step of each alert's route told now. Raises `UnknownAlertError`, also of one that has ended.

    Who goes which way the alert manager knows alone: an alert without a further step is refused afterwards.
    """
    found = [find_alert(picture.alerts, each, active=True) for each in beginnings]
    steps = {alert.fingerprint: (alert.epoch, alert.step) for alert in found}

    def refused(after: State) -> list[str]:
        return [
            printable(f"{alert.fingerprint[:8]} ({alert.name} of {alert.agent_id}) {why}")
            for alert in found
            if (why := _not_escalated(after.alerts.get(alert.fingerprint), *steps[alert.fingerprint])) is not None
        ]

    return found, await _carry_out(order, _messages(order, "escalate", found), refused)


def _not_escalated(now: Alert | None, epoch: int, step: int) -> str | None:
    """Why an alert, which stood at a step of a firing, has not gone on from there; None: it has."""
    if now is None or not now.active:
        return "has ended"
    if (now.epoch, now.step) > (epoch, step):
        return None
    if not step:
        return "goes no steps: no route of the rules fits it, so it is told on the default channels alone"
    return f"has no further step: all {step} of its route are done" if step > 1 else "has no further step: one is done"


def _messages(order: Order, name: str, alerts: Sequence[Alert]) -> list[bytes]:
    return [
        command(name, order.actor, {"fingerprint": alert.fingerprint, "comment": order.comment}) for alert in alerts
    ]


async def _on_alerts(order: Order, name: str, alerts: Sequence[Alert], status: str) -> Outcome:
    wanted = {alert.fingerprint: alert for alert in alerts}

    def refused(after: State) -> list[str]:
        return [
            printable(f"{name[:8]} ({alert.name} of {alert.agent_id}) has ended")
            for name, alert in wanted.items()
            if (now := after.alerts.get(name)) is None or now.status != status
        ]

    return await _carry_out(order, _messages(order, name, alerts), refused)


async def silence(order: Order, matchers: Sequence[Matcher], for_s: float) -> tuple[Silence, Outcome]:
    """Keep alerts that fit quiet for a while."""
    now_s = time.time()
    made = Silence(uuid.uuid4().hex[:12], tuple(matchers), now_s + for_s, order.actor, order.comment, now_s)
    arguments: dict[str, Any] = {
        "id": made.id, "matchers": [list(each) for each in matchers], "until_s": made.until_s, "comment": made.comment,
    }  # fmt: skip

    def refused(after: State) -> list[str]:
        return [] if made.id in after.silences else ["its log says why: `nothing was decided on a signal`"]

    return made, await _carry_out(order, [command("silence", order.actor, arguments)], refused)


async def unsilence(order: Order, picture: Picture, beginnings: Sequence[str]) -> tuple[list[Silence], Outcome]:
    """End silences: who was not told because of them is told now. Raises `UnknownAlertError`."""
    found = [find_silence(picture.silences, each) for each in beginnings]

    def refused(after: State) -> list[str]:
        return [f"silence {each.id} is still there" for each in found if each.id in after.silences]

    messages = [command("unsilence", order.actor, {"id": each.id}) for each in found]
    return found, await _carry_out(order, messages, refused)


async def _carry_out(order: Order, messages: Sequence[bytes], refused: Callable[[State], list[str]]) -> Outcome:
    if not messages:
        return Outcome(taken=True, refused=[])
    hands = order.hands or partial(give, order.bootstrap)
    given = await hands(messages, order.within_s)
    return Outcome(given.taken, refused(given.state) if given.taken else [])
