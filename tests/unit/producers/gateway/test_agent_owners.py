"""An agent belongs to one tenant: fleet.status says to whom, else who wrote first."""

from __future__ import annotations

import pytest

from infra.access import Principal
from producers.gateway.identity import Name, Refused
from producers.gateway.owners import Owners


def key(tenant: str | None) -> Principal:
    return Principal(
        id="k", name="k", tenant=tenant, agents=(), role="ingest" if tenant else "admin", sql=False, via="key"
    )


def test_the_first_that_writes_owns_the_agent() -> None:
    owners = Owners()
    owners.check(key("acme"), Name("acme", "bot"))
    owners.check(key("acme"), Name("acme", "bot"))
    with pytest.raises(Refused) as refused:
        owners.check(key("umbra"), Name("umbra", "bot"))
    assert refused.value.status == 403
    assert "acme" not in str(refused.value)
    assert owners.owner("bot") == "acme"


def test_what_the_status_says_wins_over_a_claim() -> None:
    owners = Owners()
    owners.check(key("umbra"), Name("umbra", "bot"))
    owners.told([("bot", "acme")])
    with pytest.raises(Refused):
        owners.check(key("umbra"), Name("umbra", "bot"))
    owners.check(key("acme"), Name("acme", "bot"))


def test_a_key_of_the_whole_fleet_writes_for_every_tenant() -> None:
    owners = Owners()
    owners.told([("bot", "acme")])
    owners.check(key(None), Name("umbra", "bot"))
    assert owners.owner("bot") == "acme"


def test_claims_are_bounded_and_what_the_status_knows_is_kept() -> None:
    owners = Owners(most_claims=10)
    owners.told([("old", "acme")])
    for number in range(100):
        owners.check(key("acme"), Name("acme", f"a{number}"))
    assert sum(owners.owner(f"a{number}") is not None for number in range(100)) <= 10
    assert owners.owner("old") == "acme"
    assert owners.owner("a99") == "acme"
