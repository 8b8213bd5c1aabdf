"""Events of the audit trail: what they say, how many there are at most, whom they are shown to."""

from __future__ import annotations

from collections import Counter

from infra.access import AuditEvent, Principal, make_key
from infra.access.audit import LONGEST_DETAIL, MOST_ADDRESSES, ONE_BY_ONE, ONE_BY_ONE_OF_ALL, AuditLog
from schemas.record import decode_record
from schemas.registry import SchemaBook

T0_S = 1_700_000_000.0
ALICE = Principal("key:aaaaaaaaaaaa", "alice", "acme", (), "operator", False, "key")


def written(log: AuditLog) -> list[dict[str, object]]:
    book = SchemaBook("audit")
    return [decode_record(book, row.value) for row in log.take(1_000_000)]


def refusals(log: AuditLog, address: str, count: int, at_s: float = T0_S) -> None:
    for _ in range(count):
        log.record(AuditEvent("refused", status=401, address=address, detail="unknown"), at_s)


def test_an_event_says_who_did_what() -> None:
    log = AuditLog("fleetpulse:api:h-1", T0_S)
    log.record(
        AuditEvent("alerts.silence", ALICE, "POST", "/alerts", 200, "192.0.2.1", "r-1", '{"id": 7}'), T0_S + 0.25
    )
    log.record(AuditEvent("sql", ALICE, about="globex"), T0_S + 1)
    log.record(AuditEvent("refused", status=401), T0_S + 1)
    first, second, third = written(log)
    told = {name: first[name] for name in ("actor", "via", "role", "tenant", "user_id", "action", "detail", "count")}
    assert told == {
        "actor": "key:aaaaaaaaaaaa",
        "via": "key",
        "role": "operator",
        "tenant": "acme",
        "user_id": "acme",
        "action": "alerts.silence",
        "detail": '{"id": 7}',
        "count": 1,
    }
    assert (second["user_id"], third["user_id"], third["actor"]) == ("globex", "fleetpulse", None)
    assert [first["seq"], second["seq"], third["seq"]] == [0, 1, 2]
    assert {first["session_id"], second["session_id"], third["session_id"]} == {log.session_id}


def test_a_hundred_refusals_a_minute_of_an_address_are_written_and_the_others_counted() -> None:
    log = AuditLog("fleetpulse:api:h-1", T0_S)
    refusals(log, "192.0.2.1", 5_000)
    refusals(log, "192.0.2.2", 3)
    assert len(written(log)) == ONE_BY_ONE + 3
    log.close_window(T0_S + 59)
    assert log.waiting == []
    log.close_window(T0_S + 60)
    (rest,) = written(log)
    assert (rest["address"], rest["count"], rest["detail"]) == ("192.0.2.1", 5_000 - ONE_BY_ONE, "unknown")
    refusals(log, "192.0.2.1", 1, T0_S + 61)
    assert len(written(log)) == 1


def test_many_addresses_are_bounded_and_nothing_is_lost_from_the_sum() -> None:
    log = AuditLog("fleetpulse:api:h-1", T0_S, most=1_000_000)
    addresses = MOST_ADDRESSES + 700
    for number in range(addresses):
        refusals(log, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 2)
    one_by_one = written(log)
    assert len(one_by_one) == ONE_BY_ONE_OF_ALL
    log.end(T0_S + 1)
    rest = written(log)
    assert len(rest) <= MOST_ADDRESSES + 1
    counted = sum(Counter({i: row["count"] for i, row in enumerate(rest)}).values())  # type: ignore[arg-type]  # numbers
    assert counted + len(one_by_one) == 2 * addresses
    assert sum(row["address"] is None for row in rest) == 1


def test_what_is_too_much_is_dropped_counted_and_leaves_holes() -> None:
    log = AuditLog("fleetpulse:api:h-1", T0_S, most=3)
    for number in range(5):
        log.record(AuditEvent("sql", ALICE, detail=str(number)), T0_S)
    assert [row["seq"] for row in written(log)] == [0, 1, 2]
    assert log.dropped == 2
    log.record(AuditEvent("sql", ALICE), T0_S)
    assert [row["seq"] for row in written(log)] == [5]


def test_keys_lose_their_secret_and_long_texts_their_end() -> None:
    text, record = make_key(b"s" * 32, name="n", role="viewer", tenant=None, now_s=T0_S)
    log = AuditLog("fleetpulse:api:h-1", T0_S)
    log.record(AuditEvent("sql", ALICE, detail=f"select '{text}'" + "x" * 100_000, route="\ud800"), T0_S)
    (row,) = written(log)
    detail = str(row["detail"])
    assert f"select 'fp_v_{record.lookup}_..." in detail
    assert text not in detail
    assert len(detail) == 8_192
    assert row["route"] == "?"


def test_what_waits_for_the_broker_is_cut_already() -> None:
    log = AuditLog("fleetpulse:api:h-1", T0_S)
    log.record(AuditEvent("alerts.rules", ALICE, detail="x" * 1_000_000), T0_S)
    assert len(log.waiting[0].detail or "") == LONGEST_DETAIL


def test_half_characters_stop_nothing() -> None:
    half = "\ud800"
    odd = Principal(f"oidc:{half}", half, half, (), "admin", True, "oidc")
    log = AuditLog("fleetpulse:api:h-1", T0_S)
    log.record(AuditEvent(half, odd, half, half, 200, half, half, half, half), T0_S)
    (row,) = written(log)
    assert (row["actor"], row["tenant"], row["user_id"], row["action"]) == ("oidc:?", "?", "?", "?")
