"""The bound of a sum over chunks, and the verdict on a gradient that was summed so."""

from __future__ import annotations

import pickle
from fractions import Fraction

import makers
import numpy as np
import pytest

import formulations as fm
from formulations.arrays.roundoff import Summation, unit_roundoff
from formulations.backends import Tier
from formulations.verification.oracles.reference import reference_gradient
from formulations.verification.tolerances.customary import Formulas
from formulations.verification.tolerances.deviations import deviation
from formulations.verification.tolerances.judging import judge
from formulations.verification.tolerances.propagation import propagate_bounds
from formulations.verification.tolerances.verdict import Status

EXAMPLES, CHUNK = 40_000, 64
"""γ of so many examples in float32 is 2e-3, above what a verdict may rest on; that of a chunk is 4e-6."""


def summed(net, X, Y, *weights, rows=CHUNK, backend=None):
    """Return the gradient chunk by chunk."""
    parts = [tuple(part[start : start + rows] for part in (X, Y, *weights)) for start in range(0, len(X), rows)]
    return fm.prepare(net, "auto", backend=backend).over(parts).copy()


class Many:
    """A network, many examples, and their gradient chunk by chunk; its terms have one sign, so that none cancel."""

    def __init__(self) -> None:
        self.net = fm.Network.random([2, 3, 1], "sigmoid", seed=1, dtype="float32")
        self.X = np.random.default_rng(0).random((EXAMPLES, 2), np.float32)
        self.Y = np.zeros((EXAMPLES, 1), np.float32)
        self.gradient = summed(self.net, self.X, self.Y)
        self.reference = reference_gradient(self.net.record(self.net.check_examples(self.X, self.Y)))

        # What customary formulas lose decides whether a gradient from elsewhere is different.
        summation, formulas = self.gradient.summation, Formulas.CUSTOMARY
        self.bounds = propagate_bounds(self.reference, formulas=formulas, summation=summation)

    def judged(self, gradient):
        return judge(self.reference.tape, gradient, Tier.ELSEWHERE, reference=self.reference)


@pytest.fixture(scope="module")
def many():
    return Many()


