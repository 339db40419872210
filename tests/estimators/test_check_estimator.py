"""scikit-learn's own checks of estimators, all of them, with nothing expected to fail."""

from __future__ import annotations

import pytest

pytest.importorskip("sklearn")

from makers import skip_absent
from sklearn.utils.estimator_checks import parametrize_with_checks

from formulations.estimators import BackpropClassifier, BackpropRegressor

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning"),
]

# The default backend is hadamard.
BACKENDS = (None, "sigma", "fused")


@parametrize_with_checks([kind(backend=name) for kind in (BackpropClassifier, BackpropRegressor) for name in BACKENDS])
def test_a_check_of_estimators_passes(estimator, check):
    if estimator.backend is not None:
        skip_absent(estimator.backend)
    check(estimator)
