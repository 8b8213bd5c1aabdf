"""Bearer tokens of an OpenID Connect issuer: JWTs, RS256 or ES256 alone, for who signs on elsewhere.

OpenID Connect Core 1.0, RFC 7519 (JWT), RFC 8725 (best practices: the algorithm is ours to choose, never the token's).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import ExceededSizeError, ExpiredTokenError, JoseError

from infra.access.jwks import KINDS, IssuerError, IssuerKeys, is_safe_url
from infra.access.principal import OWN_TENANT, Principal, Refusal, Role
from infra.access.settings import AccessSettings
from infra.runtime.clock import Clock
from infra.runtime.errors import SettingError
from infra.runtime.text import printable

LEEWAY_S = 30
"""How far the issuer's clock may differ from ours."""
LONGEST_TOKEN = 16_384
"""Characters."""
REMEMBERED_S, MOST_REMEMBERED = 60.0, 10_000
"""How long, and of how many tokens, it is known without looking that they were good."""
BY_STRENGTH: tuple[Role, ...] = ("admin", "operator", "viewer", "ingest")
WHOLE_FLEET = "*"
_LONGEST_NAME, _LONGEST_SUBJECT = 200, 255
"""Characters; OpenID Connect Core 1.0, 2: a subject has at most 255."""


@dataclass(frozen=True)
class OidcConfig:
    """What is expected of tokens; see `AccessSettings`."""

    issuer: str
    audience: str
    roles_claim: str = "roles"
    tenant_claim: str = "tenant"
    role_map: Mapping[str, Role] = field(default_factory=lambda: {role: role for role in BY_STRENGTH})


def oidc_config(settings: AccessSettings) -> OidcConfig | None:
    """What the settings say; None where they name no issuer.

    Raises `SettingError` for an issuer without audience (it signs for others, too), or one that is reached unprotected.
    """
    if not settings.oidc_issuer:
        return None
    if not settings.oidc_audience:
        raise SettingError(
            "tokens of the issuer may be meant for anybody",
            setting="FLEETPULSE_OIDC_AUDIENCE",
            way_out="Name the audience that its tokens for this service carry",
        )
    if not is_safe_url(settings.oidc_issuer):
        raise SettingError(
            f"{settings.oidc_issuer} is neither https nor on this machine", setting="FLEETPULSE_OIDC_ISSUER"
        )
    more = {"role_map": settings.oidc_role_map} if settings.oidc_role_map else {}
    return OidcConfig(
        settings.oidc_issuer, settings.oidc_audience, settings.oidc_roles_claim, settings.oidc_tenant_claim, **more
    )


class OidcVerifier:
    """Says who shows a token."""

    def __init__(self, config: OidcConfig, clock: Clock | None = None, keys: IssuerKeys | None = None) -> None:
        self._config = config
        self.keys = keys or IssuerKeys(config.issuer, clock)
        self._good: OrderedDict[bytes, tuple[Principal, float]] = OrderedDict()

    async def verify(self, token: str, now_s: float) -> Principal | Refusal:
        """Who shows `token` at `now_s` (seconds since the epoch); waits where the issuer has to be asked."""
        if len(token) > LONGEST_TOKEN or not token.isascii():
            return Refusal("malformed")
        digest = sha256(token.encode()).digest()
        if (good := self._good.get(digest)) is not None and now_s < good[1]:
            return good[0]
        found = await self._verify(token, now_s)
        if isinstance(found, Refusal):
            return found
        principal, until_s = found
        self._good[digest] = (principal, min(until_s, now_s + REMEMBERED_S))
        if len(self._good) > MOST_REMEMBERED:
            self._good.popitem(last=False)
        return principal

    async def _verify(self, token: str, now_s: float) -> tuple[Principal, float] | Refusal:
        """(principal, good until) or why not."""
        claims = await self.claims(token, now_s)
        if isinstance(claims, Refusal):
            return claims
        found = principal_of(claims, self._config)
        return found if isinstance(found, Refusal) else (found, float(claims["exp"]) + LEEWAY_S)

    async def claims(self, token: str, now_s: float) -> Mapping[str, Any] | Refusal:
        """What a token says that the issuer signed for this audience, and that is good at `now_s`."""
        try:
            header = jws.extract_compact(token.encode()).headers()
            algorithm, kid = header.get("alg"), header.get("kid")
            if not isinstance(algorithm, str) or algorithm not in KINDS:
                return Refusal("algorithm", detail=str(algorithm)[:40])
            key = await self.keys.find(algorithm, kid if isinstance(kid, str) else None)
            if key is None:
                return Refusal("unknown_signer", detail=str(kid)[:100])
            claims = jwt.decode(token, key, algorithms=[algorithm]).claims
        except IssuerError as error:
            return Refusal("issuer_away", detail=str(error)[:200])
        except (JoseError, ValueError, TypeError, RecursionError) as error:
            return Refusal(_kind_of(error), detail=str(error)[:200])
        return self._believed(claims, now_s)

    def _believed(self, claims: Mapping[str, Any], now_s: float) -> Mapping[str, Any] | Refusal:
        registry = jwt.JWTClaimsRegistry(
            now=int(now_s),
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self._config.issuer},
            aud={"essential": True, "value": self._config.audience},
            sub={"essential": True},
            exp={"essential": True},
        )
        try:
            registry.validate(dict(claims))
        except ExpiredTokenError:
            return Refusal("expired")
        except JoseError as error:
            return Refusal("claims", detail=str(error)[:200])
        return claims


def _kind_of(error: Exception) -> str:
    if isinstance(error, ExceededSizeError):
        return "too_long"
    return "signature" if type(error).__name__ == "BadSignatureError" else "malformed"


def principal_of(claims: Mapping[str, Any], config: OidcConfig) -> Principal | Refusal:
    """Who the claims of a good token name: the strongest of their roles, their tenant."""
    roles = {config.role_map[name] for name in _names(_claim(claims, config.roles_claim)) if name in config.role_map}
    if not roles:
        return Refusal("no_role")
    role = next(role for role in BY_STRENGTH if role in roles)
    tenant: str | None = None
    if config.tenant_claim:
        given = _claim(claims, config.tenant_claim)
        if not isinstance(given, str) or not given.isprintable() or not 0 < len(given) <= _LONGEST_NAME:
            return Refusal("no_tenant")
        if given == OWN_TENANT:
            return Refusal("no_tenant", detail=f"{OWN_TENANT} is the tenant of our own processes")
        tenant = None if given == WHOLE_FLEET else given
    if role == "ingest" and tenant is None:
        return Refusal("no_tenant")
    subject = str(claims["sub"])
    if not subject.isprintable() or not 0 < len(subject) <= _LONGEST_SUBJECT:
        return Refusal("claims", detail="the subject is no name")
    name = next((str(claims[c]) for c in ("preferred_username", "email", "name") if claims.get(c)), subject)
    return Principal(f"oidc:{subject}", printable(name[:_LONGEST_NAME]), tenant, (), role, role == "admin", "oidc")


def _claim(claims: Mapping[str, Any], name: str) -> object:
    """The claim of that very name (names may be URLs), else along its dots."""
    if name in claims:
        return claims[name]
    found: object = claims
    for step in name.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(step)
    return found


def _names(value: object) -> list[str]:
    """A list of names, or one text with blanks between them."""
    if isinstance(value, str):
        return value.split()
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
