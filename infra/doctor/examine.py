"""All checks in the order in which people read them."""

from __future__ import annotations

import os
from collections.abc import Iterable

from infra.doctor import brokers, machine
from infra.doctor.finding import Finding
from infra.runtime.settings import Settings


def examine(settings: Settings) -> list[Finding]:
    """Look at everything; changes nothing, and contacts only the broker that is configured, if one is."""
    return [
        machine.python_version(),
        *machine.packages(),
        brokers.java(),
        brokers.maven(settings),
        brokers.jars(settings),
        brokers.tansu(),
        brokers.chosen(settings),
        machine.writable("data folder", settings.data_dir, "FLEETPULSE_DATA_DIR"),
        machine.writable("lake", settings.lake_dir, "FLEETPULSE_LAKE"),
        machine.free_disk(settings.data_dir, "FLEETPULSE_DATA_DIR"),
        machine.docker_engine(os.environ),
        machine.gpu(),
    ]


def can_run(findings: Iterable[Finding]) -> bool:
    """Whether nothing is missing that running needs."""
    return all(finding.state != "missing" for finding in findings)
