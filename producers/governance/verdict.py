"""What an evaluation found. Nothing here holds a detected value, so all of it may be logged and sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["allowed", "flagged", "redacted", "blocked"]
Severity = Literal["low", "medium", "high", "critical"]
VERDICTS: tuple[Verdict, ...] = ("allowed", "flagged", "redacted", "blocked")


@dataclass(frozen=True, slots=True)
class Span:
    """`text[start:end]` of the answer as it was given, in code points; `kind`: email, phone, ssn, card, iban, ..."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One policy that the answer broke. `failed`: the policy itself raised, and this is what its `on_error` says."""

    policy_id: str
    policy_name: str
    type: str
    severity: Severity
    action: Verdict
    description: str
    remediation: str
    spans: tuple[Span, ...] = ()
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The answer that may leave, and why.

    `checks`: policies that were asked. `took_us`: wall time. `context`: input, response and what the caller gave,
    redacted; empty when nothing was found.
    """

    text: str
    action: Verdict
    findings: tuple[Finding, ...]
    checks: int
    took_us: float
    context: Mapping[str, str] = field(default_factory=dict)

    @property
    def allowed(self) -> bool:
        """Whether an answer leaves at all."""
        return self.action != "blocked"

    @property
    def compliance_rate(self) -> float:
        """Share of the policies that held, 0 to 1; 1 where there are none."""
        broken = sum(finding.action != "allowed" for finding in self.findings)
        return 1.0 - broken / self.checks if self.checks else 1.0

    def violations(self) -> Iterator[dict[str, Any]]:
        """Keyword arguments of `Reporter.violation`, one set for each finding. An allowed failure is none."""
        for finding in self.findings:
            if finding.action != "allowed":
                yield {
                    "policy_id": finding.policy_id,
                    "description": finding.description,
                    "severity": finding.severity,
                    "action": finding.action,
                    "policy_name": finding.policy_name,
                    "violation_type": "policy_error" if finding.failed else "policy_violation",
                    "context": {**self.context, "rule": finding.type},
                    "remediation_suggested": finding.remediation,
                }
