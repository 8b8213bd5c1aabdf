"""What decides when and what is told: groups, progress, backlog, rate, what fires, redaction, addresses, headers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.notify.addresses import is_public
from sinks.notify.alert import Alert
from sinks.notify.alertmanager_body import milder_ones, texts
from sinks.notify.backlog import Backlog
from sinks.notify.channel import Notification
from sinks.notify.firing import Firing
from sinks.notify.http import wait_s
from sinks.notify.in_hand import InHand, Item
from sinks.notify.progress import Progress
from sinks.notify.rate import TokenBucket
from sinks.notify.redact import Redactor, show_url
from sinks.notify.settings import Rate

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def alert(fingerprint: str = "f", state: str = "firing", **more: object) -> Alert:
    base = Alert(fingerprint, 1, state, "cpu_high", "warning", "a", "s", NOW, None, None, None, {}, {})
    return replace(base, **more)  # type: ignore[arg-type]  # fields of the class by name


def item(offset: int, fingerprint: str = "f", state: str = "firing", partition: int = 0) -> Item:
    return Item(partition, offset, 0, b"", alert(fingerprint, state))


@given(st.permutations(list(range(8))))
def test_a_commit_never_passes_what_is_not_done(order: list[int]) -> None:
    progress = Progress()
    for offset in range(8):
        progress.begin(offset)
    done: set[int] = set()
    for offset in order:
        progress.end(offset)
        done.add(offset)
        first_open = min(set(range(8)) - done, default=8)
        assert progress.committable() == first_open


def test_what_comes_again_is_seen_and_a_topic_that_began_anew_is_noticed() -> None:
    progress = Progress()
    progress.begin(5)
    assert progress.seen(5)
    progress.end(5)
    assert progress.committable() == 6
    progress.committed(6)
    assert progress.committable() is None
    assert not progress.seen(0)
    assert progress.is_behind(0)


def test_states_of_one_group_are_told_in_order_and_groups_do_not_wait_for_each_other() -> None:
    hand = InHand()
    first, second, other = item(0), item(1, state="resolved"), item(2, "g")
    hand.add(first, "f", {}, 0.0)
    taken = hand.take(0.0, 10)
    assert taken is not None
    group, items = taken
    assert items == [first]
    hand.add(second, "f", {}, 0.0)
    hand.add(other, "g", {}, 0.0)
    taken = hand.take(0.0, 10)
    assert taken is not None
    assert taken[1] == [other]
    assert hand.take(0.0, 10) is None
    hand.postpone(group, [], 5.0)
    assert hand.take(4.9, 10) is None
    taken = hand.take(5.0, 10)
    assert taken is not None
    assert taken[1] == [first, second]
    hand.settle(group, 5.0)
    assert len(hand) == 1


def test_after_a_refusal_each_is_told_alone_then_together_again() -> None:
    hand = InHand()
    items = [item(n) for n in range(3)]
    for each in items:
        hand.add(each, "f", {}, 0.0)
    taken = hand.take(0.0, 10)
    assert taken is not None
    group = taken[0]
    hand.postpone(group, [], 0.0)
    group.alone = 3
    for each in items:
        taken = hand.take(0.0, 10)
        assert taken == (group, [each])
        if each is items[1]:
            hand.postpone(group, [each], 0.0)
        else:
            hand.settle(group, 0.0)
    assert len(hand) == 0
    assert hand.next_due_s() is None


def test_a_partition_that_goes_away_takes_its_alerts_along_but_not_what_is_under_way() -> None:
    hand = InHand()
    hand.add(item(0), "f", {}, 0.0)
    taken = hand.take(0.0, 10)
    hand.add(item(1), "f", {}, 0.0)
    hand.add(item(0, partition=1), "h", {}, 0.0)
    hand.forget(0)
    assert len(hand) == 2
    assert taken is not None
    hand.settle(taken[0], 0.0)
    assert len(hand) == 1


def test_what_ended_in_the_backlog_is_not_told_what_fires_is_told_once() -> None:
    backlog = Backlog()
    began, ended = item(0), item(1, state="resolved")
    assert backlog.add(began) == []
    assert backlog.add(ended) == [began, ended]
    again, worse = item(2, "g"), item(3, "g")
    assert backlog.add(again) == []
    assert backlog.add(worse) == [again]
    told_before = item(4, "h", "resolved")
    assert backlog.add(told_before) == []
    assert backlog.flush() == [worse, told_before]
    assert len(backlog) == 0


def test_a_bucket_lets_a_burst_through_and_then_its_rate() -> None:
    bucket = TokenBucket(Rate(per_minute=60, burst=2), 0.0)
    assert [bucket.take(0.0) for _ in range(3)] == [0.0, 0.0, pytest.approx(1.0)]
    assert bucket.take(0.5) == pytest.approx(0.5)
    assert bucket.take(1.0) == 0.0
    assert TokenBucket(None, 0.0).take(0.0) == 0.0


@given(st.floats(0.1, 1e5), st.integers(1, 20))
def test_waiting_as_long_as_told_is_always_enough(per_minute: float, burst: int) -> None:
    bucket, now_s = TokenBucket(Rate(per_minute=per_minute, burst=burst), 0.0), 0.0
    for _ in range(burst + 5):
        wait_s = bucket.take(now_s)
        if wait_s:
            now_s += wait_s
            assert bucket.take(now_s) == 0.0
    assert now_s == pytest.approx(5 * 60 / per_minute)


def test_what_fires_is_known_by_partition_and_news_wins_over_the_past() -> None:
    firing = Firing()
    firing.note(0, alert("f"))
    firing.note(1, alert("g"))
    assert len(firing.alerts()) == 2
    with firing.learning():
        firing.note(0, alert("f", "resolved"))
        firing.learn(0, alert("f"))
        firing.learn(0, alert("h"))
    assert {a.fingerprint for a in firing.alerts()} == {"g", "h"}
    firing.note(1, alert("g", suppressed_by="silence:1"))
    firing.note(0, alert("h", suppressed_by="acknowledged"))
    assert {a.fingerprint for a in firing.alerts()} == {"h"}
    firing.forget(0)
    assert firing.alerts() == []


def test_secrets_and_urls_are_taken_out() -> None:
    cleaned = Redactor(["https://x.org/T0KEN", "T0KEN"]).clean(
        "T0KEN at https://x.org/T0KEN or mailto://" + "u:p" + "@h/?x=1"
    )
    assert "T0KEN" not in cleaned
    assert "u:p" not in cleaned
    assert show_url("https://hooks.example.org/T0KEN?a=b") == "https://hooks.example.org/..."
    assert show_url("slack://T0KEN/A/B") == "slack://..."


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.5.5", "192.168.1.1", "169.254.169.254", "100.100.100.200", "0.0.0.0", "::1",
        "::", "fe80::1%eth0", "fd00:ec2::254", "ff02::1", "224.0.0.1", "255.255.255.255", "::ffff:127.0.0.1",
        "64:ff9b::7f00:1", "2002:7f00:1::", "168.63.129.16", "192.0.0.192", "240.0.0.1", "fec0::1", "no address",
    ],
)  # fmt: skip
def test_private_addresses_in_every_dress(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


def test_retry_after_in_both_spellings() -> None:
    assert wait_s("7") == 7.0
    assert wait_s("999999999") == 3_600.0
    soon = wait_s(format_datetime(datetime.now(UTC) + timedelta(minutes=30), usegmt=True))
    assert soon is not None
    assert 25 * 60 < soon <= 30 * 60
    assert wait_s("Sun, 01 Mar 2020 00:00:00 GMT") == 0.0
    assert wait_s("soon") is None
    assert wait_s(None) is None


def test_severities_and_groups() -> None:
    assert alert(severity="critical").at_least("warning")
    assert not alert(severity="info").at_least("warning")
    assert alert(severity="unheard of").at_least("critical")
    assert alert(labels={"team": "x"}).word("team") == "x"
    assert alert().word("summary") == ""
    assert alert().word("deployment_id") == ""


def test_what_a_rule_says_of_comment_and_measured_is_kept_where_there_is_none_else() -> None:
    said = {"comment": "see the runbook", "measured": "each minute"}
    assert said.items() <= texts(alert(annotations=said)).items()
    assert said.items() <= texts(alert(state="resolved", annotations=said)).items()
    by_hand = texts(alert(annotations=said, value=97.0, threshold=80.0, comment="on it"))
    assert (by_hand["comment"], by_hand["measured"]) == ("on it", "97 (limit 80)")


def ended_there(*alerts: Alert) -> list[str]:
    return [end.severity for end in milder_ones(Notification(alerts), NOW.timestamp())]


def test_what_became_graver_ends_as_what_it_was_and_what_only_grew_does_not() -> None:
    assert ended_there(alert(severity="critical", cause="worse")) == ["info", "warning"]
    assert ended_there(alert(severity="critical", cause="grew")) == []


def test_what_fires_at_last_has_no_end_in_the_same_message() -> None:
    graver = alert(severity="critical", cause="worse")
    over = replace(graver, state="resolved", cause="recovered", seq=1)
    anew = alert(severity="warning", cause="began", epoch=2)
    assert ended_there(graver, over, anew) == ["info"]
    assert ended_there(graver, over) == ["info", "warning"]
    assert ended_there(graver, over, replace(anew, fingerprint="other", agent_id="b")) == ["info", "warning"]
