"""Keys: what is accepted, what is refused and why."""

from __future__ import annotations

import hmac

import pytest
from pydantic import ValidationError

from infra.access import KeyDirectory, KeyRecord, Principal, Refusal, lookup_of, make_key, verify
from infra.access.directory import MOST_STRANGE
from infra.access.keys import LETTERS, moment

SECRET, OTHER = b"s" * 32, b"t" * 32
NOW_S = 1_700_000_000.0
DAY_S = 86_400.0


def known(text: str, record: KeyRecord, now_s: float = NOW_S, secret: bytes = SECRET) -> Principal | Refusal:
    return verify(text, KeyDirectory(secret, [record]), now_s)


def reason(found: Principal | Refusal) -> str:
    assert isinstance(found, Refusal)
    return found.reason


@pytest.mark.parametrize("role", LETTERS)
def test_a_key_stands_for_whom_it_was_made_for(role: str) -> None:
    text, record = make_key(SECRET, name="crawler", role=role, tenant="acme", now_s=NOW_S)  # type: ignore[arg-type]  # a Role
    assert text.startswith(f"fp_{role[0]}_{record.lookup}_")
    assert known(text, record) == Principal(f"key:{record.lookup}", "crawler", "acme", (), role, False, "key")  # type: ignore[arg-type]  # a Role


def test_the_record_holds_nothing_of_the_secret() -> None:
    text, record = make_key(SECRET, name="n", role="viewer", tenant=None, now_s=NOW_S)
    assert text.rpartition("_")[2] not in record.model_dump_json()
    assert lookup_of(text) == lookup_of(record.lookup) == record.lookup
    assert lookup_of(text[:-1]) is None


def test_a_key_is_refused_after_its_end_and_not_before() -> None:
    text, record = make_key(SECRET, name="n", role="viewer", tenant="acme", now_s=NOW_S, lives_s=DAY_S)
    assert isinstance(known(text, record, NOW_S + DAY_S - 1), Principal)
    assert reason(known(text, record, NOW_S + DAY_S)) == "expired"


def test_a_key_and_its_successor_live_until_the_old_one_expires() -> None:
    old_text, old = make_key(SECRET, name="n", role="ingest", tenant="acme", now_s=NOW_S)
    text, new = make_key(SECRET, name="n", role="ingest", tenant="acme", now_s=NOW_S, replaces=old.lookup)
    directory = KeyDirectory(SECRET, [old, new])
    directory.put(old.ending(NOW_S + DAY_S).sealed(SECRET))
    both = [verify(key, directory, NOW_S + DAY_S - 1) for key in (old_text, text)]
    assert all(isinstance(found, Principal) for found in both)
    assert reason(verify(old_text, directory, NOW_S + DAY_S)) == "expired"
    assert isinstance(verify(text, directory, NOW_S + DAY_S), Principal)


def test_what_is_revoked_stays_revoked_even_when_its_old_record_comes_again() -> None:
    text, record = make_key(SECRET, name="n", role="admin", tenant=None, now_s=NOW_S)
    directory = KeyDirectory(SECRET, [record])
    assert directory.put(record.revoked_at(NOW_S + 1).sealed(SECRET))
    assert directory.put(record)
    forged = record.model_copy(update={"secret_id": "00000000"})
    assert not directory.put(forged)
    assert directory.put(record)
    assert reason(verify(text, directory, NOW_S + 2)) == "revoked"


def test_what_ends_does_not_end_later_when_its_old_record_comes_again() -> None:
    text, record = make_key(SECRET, name="n", role="admin", tenant=None, now_s=NOW_S)
    ending = record.ending(NOW_S + DAY_S).sealed(SECRET)
    directory = KeyDirectory(SECRET, [record, ending])
    assert directory.put(record)
    assert isinstance(verify(text, directory, NOW_S + 1), Principal)
    assert reason(verify(text, directory, NOW_S + DAY_S)) == "expired"
    assert directory.put(record.revoked_at(NOW_S + 2).sealed(SECRET))  # ordered by who did not know yet that it ends
    assert reason(verify(text, directory, NOW_S + 2)) == "revoked"


