from infra.access.session import LONGEST_S
from infra.provisioning.plan import KEPT_FOR_EVER_MS, TopicPlan, plan_topics
from infra.runtime.settings import load_settings
from schemas.catalogue import (
    ACCESS_ENDED,
    ACCESS_KEYS,
    ACCESS_SESSIONS,
    ALERTS_CHANGELOG,
    SAVED_VIEWS,
    STREAMS_CHANGELOG,
    TOPICS,
)

ONE_READER = (ALERTS_CHANGELOG, ACCESS_KEYS, SAVED_VIEWS, ACCESS_ENDED, ACCESS_SESSIONS)


def test_every_topic_of_the_catalogue_and_the_changelogs_with_equal_partitions_but_for_what_has_one_reader() -> None:
    plans = plan_topics(load_settings(partitions=7, replication=3), extra=[TopicPlan("more", 1, 1)])
    assert [p.name for p in plans] == [*TOPICS, STREAMS_CHANGELOG, *ONE_READER, "more"]
    assert {p.name for p in plans[:-1] if p.partitions == 1} == {"fleet.signals", *ONE_READER}
    assert {(p.partitions, p.replication) for p in plans[:-1]} == {(7, 3), (1, 3)}


def test_retention_and_compaction_come_from_the_catalogue() -> None:
    plans = {p.name: p for p in plan_topics(load_settings())}
    for topic in TOPICS.values():
        configs = plans[topic.name].configs
        assert configs["retention.ms"] == str(topic.retention_s * 1000)
        assert configs["cleanup.policy"] == ("compact" if topic.compacted else "delete")
        assert configs["message.timestamp.type"] == "LogAppendTime"
    changelog = plans[STREAMS_CHANGELOG].configs
    assert changelog["cleanup.policy"] == "compact"
    assert changelog["message.timestamp.type"] == "CreateTime"


def test_the_segment_in_use_ends_well_within_the_retention() -> None:
    for plan in plan_topics(load_settings()):
        if not plan.compacted and plan.retention_ms != KEPT_FOR_EVER_MS:
            assert int(plan.configs["segment.ms"]) * 4 <= plan.retention_ms
    assert TopicPlan("kept", 1, 1, KEPT_FOR_EVER_MS).configs["retention.ms"] == "-1"


def test_the_end_of_a_key_is_kept_for_ever_and_that_of_a_session_longer_than_sessions_live() -> None:
    plans = {p.name: p.configs for p in plan_topics(load_settings())}
    assert (plans[ACCESS_ENDED]["cleanup.policy"], plans[ACCESS_ENDED]["retention.ms"]) == ("delete", "-1")
    assert int(plans[ACCESS_SESSIONS]["retention.ms"]) >= 2 * LONGEST_S * 1000


def test_what_people_wait_for_is_compacted_in_small_parts() -> None:
    plans = {p.name: p.configs for p in plan_topics(load_settings())}
    assert int(plans[ALERTS_CHANGELOG]["segment.bytes"]) <= 16 * 1024 * 1024
    assert "segment.bytes" not in plans[STREAMS_CHANGELOG]


def test_acknowledged_records_have_two_homes_where_there_are_three_replicas() -> None:
    least = [TopicPlan("t", 1, n).configs["min.insync.replicas"] for n in (1, 2, 3, 5)]
    assert least == ["1", "1", "2", "2"]
