"""What a gateway's answers mean."""

from __future__ import annotations

import json

import pytest

from producers.sdk.http_answers import Setback, Standing, judge_hello, judge_send, retry_after_s
from producers.sdk.http_wire import Answer

_NOW_S = 1_800_000_000.0


def _answer(status: int, body: object = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, b"" if body is None else json.dumps(body).encode())


@pytest.mark.parametrize(
    ("status", "standing"),
    [
        (200, Standing.AWAY),
        (301, Standing.ELSEWHERE),
        (307, Standing.ELSEWHERE),
        (400, Standing.EVENTS_REFUSED),
        (401, Standing.KEY_REFUSED),
        (403, Standing.EVENTS_REFUSED),
        (404, Standing.ELSEWHERE),
        (408, Standing.AWAY),
        (413, Standing.TOO_LARGE),
        (422, Standing.EVENTS_REFUSED),
        (429, Standing.BUSY),
        (500, Standing.AWAY),
        (502, Standing.AWAY),
        (503, Standing.BUSY),
    ],
)
def test_every_status_but_202_is_a_setback(status: int, standing: Standing) -> None:
    with pytest.raises(Setback) as caught:
        judge_send(_answer(status), 1)
    assert caught.value.standing is standing


def test_an_acknowledgement_names_as_many_events() -> None:
    judge_send(_answer(202, {"accepted": 3}), 3)
    for body in ({"accepted": 2}, {}, [], None, {"accepted": "3"}):
        with pytest.raises(Setback):
            judge_send(_answer(202, body), 3)


def test_hello_says_limits_or_that_the_key_will_not_do() -> None:
    assert judge_hello(_answer(200, {"max_body_bytes": 5})) == {"max_body_bytes": 5}
    for status, body, standing in (
        (403, None, Standing.KEY_REFUSED),
        (401, None, Standing.KEY_REFUSED),
        (200, None, Standing.ELSEWHERE),
        (200, [1], Standing.ELSEWHERE),
        (404, None, Standing.ELSEWHERE),
    ):
        with pytest.raises(Setback) as caught:
            judge_hello(_answer(status, body))
        assert caught.value.standing is standing
        assert caught.value.way_out


def test_words_of_a_stranger_are_one_short_line() -> None:
    with pytest.raises(Setback) as caught:
        judge_send(_answer(500, {"detail": "a\nb\x1b[31m" + "x" * 1_000}), 1)
    assert "\n" not in caught.value.detail
    assert "\x1b" not in caught.value.detail
    assert len(caught.value.detail) < 220


@pytest.mark.parametrize(
    ("value", "pause_s"),
    [
        (None, None),
        ("2", 2.0),
        ("0", 0.0),
        ("99999999999999", 300.0),
        ("-1", None),
        ("soon", None),
        ("Fri, 15 Jan 2027 08:00:07 GMT", 7.0),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0.0),
        ("Sat, 15 Jan 2050 08:00:07 GMT", 300.0),
    ],
)
def test_retry_after(value: str | None, pause_s: float | None) -> None:
    assert retry_after_s(value, _NOW_S) == pause_s