def test_a_revoked_key_stays_revoked_when_it_is_wiped_out_and_its_old_record_comes_again() -> None:
    text, record = make_key(SECRET, name="n", role="admin", tenant=None, now_s=NOW_S)
    directory = KeyDirectory(SECRET, [record, record.revoked_at(NOW_S + 1).sealed(SECRET)])
    directory.take(record.lookup, None)
    assert reason(verify(text, directory, NOW_S + 2)) == "unknown"
    directory.take(record.lookup, record.model_dump_json().encode())
    assert reason(verify(text, directory, NOW_S + 2)) == "revoked"
    [listed] = directory.records()
    assert listed.revoked == moment(NOW_S + 1)


def test_a_rotated_key_ends_when_it_should_though_its_record_was_wiped_out() -> None:
    text, record = make_key(SECRET, name="n", role="admin", tenant=None, now_s=NOW_S)
    directory = KeyDirectory(SECRET, [record, record.ending(NOW_S + DAY_S).sealed(SECRET)])
    directory.take(record.lookup, None)
    directory.take(record.lookup, record.model_dump_json().encode())
    assert isinstance(verify(text, directory, NOW_S + DAY_S - 1), Principal)
    assert reason(verify(text, directory, NOW_S + DAY_S)) == "expired"


@pytest.mark.parametrize("first", ["key", "end"])
def test_an_end_counts_whatever_the_topic_of_keys_says(first: str) -> None:
    """Compaction may have left nothing there but the old record, which somebody wrote once more."""
    text, record = make_key(SECRET, name="n", role="admin", tenant=None, now_s=NOW_S)
    directory = KeyDirectory(SECRET, [])
    steps = [
        lambda: directory.take(record.lookup, record.model_dump_json().encode()),
        lambda: directory.take_end(
            record.lookup, record.revoked_at(NOW_S + 1).sealed(SECRET).model_dump_json().encode()
        ),
    ]
    for step in steps if first == "key" else reversed(steps):
        step()
    assert reason(verify(text, directory, NOW_S + 2)) == "revoked"


def test_nobody_without_the_secret_ends_a_key_by_the_topic_of_ends() -> None:
    text, record = make_key(SECRET, name="n", role="admin", tenant=None, now_s=NOW_S)
    directory = KeyDirectory(SECRET, [record])
    revoked = record.revoked_at(NOW_S)
    theirs = revoked.model_copy(update={"secret_id": "01234567"}).sealed(OTHER)
    for value in (revoked, revoked.sealed(OTHER), theirs):
        directory.take_end(record.lookup, value.model_dump_json().encode())
    directory.take_end("aaaaaaaaaaaa", revoked.sealed(SECRET).model_dump_json().encode())
    for strange in (None, b"", b"{}", b"\xff"):
        directory.take_end(record.lookup, strange)
    assert isinstance(verify(text, directory, NOW_S + 1), Principal)


def test_a_record_that_was_changed_without_the_secret_is_not_taken() -> None:
    text, record = make_key(SECRET, name="n", role="viewer", tenant="acme", now_s=NOW_S)
    directory = KeyDirectory(SECRET, [record])
    assert not directory.put(record.model_copy(update={"tenant": None}))
    assert not directory.put(record.model_copy(update={"role": "admin"}).sealed(OTHER))
    found = verify(text, directory, NOW_S)
    assert isinstance(found, Principal)
    assert (found.tenant, found.role) == ("acme", "viewer")


def test_a_key_of_another_server_secret_says_so() -> None:
    text, record = make_key(OTHER, name="n", role="viewer", tenant="acme", now_s=NOW_S)
    assert reason(known(text, record)) == "other_secret"


@pytest.mark.parametrize("text", ["", "fp_", "x" * 100_000, "fp_v_aaaaaaaaaaaa_" + "a" * 31 + "ä", "fp_v_\0" * 9])
def test_what_is_no_key_is_malformed(text: str) -> None:
    assert reason(verify(text, KeyDirectory(SECRET, []), NOW_S)) == "malformed"


