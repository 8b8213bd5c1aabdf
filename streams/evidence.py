"""Trust in the pipeline: its settings, and what batches say of its factors beside compliance."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from infra.runtime.trust_settings import load_trust_settings
from schemas.catalogue import METRICS
from streams.operators import anomaly, trust, trust_factors
from streams.operators.arrays import SlotArrays
from streams.operators.slots import Slots

Doubles = npt.NDArray[np.float64]
_RELIABILITY, _LIVENESS, _BEHAVIOUR = (trust_factors.FACTORS.index(n) for n in ("reliability", "liveness", "behaviour"))
_ERRORS, _SUCCESSES, _REQUESTS = (METRICS.index(name) for name in ("error_rate", "success_rate", "request_count"))


def trust_config(model: Literal["beta", "classic"]) -> trust.TrustConfig:
    """The configuration that `FLEETPULSE_TRUST_*` names. Raises `SettingError`."""
    settings = load_trust_settings()
    named = settings.model_dump(include=set(trust.TrustConfig.__dataclass_fields__))
    return trust.TrustConfig(
        model=model,
        severity_weights=settings.severity_weights,
        references=settings.references,
        factor_weights=settings.factor_weights,
        **named,
    )


def note_reports(
    config: trust.TrustConfig, arrays: SlotArrays, slots: Slots, values: Doubles, flags: anomaly.Flags, times_s: Doubles
) -> None:
    """Reliability and behaviour, one update for both: `values` f8[n, METRICS], the `flags` among them."""
    requests = trust_factors.reliability(values[:, _ERRORS], values[:, _SUCCESSES], values[:, _REQUESTS])
    seen = trust_factors.behaviour(values, flags.row, config.flag_weight)
    evidence = np.concatenate([requests, seen], axis=1)
    trust.update_factors(config, arrays, slots, _RELIABILITY, evidence, times_s, step=_BEHAVIOUR - _RELIABILITY)


def note_beats(config: trust.TrustConfig, arrays: SlotArrays, slots: Slots, missed: Doubles, times_s: Doubles) -> None:
    """Liveness: `missed` f8[n] as `heartbeat.update` leaves it, NaN for a beat whose gap says nothing."""
    tells = np.flatnonzero(np.isfinite(missed))
    evidence = trust_factors.liveness(missed[tells], config.longest_gap_beats)
    trust.update_factors(config, arrays, slots[tells], _LIVENESS, evidence, times_s[tells])
