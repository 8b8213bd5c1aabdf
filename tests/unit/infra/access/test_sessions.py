"""Sessions: who is recognised by one, and what ends it."""

from __future__ import annotations

import pytest

from infra.access import KeyDirectory, KeyRecord, Principal, Refusal, Role, Session, Sessions, make_key
from infra.access.session import LONGEST_S

SECRET, OTHER = b"s" * 32, b"t" * 32
NOW_S = 1_700_000_000.0
PERSON = Principal("oidc:alice", "alice", "acme", (), "operator", False, "oidc")


def of_key(role: Role = "viewer", lives_s: float | None = None) -> tuple[Sessions, KeyRecord, str]:
    """Sessions with one key, its record, and the text of its session."""
    _, record = make_key(SECRET, name="ops", role=role, tenant="acme", now_s=NOW_S, lives_s=lives_s)
    sessions = Sessions(KeyDirectory(SECRET, [record]))
    return sessions, record, sessions.begin(record.principal(), NOW_S)[0]


def reason(found: Session | Refusal) -> str:
    assert isinstance(found, Refusal), found
    return found.reason


def test_a_session_of_a_key_stands_for_who_the_key_stands_for() -> None:
    sessions, record, text = of_key()
    found = sessions.recognise(text, NOW_S + 1)
    assert isinstance(found, Session)
    assert found.principal == record.principal()
    assert found.until_s == NOW_S + LONGEST_S


def test_a_session_of_a_person_says_all_of_them() -> None:
    sessions = Sessions(KeyDirectory(SECRET, []))
    text, _ = sessions.begin(PERSON, NOW_S, lives_s=600)
    found = sessions.recognise(text, NOW_S + 599)
    assert isinstance(found, Session)
    assert found.principal == PERSON
    assert reason(sessions.recognise(text, NOW_S + 600)) == "session_over"


def test_a_session_ends_with_its_key_and_after_twelve_hours() -> None:
    sessions, record, text = of_key()
    assert reason(sessions.recognise(text, NOW_S + LONGEST_S)) == "session_over"
    sessions.directory.put(record.revoked_at(NOW_S + 10).sealed(SECRET))
    assert reason(sessions.recognise(text, NOW_S + 11)) == "revoked"
    sessions.directory.remove(record.lookup)
    assert reason(sessions.recognise(text, NOW_S + 11)) == "unknown"
    sessions, _, text = of_key(lives_s=60)
    assert reason(sessions.recognise(text, NOW_S + 60)) == "session_over"


def test_a_key_that_was_cut_short_later_ends_its_session() -> None:
    sessions, record, text = of_key()
    sessions.directory.put(record.ending(NOW_S + 30).sealed(SECRET))
    assert isinstance(sessions.recognise(text, NOW_S + 29), Session)
    assert reason(sessions.recognise(text, NOW_S + 30)) == "expired"


def test_another_servers_session_is_forged() -> None:
    sessions, record, _ = of_key()
    theirs, _ = Sessions(KeyDirectory(OTHER, [record])).begin(PERSON, NOW_S)
    assert reason(sessions.recognise(theirs, NOW_S)) == "forged"


def test_what_was_sealed_for_something_else_is_no_session() -> None:
    sessions, record, _ = of_key()
    text = sessions.seal("state", {"id": "x", "until": NOW_S + 60, "key": record.lookup})
    assert reason(sessions.recognise(text, NOW_S)) == "forged"


def test_a_changed_session_is_forged() -> None:
    sessions, _, text = of_key()
    head, payload, mac = text.split(".")
    other = sessions.begin(PERSON, NOW_S)[0].split(".")[1]
    for changed in (f"{head}.{other}.{mac}", f"{head}.{payload}.{mac[:-1]}", f"{head}.{payload}.", f"{text}a"):
        assert reason(sessions.recognise(changed, NOW_S)) == "forged"


@pytest.mark.parametrize("text", ["", "s1", "s2.e30.x", "é", "s1." + "a" * 5_000])
def test_rubbish_is_malformed_or_forged(text: str) -> None:
    sessions, _, _ = of_key()
    assert reason(sessions.recognise(text, NOW_S)) in {"malformed", "forged"}


