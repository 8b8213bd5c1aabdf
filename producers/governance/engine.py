"""`Engine`: the policies of an agent, asked about each answer before it leaves."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from producers.governance.checks import Check, Objected, Reading, make_check, wanted_kinds
from producers.governance.context import WITHHELD, ContextRedactor, sendable
from producers.governance.policies import LengthPolicy, PiiPolicy, Policy, parse_policies
from producers.governance.redact import cover
from producers.governance.verdict import VERDICTS, Evaluation, Finding, Span, Verdict

BLOCKED_TEXT = "[BLOCKED]"
# Types of policies whose findings are places of what must not be known.
_SECRET = frozenset({"pii", "pattern", "callable"})
_DONE: dict[str, Verdict] = {"block": "blocked", "redact": "redacted", "flag": "flagged", "allow": "allowed"}


class _Ready(NamedTuple):
    policy: Policy
    check: Check


class Engine:
    """Judges answers by `policies`: models or mappings, see `parse_policies`; disabled ones are left out.

    Pure: no input or output, no state between calls, may be used from any thread. `blocked_text` leaves in place
    of a blocked answer where no policy that blocks it has a `message`. Raises `SettingError` for policies that cannot
    work.
    """

    def __init__(
        self, policies: Iterable[Policy | Mapping[str, Any]] = (), *, blocked_text: str = BLOCKED_TEXT
    ) -> None:
        self.policies = tuple(policy for policy in parse_policies(policies) if policy.enabled)
        self._ready = tuple(_Ready(policy, make_check(policy)) for policy in self.policies)
        self._kinds = _kinds(self.policies)
        self._blocked_text = blocked_text
        self._context = ContextRedactor([(ready.policy, ready.check) for ready in self._ready])

    def evaluate(self, user_input: str, response: str, context: Mapping[str, str] | None = None) -> Evaluation:
        """What may leave of `response`, the answer to `user_input`, and which policies it broke.

        Never raises: a policy that does is a finding with what its `on_error` says. What is found in the findings and
        in the context of the evaluation holds no detected value.
        """
        began_ns = time.perf_counter_ns()
        reading = Reading(user_input, response, context or {}, self._kinds)
        findings = tuple(found for ready in self._ready if (found := _ask(ready, reading)) is not None)
        action: Verdict = max((found.action for found in findings), key=VERDICTS.index, default="allowed")
        text = self._what_leaves(response, findings, action)
        told = self._tell(reading, findings, action) if findings else {}
        took_us = (time.perf_counter_ns() - began_ns) / 1_000
        return Evaluation(text, action, findings, len(self._ready), took_us, told)

    def redact(self, text: str) -> str:
        """Any text, for example of a log line, without personal data and without what patterns and Presidio find."""
        return self._context.redact_text(text)

    def _what_leaves(self, response: str, findings: tuple[Finding, ...], action: Verdict) -> str:
        if action == "blocked":
            return self._instead(findings)
        if action != "redacted":
            return response
        spans = [
            span for found in findings if found.action == "redacted" and found.type != "length" for span in found.spans
        ]
        limits = [p.max_length for p in self.policies if isinstance(p, LengthPolicy) and p.action == "redact"]
        mark = "" if any("…" in response[span.start : span.end] for span in spans) else "…"
        return shortened(cover(response, spans), min(limits, default=None), mark)

    def _instead(self, findings: tuple[Finding, ...]) -> str:
        blocking = {found.policy_id for found in findings if found.action == "blocked"}
        messages = (policy.message for policy in self.policies if policy.id in blocking and policy.message)
        return next(messages, self._blocked_text)

    def _tell(self, reading: Reading, findings: tuple[Finding, ...], action: Verdict) -> dict[str, str]:
        """The response is covered with what was found in it already; the rest is looked through."""
        found = [span for finding in findings if finding.type in _SECRET for span in finding.spans]
        values = {reading.response[span.start : span.end] for span in found}
        told = self._context.redact({"input": reading.user_input, "response": "", **reading.context}, values)
        told["response"] = BLOCKED_TEXT if action == "blocked" else self._told_response(reading, findings)
        return told

    def _told_response(self, reading: Reading, findings: tuple[Finding, ...]) -> str:
        if any(finding.failed and finding.type == "pii" for finding in findings):
            return WITHHELD
        hidden = [f for f in findings if f.type in _SECRET or (f.type == "topics" and f.action == "redacted")]
        spans = [span for finding in hidden for span in finding.spans]
        return sendable(cover(reading.response, [*reading.everything_personal, *spans]))


def _kinds(policies: Iterable[Policy]) -> frozenset[str]:
    builtin = (policy for policy in policies if isinstance(policy, PiiPolicy) and policy.detector == "builtin")
    return frozenset[str]().union(*(wanted_kinds(policy) for policy in builtin))


def _ask(ready: _Ready, reading: Reading) -> Finding | None:
    try:
        objected = ready.check(reading)
    except Exception as error:  # noqa: BLE001  # a policy must not break its host: what failed is said, and on_error decides
        return _failed(ready.policy, error)
    return None if objected is None else _finding(ready.policy, objected)


def _finding(policy: Policy, objected: Objected) -> Finding:
    # What cannot be cut out cannot leave.
    done: Verdict = "blocked" if policy.action == "redact" and not objected.spans else _DONE[policy.action]
    return _found(policy, done, objected.what, objected.spans)


def _failed(policy: Policy, error: Exception) -> Finding:
    # The text of the error may hold what the answer holds.
    return _found(
        policy, _DONE[policy.on_error], f"The policy could not be judged: {type(error).__name__}", failed=True
    )


def _found(
    policy: Policy, action: Verdict, what: str, spans: tuple[Span, ...] = (), *, failed: bool = False
) -> Finding:
    kind: str = getattr(policy, "type", "custom")
    return Finding(policy.id, policy.title, kind, policy.severity, action, what, policy.advice, spans, failed)


def shortened(text: str, longest: int | None, mark: str = "…") -> str:
    """`text` with at most `longest` characters, cut after its last whole word, `mark` at its end."""
    if longest is None or len(text) <= longest:
        return text
    cut = text[: max(longest - len(mark), 0)]
    whole = cut.rpartition(" ")[0] if not text[len(cut)].isspace() else cut
    return (whole.rstrip() or cut) + mark[:longest]
