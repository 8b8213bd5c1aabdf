from typing import Any

import polars as pl
import pytest

from streams.operators import silent
from streams.operators.claims import ClaimConfig, failing_bounds, judge, new_outcomes, note_claim, note_outcome
from streams.operators.silent import HEALTH_MISMATCH, Finding, SilentConfig, State

START_S = 1_790_000_000.0


def _done(number: int, status: str, claimed: str | None) -> dict[str, Any]:
    return {
        "agent_id": "a", "timestamp": round((START_S + number) * 1e6), "kind": "agent_completed",
        "run_id": f"r{number}", "thread_id": "t", "tool": None, "tool_call_id": None,
        "arguments_hash": None, "deadline_s": None,
        "latency_ms": None, "status": status, "claimed_health": claimed,
    }  # fmt: skip


def _findings(statuses: list[str], claimed: str | None) -> list[Finding]:
    rows = [_done(number, status, claimed) for number, status in enumerate(statuses)]
    frame = pl.DataFrame(rows, infer_schema_length=None).with_columns(
        pl.col("timestamp").cast(pl.Datetime("us", "UTC")), pl.col("deadline_s", "latency_ms").cast(pl.Float64)
    )
    state: State = {}
    return silent.update(SilentConfig(), state, frame, START_S + len(rows))


def test_an_agent_that_says_healthy_while_half_of_its_work_fails_is_told_of_once() -> None:
    found = _findings(["failure", "success"] * 30, "healthy")
    assert [(finding.kind, finding.subject, finding.claimed_health) for finding in found] == [
        (HEALTH_MISMATCH, "failing", "healthy")
    ]
    assert found[0].value >= found[0].threshold


def test_an_agent_that_says_degraded_while_all_goes_well_contradicts_itself() -> None:
    assert [finding.subject for finding in _findings(["success"] * 60, "degraded")] == ["fine"]


@pytest.mark.parametrize(
    ("statuses", "claimed"),
    [
        (["failure"] * 60, "degraded"),
        (["failure"] * 60, None),
        ((["success"] * 32 + ["failure"]) * 20, "healthy"),
        (["failure"] * 3 + ["success"] * 50, "healthy"),
    ],
    ids=["honest", "says nothing", "three in a hundred", "a bad start of few"],
)
def test_what_agrees_or_is_too_little_is_no_finding(statuses: list[str], claimed: str | None) -> None:
    assert _findings(statuses, claimed) == []


def test_a_new_claim_is_judged_by_what_comes_after_it() -> None:
    known = new_outcomes()
    note_claim(known, "degraded")
    for _ in range(40):
        note_outcome(known, failed=True)
    note_claim(known, "healthy")
    assert judge(ClaimConfig(), known) == "agrees"
    assert failing_bounds(known, 2.58) == (0.0, 1.0)


def test_wilsons_bounds_of_three_in_ten() -> None:
    known = new_outcomes() | {"good": 7.0, "bad": 3.0}
    assert failing_bounds(known, 1.96) == pytest.approx((0.1078, 0.6032), abs=1e-4)


def test_state_of_an_earlier_version_is_taken_on() -> None:
    state: State = {"a": silent.new_agent()}
    del state["a"]["outcomes"]  # type: ignore[misc]  # as an older program saved it
    silent.claim(state, "a", "healthy")
    assert state["a"]["outcomes"]["claim"] == "healthy"
