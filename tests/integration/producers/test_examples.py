"""The examples, run as anybody would run them: what they say, and what of it reaches the broker."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections import defaultdict
from contextlib import aclosing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from reporter_world import PRODUCED, events, make_topics

from infra.broker.interface import Broker

FOLDER = Path(__file__).parents[3] / "examples"
EXAMPLES = {
    "healthcare": ("healthcare-assistant", "clinic"),
    "financial": ("savings-bot", "bank"),
    "customer_service": ("shop-assistant", "shop"),
    "legal": ("legal-research", "law-firm"),
}
SAID = {
    "healthcare": [
        "allowed: From 8 to 18, on Saturdays until 12.",
        "redacted: The file says: Jane Doe, SSN [SSN], [REDACTED], phone [PHONE].",
        "blocked: How much to take is for your doctor or pharmacist to say.",
    ],
    "financial": [
        "allowed: 1,343.92, assuming 3% each year.",
        "redacted: Into [IBAN], or by card [CARD].",
        "blocked: No return is certain. A person of our staff will gladly advise you.",
    ],
    "customer_service": [
        "redacted: Your order was sent on 2026-11-20 to Kim Park, [EMAIL], [PHONE].",
        "allowed: I cannot find this order.",
        "flagged: BuyMore is dearer, and slower.",
    ],
    "legal": [
        "allowed: Harbour v. Mills: a carrier answers for goods from the moment they are taken over.",
        "blocked: I found no case on this.",
        "redacted: [REDACTED]: [REDACTED]; write to [EMAIL].",
    ],
}
VIOLATED = {
    "healthcare": {("hipaa-compliance", "redacted"), ("record-numbers", "redacted"), ("no-dosage", "blocked")},
    "financial": {("pci", "redacted"), ("no-promises", "blocked"), ("rates", "flagged")},
    "customer_service": {("no-personal-info", "redacted"), ("competitors", "flagged")},
    "legal": {("real-citations", "blocked"), ("no-advice", "redacted"), ("clients", "redacted")},
}
SECRETS = (
    *("123-45-6789", "MRN-204518", "555-0123", "DE89 3704", "4111 1111", "kim.park@example.com", "312 3456"),
    "counsel@example.com",
)


class Ran(NamedTuple):
    """An example that ended."""

    code: int | None
    said: str
    errors: str


async def _run(name: str, bootstrap: str, data_dir: Path) -> Ran:
    arguments = (str(FOLDER / f"{name}.py"), "--for", "800ms", "--every", "100ms")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("FLEETPULSE_")}
    environment |= {"FLEETPULSE_BOOTSTRAP": bootstrap, "FLEETPULSE_DATA_DIR": str(data_dir)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=PIPE, stderr=PIPE, env=environment
    )
    out, err = await asyncio.wait_for(process.communicate(), 120)
    return Ran(process.returncode, out.decode(), err.decode())


async def _run_all(bootstrap: str, folder: Path) -> dict[str, Ran]:
    return dict(zip(EXAMPLES, await asyncio.gather(*(_run(n, bootstrap, folder / n) for n in EXAMPLES)), strict=True))


async def _of_agents(bootstrap: str, wanted: dict[str, int]) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    found: dict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
    async with aclosing(events(bootstrap, PRODUCED, 120.0)) as stream:
        async for topic, record in stream:
            if record["agent_id"] in wanted:
                found[record["agent_id"]].append((topic, record))
            if all(len(found[agent]) >= count for agent, count in wanted.items()):
                return found
    return found


async def test_what_examples_say_and_what_reaches_the_broker(tansu: Broker, tmp_path: Path) -> None:
    await make_topics(tansu)
    ran = await _run_all(tansu.bootstrap, tmp_path)
    counts = {}
    for name, (code, said, errors) in ran.items():
        assert (code, errors) == (0, "")
        assert [line for line in SAID[name] if line not in said] == []
        assert not any(secret in said for secret in SECRETS)
        issued, acknowledged = said.splitlines()[-1].split(" events: ")[0], said.splitlines()[-1].split()[2]
        assert issued == acknowledged
        counts[EXAMPLES[name][0]] = int(issued)
    found = await _of_agents(tansu.bootstrap, counts)
    for name, (agent, tenant) in EXAMPLES.items():
        _check_events(name, tenant, found[agent], counts[agent])


def _check_events(name: str, tenant: str, got: list[tuple[str, dict[str, Any]]], issued: int) -> None:
    assert sorted(record["seq"] for _, record in got) == list(range(issued))
    assert {record["user_id"] for _, record in got} == {tenant}
    assert {"fleet.heartbeats", "fleet.metrics", "fleet.lifecycle", "fleet.violations"} <= {topic for topic, _ in got}
    violations = [record for topic, record in got if topic == "fleet.violations"]
    assert {(record["policy_id"], record["action"]) for record in violations} >= VIOLATED[name]
    assert all(record["remediation_suggested"] and record["context"] for record in violations)
    assert not any(secret in str(record) for _, record in got for secret in SECRETS)


async def test_an_example_works_without_a_broker(tmp_path: Path) -> None:
    code, said, errors = await _run("healthcare", "127.0.0.1:1", tmp_path)
    last = said.splitlines()[-1]
    assert code == 0
    assert [line for line in SAID["healthcare"] if line not in said] == []
    assert last.endswith(f"0 acknowledged, {last.split()[0]} wait on disk")
    assert all("no broker at 127.0.0.1:1" in line for line in errors.splitlines())


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_short(name: str) -> None:
    assert len((FOLDER / f"{name}.py").read_text(encoding="utf-8").splitlines()) < 80
