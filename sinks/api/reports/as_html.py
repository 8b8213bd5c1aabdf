"""The compliance report as a page to print: no script, nothing loaded, every text of others escaped."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from infra.runtime.text import printable
from sinks.api.reports.compliance import last_day

_STYLE = """
:root { color-scheme: light }
body { font: 14px/1.45 system-ui, sans-serif; color: #1a1a1a; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem; margin: 0 } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem }
p.span { color: #555; margin: .25rem 0 1.5rem }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: .75rem; margin: 0 }
dl div { border: 1px solid #ccc; border-radius: 4px; padding: .5rem .75rem }
dt { color: #555; font-size: .85rem } dd { margin: 0; font-size: 1.3rem; font-variant-numeric: tabular-nums }
table { border-collapse: collapse; width: 100% }
caption { text-align: left; color: #555; padding: .25rem 0 }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid #ddd;
  overflow-wrap: anywhere }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; overflow-wrap: normal }
meter { width: 8rem }
ul.context { margin: 0; padding-left: 1rem; color: #444; font-size: .9rem }
@media print {
  @page { size: A4 landscape; margin: 12mm }
  body { max-width: none; margin: 0; padding: 0; font-size: 10px }
  h2 { break-after: avoid } tr { break-inside: avoid } thead { display: table-header-group }
}
"""
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""Content-Security-Policy of the page: its own style sheet and nothing else."""
Report = Mapping[str, Any]
Column = tuple[str, str]
"""Heading, and key of the value; a key that ends in # is a number."""


def as_html(report: Report) -> str:
    """The whole page."""
    title = f"Compliance report {report['from'][:10]} to {last_day(report)}"
    whose = "the whole fleet" if report["tenant"] is None else f"tenant {report['tenant']}"
    about = f"{whose}, {report['from']} to {report['to']} (end excluded), generated {report['generated_at']}"
    parts = [
        f"<h1>{text(title)}</h1><p class=span>{text(about)}</p>{_narrowed(report)}",
        _totals(report["totals"], report["coverage"]),
        *_tables(report),
        _coverage(report["coverage"]),
        _evidence(report),
    ]
    head = f"<meta charset=utf-8><title>{text(title)}</title><style>{_STYLE}</style>"
    return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(parts)}</body></html>\n"


def _narrowed(report: Report) -> str:
    if not report["only_violating"]:
        return ""
    return "<p>Agents and days without violations are left out. The figures are those of all agents.</p>"


def text(value: object) -> str:
    """A value as text within a page: nothing in it is markup."""
    return html.escape(printable("" if value is None else str(value)), quote=True)


def percent(rate: float | None) -> str:
    """A share for people; without one, a dash: unknown is not 100 %."""
    return "–" if rate is None else f"{rate:.2%}"


def _totals(totals: Report, coverage: Report) -> str:
    figures = (
        ("violations", f"{totals['violations']:,}"),
        ("compliance rate", percent(totals["compliance_rate"])),
        ("policy checks", f"{totals['checks']:,.0f}"),
        ("agents", f"{totals['agents']:,}"),
        ("agents with violations", f"{totals['agents_violating']:,}"),
        ("policies violated", f"{totals['policies']:,}"),
        ("agents that check", percent(coverage["share_checked"])),
    )
    return f"<dl>{''.join(f'<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>' for name, value in figures)}</dl>"


_COUNTS: tuple[Column, ...] = (("violations", "violations#"), ("agents", "agents#"))
_CHECKS: tuple[Column, ...] = (("checks", "checks#"), ("compliance", "compliance_rate%"))


def _tables(report: Report) -> Iterable[str]:
    yield _table("By severity", report["by_severity"], (("severity", "name"), *_COUNTS))
    yield _table("By action", report["by_action"], (("action", "name"), *_COUNTS))
    policies: tuple[Column, ...] = (
        ("policy", "policy_name"), ("id", "policy_id"), *_COUNTS, ("severities", "severities"), ("actions", "actions"),
        ("first", "first_at"), ("last", "last_at"),
    )  # fmt: skip
    yield _table("By policy", report["by_policy"], policies)
    days: tuple[Column, ...] = (("day (UTC)", "date"), *_COUNTS[:1], ("critical", "critical#"), _COUNTS[1], *_CHECKS)
    yield _table("Day by day", report["by_day"], (*days, ("", "meter")))
    agents: tuple[Column, ...] = (
        ("agent", "agent_id"),
        ("tenant", "user_id"),
        *_COUNTS[:1],
        ("critical", "critical#"),
        *_CHECKS,
    )
    yield _table("By agent", report["by_agent"], agents)


def _table(title: str, rows: Sequence[Report], columns: Sequence[Column]) -> str:
    if not rows:
        return f"<h2>{text(title)}</h2><p>Nothing in this span.</p>"
    heads = "".join(f"<th scope=col{_kind(key)}>{text(name)}</th>" for name, key in columns)
    lines = "".join(f"<tr>{''.join(_cell(row, key) for _, key in columns)}</tr>" for row in rows)
    return f"<h2>{text(title)}</h2><table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"


def _kind(key: str) -> str:
    return " class=n" if key[-1] in "#%" else ""


def _cell(row: Report, key: str) -> str:
    if key == "meter":
        rate = row["compliance_rate"]
        return (
            "<td></td>" if rate is None else f'<td><meter min=0 max=1 value="{rate:.4f}">{percent(rate)}</meter></td>'
        )
    if key.endswith("%"):
        return f"<td class=n>{text(percent(row[key[:-1]]))}</td>"
    if key.endswith("#"):
        return f"<td class=n>{text(f'{row[key[:-1]]:,.0f}')}</td>"
    value = row[key]
    shown = ", ".join(f"{name}: {n}" for name, n in value.items()) if isinstance(value, Mapping) else value
    return f"<td>{text(shown)}</td>"


def _coverage(coverage: Report) -> str:
    counted = f"{coverage['agents_checked']:,} of {coverage['agents_reporting']:,}"
    lines = [f"{counted} agents that report metrics count policy checks."]
    if coverage["unchecked"]:
        lines.append(f"Without checks, so of unknown compliance: {', '.join(coverage['unchecked'])}.")
    if coverage["without_evidence"]:
        lines.append(f"Named as violated in metrics, without an event: {', '.join(coverage['without_evidence'])}.")
    return "<h2>Coverage</h2>" + "".join(f"<p>{text(line)}</p>" for line in lines)


def _evidence(report: Report) -> str:
    rows = report["evidence"]
    if not rows:
        return "<h2>Evidence</h2><p>No violation in this span.</p>"
    heads = "".join(
        f"<th scope=col>{name}</th>"
        for name in ("time", "agent", "policy", "severity", "action", "what happened", "remediation")
    )
    told = f"the newest {len(rows):,} of {report['evidence_total']:,}; personal data is masked, long texts are cut"
    lines = "".join(_one(row) for row in rows)
    table = f"<table><caption>{text(told)}</caption><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"
    return f"<h2>Evidence</h2>{table}"


def _one(row: Report) -> str:
    context = "".join(f"<li>{text(name)}: {text(value)}</li>" for name, value in row["context"].items())
    what = text(row["description"]) + (f"<ul class=context>{context}</ul>" if context else "")
    cells = (row["timestamp"], row["agent_id"], row["policy_name"], row["severity"], row["action"])
    plain = "".join(f"<td>{text(value)}</td>" for value in cells)
    return f"<tr>{plain}<td>{what}</td><td>{text(row['remediation'])}</td></tr>"
