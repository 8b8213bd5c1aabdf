"""People sign in at an issuer and come back with a code: OpenID Connect Core 1.0, 3.1, with PKCE (RFC 7636).

    flow = code_flow(settings)                         # None where no client is set
    url = await flow.begin(trip)                       # the browser goes there, and comes back with a code
    found = await flow.finish(trip, code, now_s)       # Principal | Refusal

What has to be known when the browser comes back (nonce, verifier) follows from the state under the server's secret:
nothing is kept, and the browser is told nothing that is not to be read.
"""

from __future__ import annotations

import asyncio
import hmac
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from infra.access.jwks import FRESH_S, IssuerError, IssuerKeys, TurnedDownError, discover, fetch_json, is_safe_url
from infra.access.oidc import OidcConfig, OidcVerifier, oidc_config, principal_of
from infra.access.principal import Principal, Refusal
from infra.access.session import Sessions
from infra.access.settings import AccessSettings
from infra.runtime.clock import Clock, SystemClock
from infra.runtime.errors import SettingError


@dataclass(frozen=True, slots=True)
class Trip:
    """One browser's way to the issuer and back; `redirect_url`: where it comes back to."""

    state: str
    nonce: str
    verifier: str
    redirect_url: str

    @classmethod
    def of(cls, sessions: Sessions, state: str, redirect_url: str) -> Trip:
        """The trip that a state names."""
        return cls(state, sessions.derived("nonce", state), sessions.derived("verifier", state), redirect_url)

    @property
    def challenge(self) -> str:
        """S256 of the verifier (RFC 7636, 4.2)."""
        return urlsafe_b64encode(sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Client:
    """As whom we ask the issuer. `secret` "": a public client. `session_s`: how long its people are signed in."""

    id: str
    secret: str
    scope: str
    redirect_url: str
    session_s: float


class CodeFlow:
    """Sends people to one issuer and learns who they are."""

    def __init__(self, config: OidcConfig, client: Client, clock: Clock | None = None) -> None:
        self.client = client
        self.issuer = config.issuer
        self.name = urlsplit(config.issuer).netloc
        self._config = config
        self._clock = clock or SystemClock()
        keys = IssuerKeys(config.issuer, self._clock)
        self._people = OidcVerifier(replace(config, audience=client.id), keys=keys)
        self._tokens = OidcVerifier(config, keys=keys)
        self._discovered: tuple[float, dict[str, Any]] | None = None
        self._discovering = asyncio.Lock()
        self._failures = 0

    async def begin(self, trip: Trip) -> str:
        """Where the browser goes. Raises `IssuerError`."""
        at = str((await self._discover()).get("authorization_endpoint"))
        if not is_safe_url(at):
            raise IssuerError(f"{at} is neither https nor on this machine")
        asked = {
            "response_type": "code",
            "client_id": self.client.id,
            "redirect_uri": trip.redirect_url,
            "scope": self.client.scope,
            "state": trip.state,
            "nonce": trip.nonce,
            "code_challenge": trip.challenge,
            "code_challenge_method": "S256",
        }
        return f"{at}{'&' if urlsplit(at).query else '?'}{urlencode(asked)}"

    async def finish(self, trip: Trip, code: str, now_s: float) -> Principal | Refusal:
        """Who came back with `code`. Refused as tokens are, besides as: code_refused, nonce, issuer_away."""
        try:
            given = await self._exchange(trip, code)
        except TurnedDownError as error:
            return Refusal("code_refused", detail=str(error)[:200])
        except IssuerError as error:
            return Refusal("issuer_away", detail=str(error)[:200])
        claims = await self._people.claims(str(given.get("id_token", "")), now_s)
        if isinstance(claims, Refusal):
            return claims
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), trip.nonce.encode()):
            return Refusal("nonce")
        if claims.get("azp", self.client.id) != self.client.id:
            return Refusal("claims", detail="the token was given to another client")
        return await self._named(claims, str(given.get("access_token", "")), now_s)

    async def _named(self, claims: Mapping[str, Any], access_token: str, now_s: float) -> Principal | Refusal:
        """Who the ID token names. Issuers that put roles into access tokens alone: by that one, of the same subject."""
        found = principal_of(claims, self._config)
        if isinstance(found, Principal) or found.reason not in {"no_role", "no_tenant"}:
            return found
        more = await self._tokens.claims(access_token, now_s)
        if isinstance(more, Refusal) or more.get("sub") != claims.get("sub"):
            return found
        return principal_of({**claims, **more}, self._config)

    async def _exchange(self, trip: Trip, code: str) -> dict[str, Any]:
        discovered = await self._discover()
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": trip.redirect_url,
            "client_id": self.client.id,
            "code_verifier": trip.verifier,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if self.client.secret:
            if _takes_basic(discovered):
                headers["Authorization"] = _basic(self.client)
            else:
                fields["client_secret"] = self.client.secret
        form = urlencode(fields).encode()
        return await asyncio.to_thread(fetch_json, str(discovered.get("token_endpoint")), form, headers)

    async def _discover(self) -> dict[str, Any]:
        """What the issuer says of itself. One thread asks, however many wait, who are all told what came of it: anybody
        may begin to sign in, and an issuer that hangs must not hold every thread of the process."""
        before = self._failures
        async with self._discovering:
            now_s = self._clock.monotonic_s()
            if self._discovered is not None and now_s - self._discovered[0] <= FRESH_S:
                return self._discovered[1]
            if self._failures != before:
                raise IssuerError(f"{self._config.issuer} has just failed to answer")
            try:
                self._discovered = (now_s, await asyncio.to_thread(discover, self._config.issuer))
            except IssuerError:
                self._failures += 1
                raise
            return self._discovered[1]


def _takes_basic(discovered: Mapping[str, Any]) -> bool:
    """Whether the secret goes into the header, which it does unless the issuer says otherwise (Discovery 1.0, 3)."""
    named = discovered.get("token_endpoint_auth_methods_supported")
    return not isinstance(named, list) or "client_secret_basic" in named or "client_secret_post" not in named


def _basic(client: Client) -> str:
    """RFC 6749, 2.3.1: both parts are encoded first."""
    pair = f"{quote(client.id, safe='')}:{quote(client.secret, safe='')}"
    return f"Basic {b64encode(pair.encode()).decode()}"


def code_flow(settings: AccessSettings, clock: Clock | None = None) -> CodeFlow | None:
    """What the settings say; None where they name no client.

    Raises `SettingError` for a client without issuer or audience, and for a way back that is not protected.
    """
    if not settings.oidc_client_id:
        return None
    config = oidc_config(settings)
    if config is None:
        raise SettingError("a client of no issuer signs nobody in", setting="FLEETPULSE_OIDC_ISSUER")
    back = settings.oidc_redirect_url
    if back and not is_safe_url(back):
        raise SettingError(f"{back} is neither https nor on this machine", setting="FLEETPULSE_OIDC_REDIRECT_URL")
    secret = settings.oidc_client_secret.get_secret_value()
    client = Client(settings.oidc_client_id, secret, settings.oidc_scope, back, settings.oidc_session_s)
    return CodeFlow(config, client, clock)
