"""Settings of access: the server's secret, the issuer of tokens. `FLEETPULSE_*`, as everything."""

from __future__ import annotations

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from infra.access.principal import Role
from infra.runtime.settings import PREFIX, unfit


class AccessSettings(BaseSettings):
    """What the doors need to know who somebody is."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, hide_input_in_errors=True)

    secret: SecretStr = Field(
        default=SecretStr(""),
        description="under which keys are kept, 32 characters or more; else DATA_DIR/secret",
    )
    oidc_issuer: str = Field(default="", description="URL of an OpenID Connect issuer; empty: no tokens are taken")
    oidc_audience: str = Field(default="", description="what the tokens must be meant for: the name of this service")
    oidc_roles_claim: str = Field(
        default="roles", min_length=1, description="claim with the roles, with dots into objects: realm_access.roles"
    )
    oidc_tenant_claim: str = Field(
        default="tenant",
        description="claim with the tenant, `*`: the whole fleet; empty: everybody sees the fleet",
    )
    oidc_role_map: dict[str, Role] = Field(
        default_factory=dict, description='roles of the issuer to ours, JSON: {"sre": "operator"}; empty: by our names'
    )
    oidc_client_id: str = Field(default="", description="as whom the dashboard signs people in; empty: it does not")
    oidc_client_secret: SecretStr = Field(
        default=SecretStr(""), description="of that client; empty: a public one, which PKCE alone protects"
    )
    oidc_scope: str = Field(default="openid profile email", description="what the issuer is asked for, with blanks")
    oidc_redirect_url: str = Field(
        default="", description="URL of /session/oidc/callback as browsers reach it; empty: by the name they came to"
    )
    oidc_session_s: float = Field(
        default=8 * 3_600.0, ge=60, le=12 * 3_600.0, description="how long such a session lives, in seconds"
    )


def load_access_settings(**overrides: object) -> AccessSettings:
    """Settings from the environment; keyword arguments that are not None win.

    Raises `SettingError`, naming the variable, when a value does not fit.
    """
    try:
        return AccessSettings(**{k: v for k, v in overrides.items() if v is not None})  # type: ignore[arg-type]  # validated here
    except ValidationError as error:
        raise unfit(error, PREFIX) from error
