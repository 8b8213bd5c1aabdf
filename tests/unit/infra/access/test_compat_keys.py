"""The sources' keys, where they are let in."""

from __future__ import annotations

import pytest

from infra.access import Principal, Refusal
from infra.access.compat import compat_principal

HERE = "127.0.0.1"


def read(text: str, **said: str) -> tuple[str | None, str | None]:
    found = compat_principal(text, address=HERE, **said)
    assert isinstance(found, Principal)
    return found.tenant, found.sole_agent()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("promethios_user_123_agent_456_1672531200", ("user_123", "agent_456")),
        ("promethios_company_xyz_customer_bot_1672531200", ("company_xyz", "customer_bot")),
        ("promethios_your_user_id_your_agent_id_timestamp", ("your_user_id", "your_agent_id")),
        ("promethios_acme_crawler_1", ("acme", "crawler")),
        ("promethios_acme_crawler_7_1", ("acme", "crawler_7")),
    ],
)
def test_the_examples_of_the_sources_are_read_as_meant(text: str, meant: tuple[str, str]) -> None:
    assert read(text) == meant


def test_what_the_request_says_decides_where_it_fits() -> None:
    text = "promethios_big_company_bot_7_1672531200"
    assert read(text) == ("big_company", "bot_7")
    assert read(text, agent_id="7") == ("big_company_bot", "7")
    assert read(text, user_id="big") == ("big", "company_bot_7")
    assert read(text, user_id="big", agent_id="company_bot_7") == ("big", "company_bot_7")
    assert read(text, user_id="other", agent_id="x") == ("big_company", "bot_7")


def test_it_stands_for_one_agent_and_reads_and_writes() -> None:
    found = compat_principal("promethios_acme_crawler_1", address="::1")
    assert isinstance(found, Principal)
    assert found.may("ingest")
    assert found.may("viewer")
    assert not found.may("operator")
    assert not found.may("admin")
    assert found.writes_for("crawler")
    assert not found.writes_for("crawler2")
    assert not found.sees("globex")


@pytest.mark.parametrize("address", ["192.0.2.1", "localhost", "", "::ffff:192.0.2.1"])
def test_from_elsewhere_it_is_refused(address: str) -> None:
    assert compat_principal("promethios_acme_crawler_1", address=address) == Refusal("not_local")


NONE = ("", "promethios_", "promethios_a_1", "promethios__a_1", "promethios_a__1", "promethios_a_*_1", "promethios_a_b")
OURS = ("promethios_fleetpulse_fleetpulse:gateway:host-1_1", "promethios_fleetpulse_bot_1")
MORE = ("fp_v_x", "Promethios_a_b_1", "promethios_a_b\n_1", "promethios_" + "a_" * 300 + "1")


@pytest.mark.parametrize("text", [*NONE, *MORE, *OURS])
def test_what_is_none_is_malformed(text: str) -> None:
    assert compat_principal(text, address=HERE) == Refusal("malformed")