def test_a_session_that_was_ended_is_over_and_the_next_is_not() -> None:
    sessions, record, text = of_key()
    found = sessions.recognise(text, NOW_S)
    assert isinstance(found, Session)
    sessions.end(found, NOW_S)
    assert reason(sessions.recognise(text, NOW_S)) == "signed_out"
    assert isinstance(sessions.recognise(sessions.begin(record.principal(), NOW_S)[0], NOW_S), Session)


def test_no_number_of_ended_sessions_makes_one_of_them_live_again() -> None:
    sessions, _, text = of_key()
    found = sessions.recognise(text, NOW_S)
    assert isinstance(found, Session)
    sessions.end(found, NOW_S)
    for number in range(20_000):
        sessions.end(Session(str(number), PERSON, NOW_S + LONGEST_S), NOW_S)
    assert reason(sessions.recognise(text, NOW_S + 1)) == "signed_out"


def test_sessions_are_forgotten_once_they_would_be_over_anyhow() -> None:
    sessions, _, _ = of_key()
    for number in range(5_000):
        sessions.begin(PERSON, NOW_S + 60 * number, lives_s=60)
        sessions.end(Session(str(number), PERSON, NOW_S + 60 * number + 60), NOW_S + 60 * number)
    assert len(sessions.book) < 2_500


def test_an_end_that_another_server_told_counts() -> None:
    sessions, record, text = of_key()
    other = Sessions(KeyDirectory(SECRET, [record]))
    found = sessions.recognise(text, NOW_S)
    assert isinstance(found, Session)
    told = sessions.seal("session-book", {"id": found.id, "until_s": found.until_s, "ended_s": NOW_S})
    for strange in (None, b"", b"\xff", b"s1.e30.x", text.encode(), told[:-3].encode()):
        other.book.take(found.id, strange)
    assert isinstance(other.recognise(text, NOW_S), Session)
    other.book.take(found.id, told.encode())
    assert reason(other.recognise(text, NOW_S)) == "signed_out"


def test_sessions_are_listed_until_they_are_over_or_their_key_is() -> None:
    sessions, record, _ = of_key()
    sessions.begin(PERSON, NOW_S + 1, lives_s=60, address="192.0.2.7")
    assert [(each.who, each.address) for each in sessions.live(NOW_S + 2)] == [
        ("oidc:alice", "192.0.2.7"),
        (f"key:{record.lookup}", ""),
    ]
    assert [each.who for each in sessions.live(NOW_S + 62)] == [f"key:{record.lookup}"]
    sessions.directory.put(record.revoked_at(NOW_S + 3).sealed(SECRET))
    assert [each.who for each in sessions.live(NOW_S + 4)] == ["oidc:alice"]


@pytest.mark.parametrize("letter", ["a", "é", "\u4e00", "\U0001f600", '"'])
def test_the_longest_names_fit_into_a_cookie(letter: str) -> None:
    sessions = Sessions(KeyDirectory(SECRET, []))
    person = Principal(f"oidc:{letter * 255}", letter * 200, letter * 200, (), "operator", False, "oidc")
    text, _ = sessions.begin(person, NOW_S)
    assert len(f"__Host-fleetpulse_session={text}") < 4_096
    found = sessions.recognise(text, NOW_S)
    assert isinstance(found, Session)
    assert found.principal == person


def test_what_no_browser_would_keep_is_not_sealed() -> None:
    sessions = Sessions(KeyDirectory(SECRET, []))
    with pytest.raises(ValueError, match="characters to be sealed"):
        sessions.begin(Principal("oidc:a", "a" * 3_000, "a", (), "operator", False, "oidc"), NOW_S)
    assert sessions.live(NOW_S) == []


def test_before_the_keys_are_read_nobody_is_judged() -> None:
    _, _, text = of_key()
    assert reason(Sessions(KeyDirectory(SECRET)).recognise(text, NOW_S)) == "not_ready"


def test_who_has_neither_key_nor_token_gets_no_session() -> None:
    with pytest.raises(ValueError, match="compat"):
        Sessions(KeyDirectory(SECRET, [])).begin(Principal("compat:a", "a", "a", ("a",), "ingest", False, "compat"), 0)