def test_until_the_topic_has_been_read_nobody_is_known() -> None:
    text, record = make_key(SECRET, name="n", role="viewer", tenant="acme", now_s=NOW_S)
    directory = KeyDirectory(SECRET)
    directory.put(record)
    assert reason(verify(text, directory, NOW_S)) == "not_ready"


@pytest.mark.parametrize(
    "wrong",
    [
        {"role": "ingest", "tenant": None},
        {"role": "viewer", "tenant": "acme", "agents": ("a",)},
        {"role": "ingest", "tenant": "acme", "sql": True},
        {"role": "viewer", "tenant": ""},
        {"role": "viewer", "tenant": "a\nb"},
    ],
)
def test_parts_that_do_not_fit_together_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        make_key(SECRET, name="n", now_s=NOW_S, **wrong)  # type: ignore[arg-type]  # what is wrong is the point


def test_the_last_use_is_written_down_once_a_minute() -> None:
    text, record = make_key(SECRET, name="n", role="viewer", tenant="acme", now_s=NOW_S)
    directory = KeyDirectory(SECRET, [record])
    assert directory.last_used_s(record.lookup) is None
    for after_s in (0, 30, 59, 61, 90):
        verify(text, directory, NOW_S + after_s)
    assert directory.last_used_s(record.lookup) == NOW_S + 61
    assert directory.to_write_down() == {record.lookup: NOW_S + 61}
    assert directory.to_write_down() == {}


def test_records_of_yesterday_stay_sealed() -> None:
    """The content that is sealed, byte for byte: another way to write it would refuse every key that there is."""
    record = KeyRecord(
        lookup="aaaaaaaaaaaa", name="crawler", hash="0" * 64, secret_id="01234567", tenant="acme",
        agents=("a-*", "b"), role="ingest", created=moment(NOW_S), expires=moment(NOW_S + 0.000_001),
    )  # fmt: skip
    content = (
        b'record\0{"agents":["a-*","b"],"created":1700000000000000,"expires":1700000000000001,"hash":"'
        + b"0" * 64
        + b'","lookup":"aaaaaaaaaaaa","name":"crawler","role":"ingest","secret_id":"01234567","tenant":"acme"}'
    )
    assert record.sealed(SECRET).seal == hmac.digest(SECRET, content, "sha256").hex()
    assert KeyRecord.model_validate_json(record.sealed(SECRET).model_dump_json()).is_sealed_by(SECRET)


def test_strange_records_are_bounded() -> None:
    directory = KeyDirectory(SECRET, [])
    _, strange = make_key(OTHER, name="n", role="viewer", tenant="acme", now_s=NOW_S)
    for number in range(MOST_STRANGE + 50):
        lookup = "".join("abcdefghij"[int(digit)] for digit in f"{number:012}")
        directory.put(strange.model_copy(update={"lookup": lookup}))
        directory.take(f"used/x{number}", b'{"used": "2023-11-14T22:13:20+00:00"}')
    assert len(directory.records()) == MOST_STRANGE
    assert directory.last_used_s(f"x{MOST_STRANGE - 1}") == NOW_S
    assert len(directory._used_s) <= 2 * MOST_STRANGE + 1


def test_ends_that_only_the_topic_of_keys_holds_are_to_be_copied_once() -> None:
    lives, expires, revoked = [
        make_key(SECRET, name="n", role="admin", tenant=None, now_s=NOW_S, lives_s=lives_s)[1]
        for lives_s in (None, 60.0, None)
    ]
    ended = revoked.revoked_at(NOW_S + 1).sealed(SECRET)
    directory = KeyDirectory(SECRET, [lives, expires, ended, revoked])
    (copy,) = directory.ends_to_copy()
    assert (copy.lookup, copy.revoked, copy.is_sealed_by(SECRET)) == (revoked.lookup, ended.revoked, True)
    directory.take_end(copy.lookup, copy.model_dump_json().encode())
    assert directory.ends_to_copy() == []
