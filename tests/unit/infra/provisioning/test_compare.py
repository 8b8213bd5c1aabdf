import pytest

from infra.provisioning.compare import compare, require_no_mismatch
from infra.provisioning.plan import TopicPlan
from infra.runtime.errors import TopicMismatchError

PLANS = [TopicPlan(name, 4, 1) for name in ("a", "b", "c")]


def test_states() -> None:
    findings = compare(PLANS, {"a": 4, "b": 5, "other": 1})
    assert [(f.name, f.state, f.found) for f in findings] == [
        ("a", "ok", 4),
        ("b", "mismatch", 5),
        ("c", "missing", None),
    ]


def test_missing_topics_are_no_mismatch() -> None:
    require_no_mismatch(compare(PLANS, {}))


def test_a_mismatch_names_topic_counts_and_way_out() -> None:
    with pytest.raises(TopicMismatchError) as caught:
        require_no_mismatch(compare(PLANS, {"a": 4, "b": 5, "c": 4}))
    said = str(caught.value)
    assert "b has 5 partitions instead of 4" in said
    assert "FLEETPULSE_PARTITIONS" in said
    assert "Set it to 5" in said


def test_counts_that_differ_among_themselves_have_another_way_out() -> None:
    with pytest.raises(TopicMismatchError, match="Make them equal"):
        require_no_mismatch(compare(PLANS, {"a": 3, "b": 5}))


def test_many_mismatches_stay_one_readable_line() -> None:
    plans = [TopicPlan(f"t{i}", 4, 1) for i in range(14)]
    with pytest.raises(TopicMismatchError, match="and 11 more topics differ"):
        require_no_mismatch(compare(plans, {p.name: 2 for p in plans}))
