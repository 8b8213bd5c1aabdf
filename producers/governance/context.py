"""The circumstances of a violation, fit to leave the agent: whatever the policies ask for, no personal data goes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from producers.governance.checks import Check, Reading
from producers.governance.policies import PatternPolicy, PiiPolicy, Policy
from producers.governance.redact import cover, personal_spans, redact_text

MAX_ENTRIES, MAX_NAME, MAX_VALUE = 16, 100, 1_000
WITHHELD = "[WITHHELD]"


class ContextRedactor:
    """Takes personal data of all built-in kinds out, and what patterns and Presidio's policies find."""

    def __init__(self, ready: Sequence[tuple[Policy, Check]]) -> None:
        self._checks = [check for policy, check in ready if _finds_secrets(policy)]

    def redact(self, context: Mapping[str, str], values: Collection[str]) -> dict[str, str]:
        """Names and values without personal data and without `values`; at most 16 of 1,000 characters, valid UTF-8."""
        entries = list(context.items())[:MAX_ENTRIES]
        return {sendable(redact_text(str(name)))[:MAX_NAME]: self._redact_value(str(v), values) for name, v in entries}

    def _redact_value(self, value: str, values: Collection[str]) -> str:
        return sendable(self.redact_text(value, values))

    def redact_text(self, text: str, values: Collection[str] = ()) -> str:
        """`text` without all of that; `WITHHELD` where one of the policies' detectors fails."""
        if not text:
            return text
        reading = Reading("", text, {}, frozenset())
        spans = personal_spans(text)
        try:
            for check in self._checks:
                objected = check(reading)
                spans += objected.spans if objected is not None else ()
        except Exception:  # noqa: BLE001  # a detector that fails cannot vouch for the text; its policy's finding says so
            return WITHHELD
        return cover(text, spans, values)


def _finds_secrets(policy: Policy) -> bool:
    return isinstance(policy, PatternPolicy) or (isinstance(policy, PiiPolicy) and policy.detector == "presidio")


def sendable(text: str) -> str:
    """The beginning of `text` that fits into the context, as valid UTF-8."""
    return text[:MAX_VALUE].encode("utf-8", "replace").decode("utf-8")
