"""scikit-learn's own tests of its perceptrons, run with the estimators of this library in their place.

Those that ask for what both promise must pass; ``PRIVATE`` lists the others, with the reason, and must list no more.
"""

from __future__ import annotations

import inspect

import pytest

# Some distributions of scikit-learn come without its tests.
pytest.importorskip("sklearn.neural_network.tests.test_mlp")

from sklearn.neural_network.tests import test_mlp as theirs

from formulations.estimators import BackpropClassifier, BackpropRegressor
from formulations.exceptions import NotFinite

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

OURS = {"MLPClassifier": BackpropClassifier, "MLPRegressor": BackpropRegressor}
PRIVATE = {
    "test_adaptive_learning_rate": "reads the learning rate from the private _optimizer",
    "test_fit": "sets weights before the fit, and private gradients",
    "test_gradient": "calls the private _loss_grad_lbfgs",
    "test_learning_rate_warmstart": "reads the learning rate from the private _optimizer",
    "test_mlp_diverging_loss": "keeps the best weights of a descent that diverges; here it is refused",
    "test_mlp_vs_poisson_glm_equivalent": "needs loss='poisson'; here the cost is a parameter of its own",
}


class Wordless:
    """pytest for their module: an exception's type is what both promise, its message is not."""

    def __getattr__(self, name):
        return getattr(pytest, name)

    @staticmethod
    def raises(expected, match=None):  # noqa: ARG004
        return pytest.raises(expected)


def cases():
    """Each of their tests with each combination of its parameters."""
    found = []
    for name, function in sorted(vars(theirs).items()):
        if not name.startswith("test_") or not inspect.isfunction(function):
            continue
        grid = [{}]
        for mark in getattr(function, "pytestmark", []):
            if mark.name == "parametrize":
                names = [each.strip() for each in mark.args[0].split(",")]
                rows = [row if len(names) > 1 else (row,) for row in mark.args[1]]
                grid = [{**given, **dict(zip(names, row, strict=True))} for given in grid for row in rows]
        found += [pytest.param(name, given, id=f"{name}-{i}") for i, given in enumerate(grid)]
    return found


@pytest.fixture
def run(monkeypatch, request):
    """Return a function that runs one of their tests with the estimators of this library."""

    def run(name, given):
        for kind, ours in OURS.items():
            monkeypatch.setattr(theirs, kind, ours)
        monkeypatch.setattr(theirs, "pytest", Wordless())
        given = {
            key: OURS.get(value.__name__, value) if inspect.isclass(value) else value for key, value in given.items()
        }
        function = getattr(theirs, name)
        for fixture in set(inspect.signature(function).parameters) - set(given):
            given[fixture] = 42 if fixture == "global_random_seed" else request.getfixturevalue(fixture)
        function(**given)

    return run


CASES = cases()


@pytest.mark.parametrize(("name", "given"), [case for case in CASES if case.values[0] not in PRIVATE])
def test_their_test_passes(run, name, given):
    run(name, given)


@pytest.mark.parametrize(("name", "given"), [case for case in CASES if case.values[0] in PRIVATE])
def test_a_test_of_privates_fails(run, name, given):
    with pytest.raises((AttributeError, TypeError, NotFinite)):
        run(name, given)


def test_the_list_of_privates_names_their_tests():
    assert {case.values[0] for case in CASES} >= set(PRIVATE)
