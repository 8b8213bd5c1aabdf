"""Governance: policies that an agent's answers keep to, judged before an answer leaves."""

from producers.governance.engine import Engine
from producers.governance.policies import (
    CallablePolicy,
    LengthPolicy,
    Part,
    PatternPolicy,
    PiiPolicy,
    Policy,
    TopicsPolicy,
    parse_policies,
)
from producers.governance.redact import redact_text
from producers.governance.verdict import Evaluation, Finding, Span, Verdict

__all__ = [
    "CallablePolicy",
    "Engine",
    "Evaluation",
    "Finding",
    "LengthPolicy",
    "Part",
    "PatternPolicy",
    "PiiPolicy",
    "Policy",
    "Span",
    "TopicsPolicy",
    "Verdict",
    "parse_policies",
    "redact_text",
]
