"""The Kafka that users run in containers, where there is a Docker engine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra.broker.resolve import resolve_broker
from infra.doctor.machine import docker_engine
from infra.provisioning.plan import plan_topics
from infra.provisioning.topics import provision
from infra.runtime.settings import load_settings
from schemas.catalogue import TOPICS

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]


async def test_a_kafka_container_takes_the_catalogue(tmp_path: Path) -> None:
    engine = docker_engine(os.environ)
    if engine.state != "ok":
        pytest.skip(f"docker: {engine.detail}; skipped under CI=true too, for not every machine of ours has an engine")
    from testcontainers.kafka import KafkaContainer  # noqa: PLC0415  # not imported for nothing

    with KafkaContainer().with_kraft() as container:
        broker = resolve_broker(container.get_bootstrap_server(), load_settings(data_dir=tmp_path))
        created = await provision(broker.bootstrap, plan_topics(load_settings()))
    assert set(TOPICS) <= set(created)
