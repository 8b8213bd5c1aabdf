"""What the settings of every process refuse."""

from __future__ import annotations

import pytest

from infra.runtime.errors import SettingError
from infra.runtime.settings import load_settings


@pytest.mark.parametrize("named", ["", "kafka", "127.0.0.1:9092", "[::1]:9092", "a-1.example:9092,b_2:19092"])
def test_addresses_of_brokers_stay_as_they_are(named: str) -> None:
    assert load_settings(bootstrap=named).bootstrap == named


@pytest.mark.parametrize("named", ["127.0.0.1:1x", "a:0", "a:65536", "a:9092,", "a b:9092", "http://a:9092", ":9092"])
def test_an_address_that_kafka_clients_cannot_read_is_refused_in_words(named: str) -> None:
    with pytest.raises(SettingError, match=r"^not HOST:PORT\[,HOST:PORT\]: got .*FLEETPULSE_BOOTSTRAP"):
        load_settings(bootstrap=named)
