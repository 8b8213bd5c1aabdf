"""Tokens of a real issuer on loopback: who is let in, who is not, and what its keys' rotation does."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import RSAKey
from local_issuer import AUDIENCE, LocalIssuer, local_issuer

from infra.access import Principal, Refusal, Role
from infra.access.jwks import AT_MOST_EVERY_S, FRESH_S, STALE_S, IssuerError, fetch_json
from infra.access.oidc import LEEWAY_S, OidcConfig, OidcVerifier, oidc_config
from infra.access.settings import load_access_settings
from infra.runtime.clock import ManualClock
from infra.runtime.errors import SettingError

NOW_S = 1_700_000_000.0


@pytest.fixture(scope="module")
def shared_issuer() -> Iterator[LocalIssuer]:
    with local_issuer() as issuer:
        yield issuer


@pytest.fixture
def issuer(shared_issuer: LocalIssuer) -> LocalIssuer:
    shared_issuer.broken = False
    shared_issuer.asked.clear()
    return shared_issuer


def verifier(issuer: LocalIssuer, clock: ManualClock | None = None) -> OidcVerifier:
    return OidcVerifier(OidcConfig(issuer.url, AUDIENCE), clock or ManualClock())


async def reason(issuer: LocalIssuer, token: str, now_s: float = NOW_S) -> str:
    found = await verifier(issuer).verify(token, now_s)
    assert isinstance(found, Refusal), found
    return found.reason


def packed(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
async def test_a_good_token_names_its_bearer(issuer: LocalIssuer, algorithm: str) -> None:
    issuer.rotate(algorithm, keep=False)
    token = issuer.token(NOW_S, preferred_username="alice@acme.example", roles=["viewer", "operator", "unknown"])
    found = await verifier(issuer).verify(token, NOW_S)
    assert found == Principal("oidc:alice", "alice@acme.example", "acme", (), "operator", False, "oidc")


async def test_the_algorithm_none_is_refused(issuer: LocalIssuer) -> None:
    claims = packed(issuer.claims(NOW_S))
    for header in (
        {"alg": "none"},
        {"alg": "None", "kid": issuer.key.kid},
        {"kid": issuer.key.kid},
        {"alg": ["RS256"]},
    ):
        assert await reason(issuer, f"{packed(header)}.{claims}.") in {"algorithm", "malformed"}


async def test_a_public_key_is_no_shared_secret(issuer: LocalIssuer) -> None:
    """HS256 signed with what everybody can fetch, in every spelling that a library might take it in."""
    issuer.rotate("RS256")
    header = packed({"alg": "HS256", "kid": issuer.key.kid})
    signed = f"{header}.{packed(issuer.claims(NOW_S))}"
    public = [
        issuer.key.as_pem(private=False),
        issuer.key.as_der(private=False),
        json.dumps(issuer.listed[-1]).encode(),
    ]
    for shared in public:
        signature = base64.urlsafe_b64encode(hmac.digest(shared, signed.encode(), hashlib.sha256)).rstrip(b"=").decode()
        assert await reason(issuer, f"{signed}.{signature}") == "algorithm"


async def test_a_shared_secret_that_the_issuer_lists_is_not_taken(issuer: LocalIssuer) -> None:
    issuer.rotate("RS256", keep=False)
    issuer.listed.append({"kty": "oct", "kid": "shared", "alg": "HS256", "k": "c2VjcmV0"})
    checked = verifier(issuer)
    assert isinstance(await checked.verify(issuer.token(NOW_S), NOW_S), Principal)
    assert await checked.keys.find("RS256", "shared") is None


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"aud": "another-service"}, "claims"),
        ({"aud": ["another-service"]}, "claims"),
        ({"aud": None}, "claims"),
        ({"iss": "https://issuer.example"}, "claims"),
        ({"iss": None}, "claims"),
        ({"sub": None}, "claims"),
        ({"exp": None}, "claims"),
        ({"exp": "soon"}, "claims"),
        ({"exp": int(NOW_S) - LEEWAY_S - 1}, "expired"),
        ({"nbf": int(NOW_S) + LEEWAY_S + 1}, "claims"),
        ({"iat": int(NOW_S) + LEEWAY_S + 1}, "claims"),
        ({"roles": []}, "no_role"),
        ({"roles": None}, "no_role"),
        ({"roles": {"admin": True}}, "no_role"),
        ({"roles": ["root"]}, "no_role"),
        ({"tenant": None}, "no_tenant"),
        ({"tenant": ["acme", "globex"]}, "no_tenant"),
        ({"tenant": ""}, "no_tenant"),
        ({"tenant": "*", "roles": ["ingest"]}, "no_tenant"),
        ({"tenant": "fleetpulse"}, "no_tenant"),
        ({"tenant": "acme\n"}, "no_tenant"),
        ({"sub": "alice\r\nX: y"}, "claims"),
        ({"sub": "a" * 300}, "claims"),
    ],
    ids=str,
)
async def test_what_does_not_fit_is_refused(issuer: LocalIssuer, changed: dict[str, object], why: str) -> None:
    assert await reason(issuer, issuer.token(NOW_S, **changed)) == why


async def test_a_token_ends(issuer: LocalIssuer) -> None:
    """Also one that was good a moment ago and is remembered."""
    checked, token = verifier(issuer), issuer.token(NOW_S)
    for after_s in (0, 30, 600):
        assert isinstance(await checked.verify(token, NOW_S + after_s), Principal)
    assert await checked.verify(token, NOW_S + 600 + LEEWAY_S) == Refusal("expired")


async def test_a_stranger_with_a_known_kid_and_a_changed_payload_are_refused(issuer: LocalIssuer) -> None:
    issuer.rotate("RS256")
    token = issuer.token(NOW_S)
    head, body, tail = token.split(".")
    changed = packed(issuer.claims(NOW_S, roles=["admin"], tenant="*"))
    assert await reason(issuer, f"{head}.{changed}.{tail}") == "signature"
    own, issuer.key = issuer.key, RSAKey.generate_key(2048, {"kid": issuer.key.kid})
    try:
        assert await reason(issuer, issuer.token(NOW_S)) == "signature"
    finally:
        issuer.key = own
    assert await reason(issuer, f"{head}.{body}") == "malformed"


@pytest.mark.parametrize("header", [[], "x", 1, None, {"alg": "RS256", "kid": {}}, {"alg": "RS256", "crit": ["b64"]}])
async def test_odd_headers_are_refused(issuer: LocalIssuer, header: object) -> None:
    issuer.rotate("RS256")
    body, tail = issuer.token(NOW_S).split(".")[1:]
    assert await reason(issuer, f"{packed(header)}.{body}.{tail}") in {"malformed", "unknown_signer", "signature"}


async def test_short_keys_and_private_ones_are_not_taken(issuer: LocalIssuer) -> None:
    issuer.rotate("RS256", keep=False)
    numbers = rsa.generate_private_key(65_537, 1_024).public_key().public_numbers()
    modulus = base64.urlsafe_b64encode(numbers.n.to_bytes(128)).rstrip(b"=").decode()
    weak = {"kty": "RSA", "kid": "weak", "e": "AQAB", "n": modulus}
    issuer.listed += [weak, dict(issuer.key.as_dict(private=True)) | {"kid": "open"}]
    checked = verifier(issuer)
    assert [await checked.keys.find("RS256", kid) is None for kid in (issuer.key.kid, "weak", "open")] == [
        False,
        True,
        True,
    ]


async def test_a_new_key_is_fetched_and_an_old_one_forgotten(issuer: LocalIssuer) -> None:
    clock = ManualClock()
    checked = verifier(issuer, clock)
    issuer.rotate("RS256", keep=False)
    old = issuer.token(NOW_S)
    assert isinstance(await checked.verify(old, NOW_S), Principal)
    issuer.rotate("ES256", keep=False)
    new = issuer.token(NOW_S)
    assert await checked.verify(new, NOW_S) == Refusal("unknown_signer", detail=str(issuer.key.kid))
    clock.advance(AT_MOST_EVERY_S)
    assert isinstance(await checked.verify(new, NOW_S), Principal)
    assert isinstance(await checked.verify(old, NOW_S + 61), Refusal)
    assert checked.keys.fetches == 2


async def test_made_up_kids_do_not_make_us_ask_at_every_request(issuer: LocalIssuer) -> None:
    checked = verifier(issuer)
    for number in range(50):
        assert isinstance(await checked.verify(issuer.token(NOW_S, {"kid": f"made-up-{number}"}), NOW_S), Refusal)
    assert checked.keys.fetches == 1


async def test_an_issuer_that_is_away_is_believed_for_an_hour(issuer: LocalIssuer) -> None:
    clock = ManualClock()
    checked = verifier(issuer, clock)
    issuer.rotate("RS256")
    assert isinstance(await checked.verify(issuer.token(NOW_S), NOW_S), Principal)
    issuer.broken = True
    clock.advance(FRESH_S + 1)
    assert isinstance(await checked.verify(issuer.token(NOW_S + FRESH_S), NOW_S + FRESH_S), Principal)
    clock.advance(STALE_S)
    late_s = NOW_S + FRESH_S + STALE_S
    found = await checked.verify(issuer.token(late_s), late_s)
    assert isinstance(found, Refusal)
    assert found.reason == "issuer_away"
    issuer.broken = False
    clock.advance(AT_MOST_EVERY_S)
    assert isinstance(await checked.verify(issuer.token(late_s), late_s), Principal)


async def test_an_issuer_that_never_answered_lets_nobody_in(issuer: LocalIssuer) -> None:
    issuer.broken = True
    assert await reason(issuer, issuer.token(NOW_S)) == "issuer_away"


async def test_roles_by_map_and_by_dots_and_a_tenant_for_all(issuer: LocalIssuer) -> None:
    roles: dict[str, Role] = {"sre": "admin", "dev": "viewer"}
    checked = OidcVerifier(OidcConfig(issuer.url, AUDIENCE, "realm_access.roles", "", roles))
    token = issuer.token(NOW_S, roles=None, tenant=None, realm_access={"roles": ["dev", "sre", "admin"]})
    assert await checked.verify(token, NOW_S) == Principal("oidc:alice", "alice", None, (), "admin", True, "oidc")
    named = OidcVerifier(OidcConfig(issuer.url, AUDIENCE, "https://acme.example/roles"))
    found = await named.verify(issuer.token(NOW_S, **{"https://acme.example/roles": "viewer ingest"}), NOW_S)
    assert isinstance(found, Principal)
    assert found.role == "viewer"


@settings(max_examples=60, deadline=None)
@given(text=st.one_of(st.text(max_size=200), st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*")))
def test_no_text_raises(shared_issuer: LocalIssuer, text: str) -> None:
    assert isinstance(asyncio.run(verifier(shared_issuer).verify(text, NOW_S)), Refusal)


def test_documents_are_fetched_from_safe_places_only(issuer: LocalIssuer) -> None:
    for url in ("http://issuer.example/keys", "file:///etc/passwd", "ftp://127.0.0.1/x", "None"):
        with pytest.raises(IssuerError, match="neither https nor on this machine"):
            fetch_json(url)
    with pytest.raises(IssuerError, match="404"):
        fetch_json(f"{issuer.url}/nothing")


def test_settings_that_would_let_anybody_in_are_refused() -> None:
    assert oidc_config(load_access_settings()) is None
    with pytest.raises(SettingError, match="FLEETPULSE_OIDC_AUDIENCE"):
        oidc_config(load_access_settings(oidc_issuer="https://issuer.example"))
    with pytest.raises(SettingError, match="FLEETPULSE_OIDC_ISSUER"):
        oidc_config(load_access_settings(oidc_issuer="http://issuer.example", oidc_audience="us"))
    found = oidc_config(load_access_settings(oidc_issuer="https://issuer.example", oidc_audience="us"))
    assert found == OidcConfig("https://issuer.example", "us")
