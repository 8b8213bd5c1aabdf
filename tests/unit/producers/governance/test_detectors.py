"""What the built-in detectors find, what they leave alone, and how it may be hidden from them."""

from __future__ import annotations

import time

import pytest

from producers.governance.detectors.card import is_card, luhn
from producers.governance.detectors.iban import LENGTHS, checks_out
from producers.governance.redact import personal_spans, redact_text

FOUND = {
    "email": [
        "ops@example.org",
        "first.last+tag@mail.example.co.uk",
        "jürgen@münchen.example",
        "o'brien@example.com",
        "ops (at) example (dot) org",
        "ops [at] example.org",
        "ops＠example．org",
        "o\u200bps@exam\u00adple.org",
    ],
    "phone": [
        "+49 30 1234567",
        "+49 (0)30 1234567",
        "+442079460958",
        "+44 20 7946 0958",
        "+1 (212) 555-0123",
        "+1-212-555-0123",
        "0049 30 1234567",
        "(212) 555-0123",
        "212-555-0123",
        "1.212.555.0123",
        "212.555.0123",
        "212 555 0123",
        "+39 06 1234 5678",
        "+４９ ３０ １２３４５６７",
        "212\u00a0555\u00a00123",
        "212\u2011555\u20110123",
        "212-5\u200b55-0123",
    ],
    "ssn": [
        "123-45-6789",
        "123 45 6789",
        "899.99.9999",
        "１２３-４５-６７８９",
        "123\u201345\u20136789",
        "123\u00a045\u00a06789",
        "1\u200d23-45-6789",
    ],
    "card": [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4222222222222",
        "5555555555554444",
        "2223003122003222",
        "378282246310005",
        "3782 822463 10005",
        "30569309025904",
        "6011111111111117",
        "3530111333300000",
        "6205500000000000004",
        "6759649826438453",
        "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        "４１１１１１１１１１１１１１１１",
        "4111\u00a01111\u20091111\u202f1111",
        "41\u200b11\ufeff1111\u20601111\u00ad1111",
        "٤١١١١١١١١١١١١١١١",
        "4111\n1111\n1111\n1111",
    ],
    "iban": [
        "DE89370400440532013000",
        "DE89 3704 0044 0532 0130 00",
        "de89-3704-0044-0532-0130-00",
        "GB29 NWBK 6016 1331 9268 19",
        "FR1420041010050500013M02606",
        "NO9386011117947",
        "MT84MALT011000012345MTLCAST001S",
        "ＤＥ89 3704 0044 0532 0130 00",
        "DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000",
        "DE8\u200b9370400440532013000",
    ],
}
LEFT_ALONE = [
    "on 2023-10-11 at 10:11:12, 11/12/2023, 2023-10-11T10:11:12Z",
    "it costs $1,234,567.89, €212.555.0123 or 1 000 000 dollars",
    "order 12345678901, invoice 2125550123, ticket #212-555-0123",
    "ORD-212-555-0123 and RMA212-555-0123 and A123-45-6789",
    "version 3.14.159, address 192.168.100.200, 10.0.0.1:8080",
    "000-12-3456, 666-12-3456, 900-12-3456, 123-00-4567, 123-45-0000",
    "123456789 is a number",
    "4111111111111112 and 1234567812345670 and 0000000000000000",
    "the value is 0.4111111111111111",
    "DE89370400440532013001 and XX89370400440532013000 and DE8937040044",
    "epoch 1700000000000 and 1700000000000000, id 550e8400-e29b-41d4-a716-446655440000",
    "from user@localhost, @handle, a@b, me at home",
    "+1000000 points, +20 000 000 users, a change of +15 percent",
    "911-555-0123 is none, nor are 100-200-3000 and 212-155-0123",
    "rows: 10 20 30 40 50 60 70 80 90 100 110 120 130",
]


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in FOUND.items() for value in values])
def test_value_is_found_whole_and_nothing_else(kind: str, value: str) -> None:
    text = f"It is {value}, as said."
    spans = personal_spans(text)
    assert [(text[span.start : span.end], span.kind) for span in spans] == [(value, kind)]
    assert redact_text(text) == f"It is [{kind.upper()}], as said."


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_ids_dates_prices_are_left_alone(text: str) -> None:
    assert personal_spans(text) == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("My SSN is 123456789.", "ssn"),
        ("Social security number: 123456789", "ssn"),
        ("tel. 030 1234567", "phone"),
        ("Phone number: 2125550123", "phone"),
        ("WhatsApp 0171/1234567", "phone"),
    ],
)
def test_what_the_text_names_is_found_without_its_form(text: str, kind: str) -> None:
    assert [span.kind for span in personal_spans(text)] == [kind]


def test_numbers_that_stand_beside_one_another_are_told_apart() -> None:
    text = "12 4111 1111 1111 1111 378282246310005 +49 30 1234567 2023-10-11 a@b.org,c@d.org"
    assert redact_text(text) == "12 [CARD] [CARD] [PHONE] 2023-10-11 [EMAIL],[EMAIL]"


def test_check_digits() -> None:
    assert luhn("79927398713")
    assert not luhn("79927398710")
    assert is_card("4111111111111111")
    assert not is_card("9111111111111111")
    assert checks_out("gb82west12345698765432")
    assert not checks_out("gb82west12345698765433")
    assert len(LENGTHS) > 75


@pytest.mark.parametrize(
    "unit",
    [
        "a@",
        "@",
        "1",
        "1 ",
        "4 ",
        "+1",
        "+1 ",
        "a",
        "a.",
        "at(",
        "(at) ",
        "de89",
        "123-45-",
        "tel ",
        "\u200b1",
        "é",
        "ﬁ",
        "4111 ",
    ],
)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    def took_s(length: int) -> float:
        text = (unit * length)[:length]
        began = time.thread_time()
        redact_text(text)
        return time.thread_time() - began

    took_s(2_000)
    assert took_s(40_000) < 2.0
