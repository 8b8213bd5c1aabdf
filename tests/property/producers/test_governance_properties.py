"""Whatever an agent answers: policies do not raise, say where, and what they take out is gone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.governance import Engine, Part
from producers.governance.folding import Folded, folded, plain

VALUES = st.sampled_from(
    [
        "ops@example.org",
        "4111 1111 1111 1111",
        "４１１１１１１１１１１１１１１１",
        "123-45-6789",
        "+49 30 1234567",
        "DE89 3704 0044 0532 0130 00",
        "tel 0301234567",
        "0301234567",
        "MRN-12",
        "[EMAIL]",
        "█",
        "…",
        "Café",
        "ﬁnance",
    ]
)
TEXTS = st.lists(VALUES | st.text(max_size=8) | st.sampled_from([" ", "\u200b", "\u00a0", "\n", ", "])).map("".join)


def _every_other(_given: str, response: str, _context: Mapping[str, str]) -> list[Part]:
    return [Part(at, at + 1) for at in range(0, len(response), 7)]


def _engine(action: str) -> Engine:
    policies: list[dict[str, Any]] = [
        {"id": "pii", "type": "pii"},
        {"id": "topics", "type": "topics", "topics": ["cafe", "finance", "email", "redacted"]},
        {"id": "patterns", "type": "pattern", "patterns": [r"MRN-\d+", "[█…]", r"\p{Greek}+"]},
        {"id": "own", "type": "callable", "check": _every_other, "enabled": action != "redact"},
        {"id": "length", "type": "length", "maxLength": 40},
    ]
    return Engine([policy | {"action": action} for policy in policies])


ENGINES = {action: _engine(action) for action in ("flag", "redact", "block")}


@settings(max_examples=150, deadline=None)
@given(TEXTS, TEXTS)
def test_redacted_text_and_context_hold_no_detected_value(user_input: str, response: str) -> None:
    evaluation = ENGINES["redact"].evaluate(user_input, response, {"note": user_input})
    for finding in evaluation.findings:
        assert not finding.failed
        if finding.type == "length":
            continue
        for span in finding.spans:
            value = response[span.start : span.end]
            assert value not in evaluation.text
            if finding.type == "pii":
                assert all(value not in told for told in evaluation.context.values())
                assert value not in finding.description
    assert evaluation.action == ("redacted" if evaluation.findings else "allowed")
    assert bool(evaluation.findings) or evaluation.text == response


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(sorted(ENGINES)), st.text(), st.text() | TEXTS, st.dictionaries(st.text(), st.text(), max_size=3)
)
def test_evaluation_never_raises_and_spans_lie_within_the_answer(
    action: str, user_input: str, response: str, context: dict[str, str]
) -> None:
    evaluation = ENGINES[action].evaluate(user_input, response, context)
    for finding in evaluation.findings:
        assert all(0 <= span.start < span.end <= len(response) for span in finding.spans)
    for told in evaluation.context.values():
        assert told.encode("utf-8").decode("utf-8") == told
    assert evaluation.allowed == (evaluation.action != "blocked")
    assert 0.0 <= evaluation.compliance_rate <= 1.0
    if action == "flag":
        assert evaluation.text == response


@pytest.mark.parametrize("fold", [plain, folded])
@settings(max_examples=100, deadline=None)
@given(text=st.text() | TEXTS)
def test_places_in_folded_text_lead_back_to_the_original(fold: Any, text: str) -> None:  # noqa: ANN401  # two functions
    became: Folded = fold(text)
    ends = 0
    for at in range(len(became.text)):
        start, end = became.span(at, at + 1)
        assert 0 <= start < end <= len(text)
        assert end >= ends
        ends = end
        if became.text[at].isascii() and became.text[at].isalnum() and text[start].isascii():
            assert text[start].lower() == became.text[at].lower()


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_card_is_found_however_its_digits_are_written(data: st.DataObject) -> None:
    zeros = st.sampled_from([0x30, 0xFF10, 0x0660, 0x0966, 0x1D7CE])
    hidden = st.sampled_from(["", "\u200b", "\u200d", "\ufeff", "\u00ad", "\u2060"])
    written = "".join(
        chr(data.draw(zeros) + int(digit)) + data.draw(hidden) + (data.draw(gaps) if at % 4 == 3 else "")
        for gaps in [st.sampled_from(["", " ", "-", "\u00a0", "\u2009", "\u2011"])]
        for at, digit in enumerate("4111111111111111")
    )
    evaluation = Engine([{"id": "pii"}]).evaluate("", f"Card: {written}.")
    assert evaluation.text.startswith("Card: [CARD]")
    assert len(evaluation.text) <= len("Card: [CARD] .")