def test_a_plan_says_how_it_sums(many):
    # Additions of gradients and of weights in the tree, those of the weights in a chunk, and the division.
    depth = (EXAMPLES // CHUNK - 1).bit_length()
    assert many.gradient.summation == Summation(CHUNK, 2 * depth + CHUNK, np.dtype("float64"))
    batch = fm.prepare(many.net, "auto")
    whole = batch(many.X, many.Y).summation
    assert whole.examples == batch.batch_size
    assert whole.roundings == 2 * (-(-EXAMPLES // batch.batch_size) - 1).bit_length() + batch.batch_size


def without(gradient):
    """Return the same gradient, as if it had been summed in one go."""
    other = gradient.copy()
    other.summation = None
    return other


def test_a_gradient_over_many_chunks_is_equal_by_the_bound_of_their_sum(many):
    verdict = many.judged(many.gradient)
    assert verdict.status is Status.EQUAL and verdict.cost.status is Status.EQUAL, verdict.reason
    assert 0 < verdict.ratio < 1
    assert max(line.detectable for line in verdict.layers) < 1e-4
    # In one go so many terms lose more than a verdict can rest on.
    verdict = many.judged(without(many.gradient))
    assert verdict.status is Status.INCONCLUSIVE and "too wide" in verdict.reason
    assert fm.certify(many.net, many.X, many.Y, many.gradient).status is Status.EQUAL


def test_a_sum_of_chunks_may_deviate_less(many):
    chunked, whole = (
        deviation(fm.get_backend("hadamard"), many.reference.tape, each, many.reference)
        for each in (many.gradient, without(many.gradient))
    )
    assert np.all(chunked < whole)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("layer", [2, 3])
@pytest.mark.parametrize("part", ["weights", "biases"])
def test_a_fault_just_above_the_bound_is_found(many, part, layer, sign):
    bound = getattr(many.bounds, part)[layer - 2]
    expected = getattr(many.reference, part)[layer - 2]
    wrong = many.gradient.copy()
    entry = getattr(wrong, part)[layer - 2].ravel()
    entry[0] = np.ravel(expected)[0] + sign * 1.02 * np.ravel(bound)[0]
    verdict = many.judged(wrong)
    assert verdict.status is Status.DIFFERENT and f"{part}[{layer - 2}][0" in verdict.reason
    assert many.judged(without(wrong)).status is Status.INCONCLUSIVE


def test_a_wrong_cost_is_found_by_the_bound_of_the_sum(many):
    wrong = many.gradient.copy()
    wrong.cost = np.float32(float(many.reference.cost) + 1.02 * many.bounds.cost)
    assert many.judged(wrong).cost.status is Status.DIFFERENT
    assert many.judged(without(wrong)).cost.status is not Status.DIFFERENT


@pytest.mark.slow
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_formulation_passes_chunk_by_chunk(backend, dtype, weighted):
    if fm.get_backend(backend).tier is Tier.PERTURBATION:
        pytest.skip("its truncation is far above roundoff")
    net = makers.network(backend, dtype=dtype)
    if not makers.serves(backend, net):
        pytest.skip(f"it does not serve {dtype}")
    X, Y = makers.data(net, 60)
    weights = (np.random.default_rng(3).random(60) * 50,) if weighted else ()
    found = summed(net, X, Y, *weights, rows=4, backend=backend)
    certificate = fm.certify(net, X, Y, found, sample_weight=weights[0] if weights else None)
    assert certificate.status is not Status.DIFFERENT, str(certificate)
    assert certificate.cost.status is not Status.DIFFERENT


@pytest.mark.parametrize(("dtype", "wide"), [("float32", "float64"), ("float64", "float64"), ("float16", "float32")])
def test_the_factor_bounds_what_a_sum_of_chunks_loses(dtype, wide):
    random = np.random.default_rng(2)
    dtype, wide = np.dtype(dtype), np.dtype(wide)
    for chunks, k in ((1, 5), (7, 16), (64, 3), (100, 1)):
        terms = random.standard_normal((chunks, k)).astype(dtype)
        sums = []
        for row in terms:
            total = dtype.type(0)
            for term in row:
                total = dtype.type(total + term)
            sums.append(wide.type(total))
        depth = (chunks - 1).bit_length()
        while len(sums) > 1:
            sums = [wide.type(sum(pair[1:], pair[0])) for pair in (sums[i : i + 2] for i in range(0, len(sums), 2))]
        found = dtype.type(sums[0])
        exact = sum(Fraction(float(term)) for term in terms.ravel())
        size = sum(abs(Fraction(float(term))) for term in terms.ravel())
        factor = Summation(k, depth, wide).gamma(k, unit_roundoff(dtype))
        assert abs(Fraction(float(found)) - exact) <= Fraction(factor) * size


def test_a_gradient_keeps_how_it_was_summed(many):
    for other in (many.gradient.copy(), pickle.loads(pickle.dumps(many.gradient))):
        assert other.summation == many.gradient.summation
    assert fm.gradient(many.net, many.X[:3], many.Y[:3]).summation is None


def exactly(k, u, r, v) -> Fraction:
    """(1 + γ_k(u))(1 + γ_r(v))(1 + u) − 1."""
    u, v = Fraction(u), Fraction(v)
    return (1 + k * u / (1 - k * u)) * (1 + r * v / (1 - r * v)) * (1 + u) - 1


def test_the_factor_is_the_product_of_all_roundings(many):
    u, v, r = 2.0**-24, 2.0**-53, many.gradient.summation.roundings
    for each, more, found in ((1, 3, many.bounds.summed[0]), *((n, 16, many.bounds._summed(n, 16)) for n in (1, 3))):
        # The reference sums all terms in one go.
        terms = Fraction(each * EXAMPLES + more)
        expected = exactly(each * CHUNK + more, u, r, v) + terms * Fraction(v) / (1 - terms * Fraction(v))
        assert abs(Fraction(found) / expected - 1) < Fraction(1, 10**12)
    for summation, k in ((Summation(1, 0, np.dtype("float64")), 1), (Summation(5, 10**6, np.dtype("float32")), 8)):
        expected = exactly(k, u, summation.roundings, unit_roundoff(summation.wide))
        assert abs(Fraction(summation.gamma(k, u)) / expected - 1) < Fraction(1, 10**12)
    assert Summation(10, 2**24, np.dtype("float32")).gamma(13, u) == float("inf")
