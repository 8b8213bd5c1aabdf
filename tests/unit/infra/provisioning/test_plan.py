from infra.provisioning.plan import KEPT_FOR_EVER_MS, TopicPlan, plan_topics
from infra.runtime.settings import load_settings
from schemas.catalogue import ALERTS_CHANGELOG, STREAMS_CHANGELOG, TOPICS


def test_every_topic_of_the_catalogue_and_the_changelogs_with_equal_partitions_but_for_the_alert_managers() -> None:
    plans = plan_topics(load_settings(partitions=7, replication=3), extra=[TopicPlan("more", 1, 1)])
    assert [p.name for p in plans] == [*TOPICS, STREAMS_CHANGELOG, ALERTS_CHANGELOG, "more"]
    assert {p.name for p in plans[:-1] if p.partitions == 1} == {"fleet.signals", ALERTS_CHANGELOG}
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
        if not plan.compacted:
            assert int(plan.configs["segment.ms"]) * 4 <= plan.retention_ms
    assert TopicPlan("kept", 1, 1, KEPT_FOR_EVER_MS).configs["retention.ms"] == "-1"


def test_acknowledged_records_have_two_homes_where_there_are_three_replicas() -> None:
    least = [TopicPlan("t", 1, n).configs["min.insync.replicas"] for n in (1, 2, 3, 5)]
    assert least == ["1", "1", "2", "2"]
