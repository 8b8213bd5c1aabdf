"""Keys and limits, whatever is tried."""

from __future__ import annotations

import string

from hypothesis import given, settings
from hypothesis import strategies as st

from infra.access import KeyDirectory, Principal, Refusal, TokenBuckets, make_key, verify

SECRET = b"s" * 32
NOW_S = 1_700_000_000.0
KEYS = [make_key(SECRET, name="n", role=role, tenant="acme", now_s=NOW_S) for role in ("ingest", "viewer", "admin")]  # type: ignore[arg-type]  # roles
DIRECTORY = KeyDirectory(SECRET, [record for _, record in KEYS])
LONGEST = max(len(text) for text, _ in KEYS)


@settings(max_examples=200)
@given(st.integers(0, 2), st.integers(0, LONGEST - 1), st.one_of(st.sampled_from(string.printable), st.characters()))
def test_a_flipped_character_anywhere_is_refused(which: int, place: int, other: str) -> None:
    text = KEYS[which][0]
    wrong = text[:place] + other + text[place + 1 :]
    found = verify(wrong, DIRECTORY, NOW_S)
    assert isinstance(found, Principal if wrong == text else Refusal)


def test_every_other_character_of_the_alphabet_at_every_place_is_refused() -> None:
    text = KEYS[0][0]
    alphabet = string.ascii_letters + string.digits + "_-"
    wrong = {text[:i] + c + text[i + 1 :] for i in range(len(text)) for c in alphabet} - {text}
    assert all(isinstance(verify(other, DIRECTORY, NOW_S), Refusal) for other in wrong)


@given(st.integers(0, 2), st.text(max_size=5), st.text(max_size=5), st.integers(1, LONGEST))
def test_more_and_less_than_a_key_is_refused(which: int, before: str, after: str, cut: int) -> None:
    text = KEYS[which][0]
    if before or after:
        assert isinstance(verify(before + text + after, DIRECTORY, NOW_S), Refusal)
    assert isinstance(verify(text[:-cut], DIRECTORY, NOW_S), Refusal)


@given(st.text())
def test_no_text_raises(text: str) -> None:
    assert isinstance(verify(text, DIRECTORY, NOW_S), Refusal)


steps = st.lists(st.tuples(st.floats(0, 10), st.floats(1, 5)), max_size=100)


@given(st.floats(0.1, 100), st.floats(1, 50), steps)
def test_never_more_than_the_burst_and_what_has_flown_in(
    rate: float, burst: float, asked: list[tuple[float, float]]
) -> None:
    """From any moment on: of the requests that follow no more passes than burst + rate * time."""
    buckets = TokenBuckets(rate, burst)
    now_s, passed = 0.0, []
    for pause_s, wanted in asked:
        now_s += pause_s
        cost = min(wanted, burst)
        if buckets.take("a", now_s, cost) == 0.0:
            passed.append((now_s, cost))
    for start, (since_s, _) in enumerate(passed):
        total = 0.0
        for at_s, cost in passed[start:]:
            total += cost
            assert total <= burst + rate * (at_s - since_s) + 1e-6


@given(st.floats(0.1, 100), st.floats(1, 50), steps)
def test_who_waits_as_long_as_told_is_let_in_and_no_sooner(
    rate: float, burst: float, asked: list[tuple[float, float]]
) -> None:
    buckets = TokenBuckets(rate, burst)
    now_s = 0.0
    for pause_s, cost in asked:
        now_s += pause_s
        wait_s = buckets.take("a", now_s, cost)
        if wait_s > 1e-3:
            assert buckets.take("a", now_s + 0.9 * wait_s, cost) > 0
            assert buckets.take("a", now_s + wait_s * (1 + 1e-9) + 1e-9, cost) == 0.0
            now_s += wait_s * (1 + 1e-9) + 1e-9


@given(steps)
def test_names_do_not_share(asked: list[tuple[float, float]]) -> None:
    alone, together = TokenBuckets(1.0, 5.0), TokenBuckets(1.0, 5.0)
    now_s = 0.0
    for pause_s, cost in asked:
        now_s += pause_s
        together.take("b", now_s, cost)
        assert alone.take("a", now_s, cost) == together.take("a", now_s, cost)
