"""Orders about alerts: who may give them, what is sent, what became of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from infra.access import Principal
from infra.web.problem import Problem
from sinks.api.alerts.desk import AlertDesk
from sinks.api.alerts.models import EndSilence, MakeSilence, OfAlerts, ReplaceRules
from sinks.api.alerts.rules import replace_rules
from sinks.api.scope import Scope

_WITHIN_S = 5.0
AnyOrder = OfAlerts | MakeSilence | EndSilence | ReplaceRules


class Orders:
    """Carries orders out; `rules`: the file that may be replaced, None: none may."""

    def __init__(self, desk: AlertDesk, rules: Path | None) -> None:
        self._desk = desk
        self._rules = rules
        self._one_file = asyncio.Lock()

    async def carry_out(self, order: AnyOrder, who: Principal, scope: Scope) -> dict[str, Any]:
        """The document of `Carried`. Raises `Problem`: 403, 404, 409, 422, 503."""
        if isinstance(order, ReplaceRules):
            return await self._replace(order, who)
        found = await self._desk.ask(order.action, scope, actor=_name(who), within_s=_WITHIN_S, **_fields(order))
        if found["refused"]:
            raise Problem(409, detail="; ".join(found["refused"]), type="not-done")
        return {"action": order.action, **_carried(found)}

    async def _replace(self, order: ReplaceRules, who: Principal) -> dict[str, Any]:
        if who.tenant is not None or who.agents or not who.may("admin"):
            raise Problem(
                403, detail="rules are for everybody: only an admin of the whole fleet changes them", type="role"
            )
        if self._rules is None:
            raise Problem(
                409,
                detail="no file of rules is named: start API, workers and alert manager with the same --rules FILE",
                type="no-rules-file",
            )
        async with self._one_file:
            count = await replace_rules(self._rules, order.yaml, order.replaces)
        return {"action": order.action, "done": True, "rules": count}


def _name(who: Principal) -> str:
    """As people see it beside the alert; the id tells two of one name apart."""
    return f"{who.name} ({who.id})"


def _fields(order: OfAlerts | MakeSilence | EndSilence) -> dict[str, Any]:
    if isinstance(order, OfAlerts):
        return {"fingerprints": order.fingerprints, "comment": order.comment}
    if isinstance(order, MakeSilence):
        return {"matchers": order.matchers, "lasting": order.lasting, "comment": order.comment}
    return {"ids": order.ids}


def _carried(found: dict[str, Any]) -> dict[str, Any]:
    silence = found.get("silence")
    return {
        "done": bool(found["done"]),
        "alerts": found.get("alerts", []),
        "silences": [silence["id"]] if silence else found.get("silences", []),
        "silence": silence,
        "unknown_fields": found.get("unknown_fields", []),
    }
