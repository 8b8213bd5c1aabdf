"""The compliance report over real HTTP: figures counted by hand, tenants apart, nothing executable in it."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from small_lake import START, SmallLake
from web_world import Running, app_of, running

from sinks.api.past.pool import LakePool
from sinks.api.reports.as_csv import COLUMNS, cell
from sinks.api.reports.mask import masked
from sinks.api.reports.models import ComplianceReport
from sinks.api.reports.routes import reports_router

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e\"'&=1+1"
SPAN = {"from": "2026-03-01", "to": "2026-03-04"}


def violation(day: float, agent: str, policy: str, severity: str, action: str, **more: object) -> dict[str, Any]:
    found = {"agent_id": agent, "user_id": "acme", "policy_id": policy, "policy_name": policy.upper()}
    return {**found, "timestamp": START + timedelta(days=day), "severity": severity, "action": action, **more}


def checked(day: float, agent: str, checks: float | None, rate: float | None, **more: object) -> dict[str, Any]:
    found = {"agent_id": agent, "user_id": "acme", "timestamp": START + timedelta(days=day)}
    return {**found, "policy_checks": checks, "compliance_rate": rate, **more}


@pytest.fixture
async def api(lake: SmallLake) -> AsyncIterator[Running]:
    told = "mail ann@example.org or 4111 1111 1111 1111"
    context = [{"name": HOSTILE, "value": HOSTILE}, {"name": "input", "value": told}]
    lake.add(
        "violations",
        [
            violation(0, "a", "pii", "critical", "blocked", description=HOSTILE, context=context, policy_name=HOSTILE),
            violation(0.1, "a", "pii", "high", "redacted"),
            violation(2, "b", "length", "low", "flagged", remediation_suggested="=cmd|' /C calc'!A0"),
            violation(2, "a", "pii", "high", "redacted", user_id="other", description="of the other"),
            violation(9, "a", "pii", "high", "redacted", description="too late"),
        ],
    )
    nan = float("nan")
    lake.add(
        "metrics",
        [
            checked(0, "a", 100.0, 0.9), checked(0.2, "a", 300.0, 1.0), checked(2, "b", 100.0, 0.5),
            checked(2, "c", None, None), checked(2, "c", 10.0, nan), checked(2, "c", nan, 1.0),
            checked(2, "c", 5.0, 7.0),
            checked(2, "fleetpulse:lake:h-1", None, None, user_id="fleetpulse"),
            checked(0, "a", 1e9, 0.0, user_id="other"), checked(1, "b", None, None, policy_violations=["tone", "pii"]),
        ],
    )  # fmt: skip
    past = LakePool(lake.folder, timeout_s=60.0)  # not that of people who wait: machines are busy
    async with running(app_of(reports_router(past))) as server:
        yield server
    past.close()


async def report(api: Running, tenant: str | None = "acme", **more: object) -> Any:  # noqa: ANN401  # JSON or an answer
    answer = await api.client.get("/api/reports/compliance", params={**SPAN, **more}, headers=api.by("viewer", tenant))
    assert answer.status_code == 200, answer.text
    return answer.json() if more.get("format", "json") == "json" else answer


async def test_figures_are_those_counted_by_hand(api: Running) -> None:
    found = await report(api)
    ComplianceReport.model_validate(found)
    assert found["totals"] == {
        "violations": 3, "agents": 3, "agents_violating": 2, "policies": 2, "checks": 500.0,
        "compliance_rate": pytest.approx((90 + 300 + 50) / 500),
    }  # fmt: skip
    assert [(row["policy_id"], row["violations"], row["agents"], row["reports"]) for row in found["by_policy"]] == [
        ("pii", 2, 1, 1), ("length", 1, 1, 0),
    ]  # fmt: skip
    assert found["by_policy"][0]["severities"] == {"critical": 1, "high": 1}
    assert {row["name"]: row["violations"] for row in found["by_action"]} == {"blocked": 1, "redacted": 1, "flagged": 1}
    assert [(row["date"], row["violations"], row["checks"]) for row in found["by_day"]] == [
        ("2026-03-01", 2, 400.0), ("2026-03-02", 0, 0.0), ("2026-03-03", 1, 100.0),
    ]  # fmt: skip
    assert found["by_day"][0]["compliance_rate"] == pytest.approx(390 / 400)
    assert [row["agent_id"] for row in found["by_agent"]] == ["a", "b", "c"]
    assert found["by_agent"][2]["compliance_rate"] is None
    coverage = found["coverage"]
    assert (coverage["agents_reporting"], coverage["agents_checked"], coverage["unchecked"]) == (3, 2, ["c"])
    assert coverage["without_evidence"] == ["tone"]
    assert (len(found["evidence"]), found["evidence_total"]) == (3, 3)
    assert found["evidence"][-1]["context"]["input"] == "mail [e-mail] or [card]"


async def test_only_with_violations_leaves_out_others_in_every_form_and_changes_no_sum(api: Running) -> None:
    whole, found = await report(api), await report(api, only_violating="true")
    ComplianceReport.model_validate(found)
    assert (whole["only_violating"], found["only_violating"]) == (False, True)
    assert [row["agent_id"] for row in found["by_agent"]] == ["a", "b"]
    assert [row["date"] for row in found["by_day"]] == ["2026-03-01", "2026-03-03"]
    for part in ("totals", "by_policy", "by_severity", "by_action", "coverage", "evidence"):
        assert found[part] == whole[part], part
    as_csv = await report(api, only_violating="true", format="csv")
    assert "compliance_2026-03-01_2026-03-03_violations.csv" in as_csv.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(as_csv.text)))
    assert [row["agent_id"] for row in rows if row["section"] == "agent"] == ["a", "b"]
    as_html = (await report(api, only_violating="true", format="html")).text
    assert "Agents and days without violations are left out" in as_html
    assert "Agents and days without violations are left out" not in (await report(api, format="html")).text


async def test_a_tenant_reads_of_itself_and_the_fleet_of_all(api: Running) -> None:
    assert "of the other" not in str(await report(api))
    other = await report(api, "other")
    assert (other["totals"]["violations"], other["totals"]["checks"]) == (1, 1e9)
    everything = await report(api, None)
    assert everything["totals"]["violations"] == 4
    # The same name under two tenants is two agents.
    assert [(row["user_id"], row["agent_id"]) for row in everything["by_agent"] if row["agent_id"] == "a"] == [
        ("acme", "a"), ("other", "a"),
    ]  # fmt: skip
    # Our own processes report, too, and are no agents that do not check.
    assert everything["coverage"]["unchecked"] == ["c"]
    assert everything["totals"]["agents"] == 4
    nobody = await report(api, "nobody")
    assert (nobody["totals"]["violations"], nobody["totals"]["compliance_rate"], nobody["evidence"]) == (0, None, [])


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.words += data


async def test_the_page_holds_no_markup_of_others_and_may_load_nothing(api: Running) -> None:
    answer = await report(api, format="html")
    page = _Page()
    page.feed(answer.text)
    assert page.tags <= {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "dl", "div", "dt", "dd", "table", "caption",
        "thead", "tbody", "tr", "th", "td", "ul", "li", "meter",
    }  # fmt: skip
    assert page.attributes <= {"lang", "charset", "class", "scope", "min", "max", "value"}
    assert "<script>alert(1)</script>" in page.words  # as text
    assert "Compliance report 2026-03-01 to 2026-03-03" in page.words  # the last day that is in it
    assert "\x1b" not in answer.text
    assert "\u202e" not in answer.text
    assert "@media print" in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert "script-src" not in answer.headers["content-security-policy"]
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


async def test_no_cell_is_a_formula(api: Running) -> None:
    answer = await report(api, format="csv")
    assert 'filename="compliance_2026-03-01_2026-03-03.csv"' in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert set(rows[0]) == set(COLUMNS)
    assert [row["section"] for row in rows].count("evidence") == 3
    assert {row["remediation"] for row in rows if row["policy_id"] == "length"} == {"", "'=cmd|' /C calc'!A0"}
    for row in rows:
        assert not [value for value in row.values() if value.lstrip().startswith(("=", "+", "-", "@"))]
    assert next(row for row in rows if row["section"] == "total")["violations"] == "3"


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "  =1", "＝1"])
def test_text_that_begins_like_a_formula_gets_an_apostrophe(text: str) -> None:
    assert str(cell(text)).startswith("'")


def test_numbers_stay_numbers() -> None:
    assert [cell(value) for value in (-1.5, 3, None, True, "a=b")] == [-1.5, 3, None, True, "a=b"]


async def test_a_span_that_is_none_is_refused(api: Running) -> None:
    key = api.by("viewer")
    turned = {"from": "2026-03-02", "to": "2026-03-01"}
    wrong = ({"from": "x"}, {"from": "2024-01-01"}, turned, {"format": "pdf"}, {"evidence": 9_999})
    for bad in (*wrong, {"format": ["json", "csv"]}, {"fromm": "2026-03-01"}):
        answer = await api.client.get("/api/reports/compliance", params=bad, headers=key)
        assert answer.status_code == 422, bad
    assert (await api.client.get("/api/reports/compliance")).status_code == 401


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("card 4111-1111-1111-1111.", "card [card]."), ("4111 1111 1111 1112", "4111 1111 1111 1112"),
        ("ssn 078-05-1120", "ssn [ssn]"), ("DE89 3704 0044 0532 0130 00!", "[iban]!"), ("a.b+c@x.example", "[e-mail]"),
        ("2026-11-21T19:00:00", "2026-11-21T19:00:00"), ("x" * 600, "x" * 499 + "…"),
    ],
)  # fmt: skip
def test_what_names_a_person_is_masked(text: str, shown: str) -> None:
    assert masked(text) == shown


async def test_a_rate_is_the_same_in_whatever_order_its_rows_are_added_up(lake: SmallLake) -> None:
    lake.add("metrics", [checked(n / 300, f"a{n % 4}", 40.0, 0.97) for n in range(288)])
    past = LakePool(lake.folder, timeout_s=60.0)  # not that of people who wait: machines are busy
    async with running(app_of(reports_router(past))) as server:
        found = await report(server)
    past.close()
    rates = [found["totals"], *found["by_agent"], found["by_day"][0]]
    assert [each["compliance_rate"] for each in rates] == [0.97] * 6
