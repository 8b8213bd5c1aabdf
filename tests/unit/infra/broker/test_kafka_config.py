from pathlib import Path

from infra.broker.kafka import _new_cluster_id, server_properties
from infra.runtime.kafka import MAX_MESSAGE_BYTES


def test_everything_is_on_the_loopback_address() -> None:
    properties = server_properties(1234, 1235, Path("/data"))
    for key in ("listeners", "advertised.listeners", "controller.quorum.voters"):
        for place in properties[key].split(","):
            assert "127.0.0.1:" in place


def test_large_messages_pass_and_no_topic_makes_itself() -> None:
    properties = server_properties(1234, 1235, Path("/data"))
    assert int(properties["message.max.bytes"]) == MAX_MESSAGE_BYTES == int(properties["replica.fetch.max.bytes"])
    assert properties["auto.create.topics.enable"] == "false"


def test_cluster_ids_differ_and_are_never_taken_for_an_option() -> None:
    ids = {_new_cluster_id() for _ in range(500)}
    assert len(ids) == 500
    assert all(len(i) == 22 and i[0].isalpha() for i in ids)
