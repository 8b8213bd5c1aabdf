"""What happens to an answer, and what is told about it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from producers.governance import Engine, Part, Policy
from producers.governance.checks import make_check
from producers.governance.context import MAX_ENTRIES, MAX_VALUE, WITHHELD, ContextRedactor
from producers.governance.detectors import Hit
from producers.governance.detectors.presidio import PresidioDetector
from producers.governance.engine import shortened
from producers.governance.policies import PatternPolicy
from producers.governance.redact import cover
from producers.governance.verdict import Span


def _explode(_given: str, response: str, _context: Mapping[str, str]) -> None:
    raise ValueError(response)


def test_an_answer_that_keeps_to_the_policies_leaves_as_it_is() -> None:
    evaluation = Engine([{"id": "pii"}, {"id": "n", "maxLength": 99}]).evaluate("Where?", "In Bonn.")
    assert (evaluation.text, evaluation.action, evaluation.findings, evaluation.checks) == (
        "In Bonn.",
        "allowed",
        (),
        2,
    )
    assert evaluation.compliance_rate == 1.0
    assert evaluation.context == {}
    assert evaluation.took_us > 0


@pytest.mark.parametrize(
    ("action", "done", "text"),
    [
        ("flag", "flagged", "Ask ops@example.org"),
        ("redact", "redacted", "Ask [EMAIL]"),
        ("block", "blocked", "[BLOCKED]"),
    ],
)
def test_actions(action: str, done: str, text: str) -> None:
    evaluation = Engine([{"id": "pii", "action": action}]).evaluate("Who am I? ops@example.org", "Ask ops@example.org")
    assert (evaluation.text, evaluation.action) == (text, done)
    assert evaluation.allowed == (done != "blocked")
    told = "[BLOCKED]" if done == "blocked" else "Ask [EMAIL]"
    assert evaluation.context == {"input": "Who am I? [EMAIL]", "response": told}


def test_violations_are_what_the_reporter_takes() -> None:
    engine = Engine(
        [{"id": "hipaa", "type": "pii", "name": "HIPAA", "severity": "critical", "remediation": "Call the clinic."}]
    )
    (violation,) = engine.evaluate("SSN?", "It is 123-45-6789.", {"session": "s-1 of ops@example.org"}).violations()
    assert violation == {
        "policy_id": "hipaa",
        "policy_name": "HIPAA",
        "violation_type": "policy_violation",
        "severity": "critical",
        "action": "redacted",
        "description": "The answer holds 1 social security number",
        "context": {"input": "SSN?", "response": "It is [SSN].", "session": "s-1 of [EMAIL]", "rule": "pii"},
        "remediation_suggested": "Call the clinic.",
    }


def test_the_strictest_action_counts_and_its_message_leaves() -> None:
    engine = Engine(
        [
            {"id": "a", "topics": ["war"], "action": "flag"},
            {"id": "b", "type": "pii"},
            {"id": "c", "topics": ["war"], "action": "block", "message": "I do not speak of this."},
            {"id": "d", "maxLength": 5, "enabled": False},
        ]
    )
    evaluation = engine.evaluate("", "War, says ops@example.org")
    assert (evaluation.action, evaluation.text) == ("blocked", "I do not speak of this.")
    assert [finding.action for finding in evaluation.findings] == ["flagged", "redacted", "blocked"]
    assert evaluation.checks == 3
    assert engine.evaluate("", "ops@example.org").compliance_rate == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("on_error", "done", "violations"), [("flag", "flagged", 1), ("block", "blocked", 1), ("allow", "allowed", 0)]
)
def test_a_policy_that_raises_does_what_it_was_told(on_error: str, done: str, violations: int) -> None:
    engine = Engine([{"id": "own", "type": "callable", "check": _explode, "onError": on_error}])
    evaluation = engine.evaluate("", "ops@example.org")
    (finding,) = evaluation.findings
    assert (evaluation.action, finding.failed) == (done, True)
    assert finding.description == "The policy could not be judged: ValueError"
    assert len(list(evaluation.violations())) == violations
    assert all(told["violation_type"] == "policy_error" for told in evaluation.violations())


def test_checks_of_ones_own_say_what_or_where() -> None:
    def what(_given: str, response: str, _context: Mapping[str, str]) -> str | None:
        return "shouts at ops@example.org" if response.isupper() else None

    def where(_given: str, response: str, _context: Mapping[str, str]) -> list[Part]:
        at = response.find("secret")
        return [Part(at, at + 6)] if at >= 0 else []

    engine = Engine(
        [
            {"id": "what", "type": "callable", "check": what},
            {"id": "where", "type": "callable", "check": where, "action": "redact"},
        ]
    )
    assert engine.evaluate("", "fine").findings == ()
    shouted = engine.evaluate("", "FINE")
    assert shouted.findings[0].description == "shouts at [EMAIL]"
    hidden = engine.evaluate("a secret?", "a secret and a secret.")
    assert hidden.text == "a [REDACTED] and a [REDACTED]."
    assert hidden.context["input"] == "a [REDACTED]?"


def test_what_cannot_be_cut_out_does_not_leave() -> None:
    engine = Engine([{"id": "own", "type": "callable", "check": lambda *_: "all of it", "action": "redact"}])
    assert engine.evaluate("", "x").action == "blocked"


@pytest.mark.parametrize("parts", [[Part(-1, 2)], [Part(0, 99)], [Part(2, 2)], 7, [1]])
def test_a_check_that_answers_nonsense_has_failed(parts: Any) -> None:  # noqa: ANN401  # wrong ones
    (finding,) = Engine([{"id": "own", "type": "callable", "check": lambda *_: parts}]).evaluate("", "abc").findings
    assert finding.failed


def test_a_check_that_is_a_coroutine_has_failed_without_a_warning() -> None:
    async def check(_given: str, _response: str, _context: Mapping[str, str]) -> None:
        """Never run."""

    (finding,) = Engine([{"id": "own", "type": "callable", "check": check}]).evaluate("", "abc").findings
    assert finding.description == "The policy could not be judged: TypeError"


def test_topics_are_whole_words_without_case_and_diacritics() -> None:
    engine = Engine([{"id": "t", "topics": ["Légal advice", "war", "自殺", "Straße"], "action": "flag"}])

    def spoken(text: str) -> list[str]:
        return [text[span.start : span.end] for found in engine.evaluate("", text).findings for span in found.spans]

    assert spoken("LEGAL-ADVICE, le\u0301gal\nadvice; illegal advice, legal adviceless") == [
        "LEGAL-ADVICE",
        "le\u0301gal\nadvice",
    ]
    assert spoken("Toward a warm WAR; w\u200bar; ｗａｒ") == ["WAR", "w\u200bar", "ｗａｒ"]
    assert spoken("彼は自殺を") == ["自殺"]
    assert spoken("STRASSE") == ["STRASSE"]


def test_patterns_keep_their_case_unless_told_and_see_through_invisible_characters() -> None:
    engine = Engine([{"id": "p", "patterns": [r"\bMRN-\d{4}\b"]}])
    assert engine.evaluate("", "mrn-1234").findings == ()
    assert engine.evaluate("", "MRN-1\u200b2３4, äöü MRN-5678").text == "[REDACTED], äöü [REDACTED]"
    assert Engine([{"id": "p", "patterns": ["mrn"], "ignoreCase": True}]).evaluate("", "MRN").action == "redacted"


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"(a|a)*b", r"^(\w+\s?)*$", r"(.*)*x"])
def test_catastrophic_patterns_are_harmless(pattern: str) -> None:
    engine = Engine([{"id": "p", "patterns": [pattern], "action": "flag"}])
    began_s = time.thread_time()
    engine.evaluate("", "a" * 50_000 + "!")
    assert time.thread_time() - began_s < 2.0


def test_a_long_answer_is_cut_after_a_word() -> None:
    evaluation = Engine([{"id": "n", "maxLength": 12}]).evaluate("", "The quick brown fox")
    assert (evaluation.text, evaluation.action) == ("The quick…", "redacted")
    assert evaluation.findings[0].spans == (Span(12, 19, ""),)
    assert shortened("abcdef", 3) == "ab…"
    assert shortened("abc", 3) == "abc"


def test_the_context_is_bounded_and_can_be_sent() -> None:
    context = {f"name {number}": "x" * 5_000 for number in range(50)} | {"lone": "\ud800"}
    told = Engine([{"id": "n", "maxLength": 1}]).evaluate("\ud800", "xy", context).context
    assert len(told) == MAX_ENTRIES
    assert all(len(value) <= MAX_VALUE for value in told.values())
    assert told["input"] == "?"


def test_a_context_that_cannot_be_vouched_for_is_withheld() -> None:
    def fail(_reading: object) -> None:
        raise RuntimeError

    policy: Policy = PatternPolicy(id="p", patterns=("x",))
    assert ContextRedactor([(policy, fail)]).redact({"input": "secret"}, ()) == {"input": WITHHELD}
    assert ContextRedactor([(policy, make_check(policy))]).redact({"input": "x"}, ()) == {"input": "[REDACTED]"}


def test_no_mark_brings_a_value_back() -> None:
    assert cover("EMAIL ops@example.org", [Span(0, 5, "topic"), Span(6, 21, "email")]) == "█ █"
    assert cover("█▓▒░■*_ ", [Span(at, at + 1, "pattern") for at in range(8)]) == "[REDACTED]" * 8
    assert cover("[REDACTED]█▓▒░■*_ ", [Span(at, at + 1, "x") for at in range(18)]) == ""


class _Recogniser:
    """Stands where Presidio's AnalyzerEngine does; Presidio itself needs a model from the network."""

    def analyze(self, text: str, **_asked: object) -> Iterator[Any]:
        at = text.find("Ada")
        yield type("Result", (), {"start": at, "end": at + 3, "entity_type": "PERSON"})

    def get_supported_entities(self, language: str) -> list[str]:
        return ["PERSON", language]


def test_presidio_results_become_hits() -> None:
    detector = PresidioDetector(analyzer=_Recogniser())
    assert list(detector.find("Dear Ada")) == [Hit(5, 8, "person")]
    assert detector.kinds == ("person", "en")
