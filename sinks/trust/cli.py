"""`fleetpulse trust`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from infra.runtime.durations import parse_duration_s
from infra.runtime.errors import SettingError
from infra.runtime.settings import load_settings


def trust(
    agent: Annotated[
        str | None, typer.Argument(help="an agent; without a name: the lowest scores of the fleet")
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="a tenant (user_id) instead of an agent")] = None,
    deployment: Annotated[str | None, typer.Option(help="a deployment instead of an agent")] = None,
    lake: Annotated[
        Path | None, typer.Option(help="folder of the lake; default FLEETPULSE_LAKE or DATA_DIR/lake")
    ] = None,
    since: Annotated[str, typer.Option(help="how far back before the score events are looked at")] = "30d",
    top: Annotated[int | None, typer.Option(min=1, max=1000, help="so many lines; default 10, of the fleet 20")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of tables")] = False,
) -> None:
    """Why an agent is trusted as it is: score, bound, factors, trend, and the events that moved it most.

    Example:  fleetpulse trust agent-17 --lake ./lake --since 7d
    """
    import json

    from infra.runtime.trust_settings import load_trust_settings
    from sinks.trust.answer import agent_json, group_json, of_agent, of_fleet, of_group
    from sinks.trust.show import show_agent, show_group

    if sum(name is not None for name in (agent, tenant, deployment)) > 1:
        raise SettingError("more than one name", setting="AGENT, --tenant, --deployment", way_out="Give one of them")
    folder, settings = load_settings(lake=lake).lake_dir, load_trust_settings()
    since_s = min(parse_duration_s(since, "--since"), 36_500 * 86_400.0)
    if agent is not None:
        found = of_agent(folder, agent, settings, since_s, top or 10)
        text, content = show_agent(found), agent_json(found)
    else:
        kind, name = ("tenant", tenant) if tenant is not None else ("deployment", deployment)
        group = (
            of_fleet(folder, top or 20) if name is None else of_group(folder, kind, name, settings, since_s, top or 10)
        )
        text, content = show_group(group), group_json(group)
    sys.stdout.write(json.dumps(content, indent=2) + "\n" if as_json else text)
