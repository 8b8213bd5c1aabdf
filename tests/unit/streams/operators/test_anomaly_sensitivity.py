from __future__ import annotations

import math

import numpy as np
import pytest

from infra.runtime.errors import SettingError
from streams.operators.anomaly import AnomalyConfig
from streams.operators.anomaly_sensitivity import LEAST, MEASURED, MOST, threshold_for
from streams.pipeline import pipeline_config


@pytest.mark.parametrize(("threshold", "share"), MEASURED[1:-1])
def test_what_was_measured_comes_back(threshold: float, share: float) -> None:
    assert threshold_for(share) == pytest.approx(threshold, abs=1e-3)


def test_the_shipped_threshold_is_about_one_in_a_thousand() -> None:
    assert threshold_for(1.08e-3) == pytest.approx(AnomalyConfig().threshold)


def test_more_flags_mean_a_lower_threshold() -> None:
    thresholds = [threshold_for(share) for share in np.geomspace(LEAST, MOST, 50)]
    assert (np.diff(thresholds) < 0).all()


@pytest.mark.parametrize("share", [0.0, -1.0, LEAST / 2, MOST * 2, math.nan, math.inf])
def test_a_share_that_was_not_measured_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="is not within"):
        threshold_for(share)
    with pytest.raises(SettingError, match="--anomaly-sensitivity"):
        pipeline_config(anomaly_sensitivity=share)


def test_sensitivity_sets_the_threshold_and_excludes_another() -> None:
    assert pipeline_config(anomaly_sensitivity=6e-4).anomaly.threshold == pytest.approx(5.0, abs=1e-3)
    with pytest.raises(SettingError, match="--anomaly-sensitivity"):
        pipeline_config(anomaly_sensitivity=1e-3, anomaly_threshold=5.0)
