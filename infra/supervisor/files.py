"""The files that a run is given: found, and checked by those who will read them, before anything starts."""

from __future__ import annotations

import asyncio
from pathlib import Path

from infra.runtime.errors import SettingError
from infra.supervisor.ask import complaint
from infra.supervisor.plan import RunPlan

RULES_SETTING, CHANNELS_SETTING = "--rules or FLEETPULSE_RULES", "--channels or FLEETPULSE_CHANNELS"


def readable(file: Path | None, setting: str) -> Path | None:
    """The file by its absolute name, so that every part finds it, with `..` gone; a link stays one, since whoever
    turns it to another file expects that to be read. Raises `SettingError`."""
    if file is None:
        return None
    try:
        file.open("rb").close()
    except OSError as error:
        raise SettingError(
            f"cannot read {file}: {error.strerror}", setting=setting, way_out="Name a YAML file that you may read"
        ) from error
    return file.parent.resolve() / file.name


async def check_files(plan: RunPlan, environment: dict[str, str]) -> None:
    """Raise `SettingError` with all that `rules check` and `notify check` say against the files of the plan."""
    checks = {}
    if plan.rules is not None:
        checks[RULES_SETTING] = complaint("rules", "check", str(plan.rules), environment=environment)
    if plan.channels is not None and plan.notify:
        checks[CHANNELS_SETTING] = complaint("notify", "check", str(plan.channels), environment=environment)
    found = await asyncio.gather(*checks.values())
    wrong = {setting: said for setting, said in zip(checks, found, strict=True) if said is not None}
    if wrong:
        told = "\n".join(f"{setting}:\n{said}" for setting, said in wrong.items())
        raise SettingError(f"nothing was started, since files cannot be used\n{told}")
