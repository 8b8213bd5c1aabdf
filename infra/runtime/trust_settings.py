"""Settings of trust, `FLEETPULSE_TRUST_*`: what computes scores and what explains them read the same."""

from __future__ import annotations

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from infra.runtime.settings import PREFIX, unfit

TRUST_PREFIX = f"{PREFIX}TRUST_"
FACTORS = ("reliability", "liveness", "behaviour")
"""Factors beside compliance, in the order of every sequence of them."""


class TrustSettings(BaseSettings):
    """The defaults are those of the design; docs/adr/0015 says why.

    `initial_score`, `violation_penalty`, `compliance_bonus` and `decay_rate` are the sources' `initialScore`,
    `violationPenalty`, `complianceBonus` and `decayRate`, of the model `classic` alone.
    """

    model_config = SettingsConfigDict(env_prefix=TRUST_PREFIX, extra="ignore", frozen=True)

    half_life_s: float = Field(default=7 * 86_400.0, ge=1, le=1e9, description="after it evidence weighs half")
    prior_good: float = Field(default=9.0, gt=0, le=1e6, description="compliant checks that an agent starts with")
    prior_bad: float = Field(default=1.0, gt=0, le=1e6, description="violations that an agent starts with, in checks")
    z: float = Field(default=1.645, ge=0, le=10, description="quantile of the lower bound; 1.645: 95 %, one-sided")
    severity_low: float = Field(default=1.0, ge=0, le=1e6, description="what a violation weighs, in checks")
    severity_medium: float = Field(default=3.0, ge=0, le=1e6)
    severity_high: float = Field(default=10.0, ge=0, le=1e6)
    severity_critical: float = Field(default=30.0, ge=0, le=1e6)
    initial_score: float = Field(default=1.0, ge=0, le=1)
    violation_penalty: float = Field(default=0.1, ge=0, le=1)
    compliance_bonus: float = Field(default=0.05, ge=0, le=1)
    decay_rate: float = Field(default=0.01, ge=0, le=1, description="share of the way back, a day")

    factor_prior: float = Field(default=50.0, gt=0, le=1e9, description="observations at the reference a factor has")
    reliability_weight: float = Field(default=1.0, ge=0, le=10, description="exponent of the factor; 0 leaves it out")
    reliability_reference: float = Field(default=0.95, gt=0, lt=1, description="share that costs no trust")
    liveness_weight: float = Field(default=0.25, ge=0, le=10)
    liveness_reference: float = Field(default=0.7, gt=0, lt=1)
    behaviour_weight: float = Field(default=0.25, ge=0, le=10)
    behaviour_reference: float = Field(default=0.95, gt=0, lt=1)
    longest_gap_beats: float = Field(default=60.0, ge=1, le=1e6, description="beats that one gap counts as at most")
    flag_weight: float = Field(default=30.0, ge=0, le=1e6, description="values that one anomaly counts as")

    @property
    def severity_weights(self) -> dict[str, float]:
        """Weight in checks by severity."""
        return {name: getattr(self, f"severity_{name}") for name in ("low", "medium", "high", "critical")}

    @property
    def references(self) -> tuple[float, float, float]:
        """Reference of each of `FACTORS`."""
        return self.reliability_reference, self.liveness_reference, self.behaviour_reference

    @property
    def factor_weights(self) -> tuple[float, float, float]:
        """Weight of each of `FACTORS`."""
        return self.reliability_weight, self.liveness_weight, self.behaviour_weight


def load_trust_settings() -> TrustSettings:
    """Settings from the environment. Raises `SettingError`, naming the variable, when a value does not fit."""
    try:
        return TrustSettings()
    except ValidationError as error:
        raise unfit(error, TRUST_PREFIX) from error
