"""`fleetpulse trust` explains with formulas of its own: they are those of the stream workers."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from infra.runtime.trust_settings import FACTORS, TrustSettings
from sinks.trust.model import Evidence, TrustModel
from streams.operators import trust, trust_factors
from streams.operators.arrays import SlotArrays

WEIGHT = st.floats(0, 1e9)


def test_defaults_are_the_same() -> None:
    settings, config = TrustSettings(), trust.TrustConfig()
    assert settings.severity_weights == dict(config.severity_weights)
    assert (settings.references, settings.factor_weights) == (config.references, config.factor_weights)
    assert FACTORS == trust_factors.FACTORS
    same = set(TrustSettings.model_fields) & set(trust.TrustConfig.__dataclass_fields__)
    assert {name: getattr(settings, name) for name in same} == {name: getattr(config, name) for name in same}
    assert len(same) == 11


@given(WEIGHT, WEIGHT, st.lists(st.tuples(WEIGHT, WEIGHT), min_size=3, max_size=3))
def test_the_same_evidence_has_the_same_trust(good: float, bad: float, factors: list[tuple[float, float]]) -> None:
    config, model, arrays = trust.TrustConfig(), TrustModel(TrustSettings()), SlotArrays(trust.FIELDS, 1)
    one, now = np.zeros(1, np.int32), np.zeros(1)
    trust.update(config, arrays, one, np.array([good]), np.array([bad]), now)
    trust.update_factors(config, arrays, one, 0, np.array(factors).reshape(1, 6), now)
    expected = model.bound(Evidence(good, bad))
    for name, (well, badly) in zip(FACTORS, factors, strict=True):
        expected *= model.effect(name, model.share(name, Evidence(well, badly)))
    np.testing.assert_allclose(trust.read(config, arrays, one, 0.0).trust[0], expected, rtol=1e-9)
