"""The identities of docs/explanation/proofs.md by calculus: sympy differentiates C, and each formula must agree.

The functions are unspecified: σ(z) has a derivative σ′(z), and C(a₁, …, a_n) has ∂C/∂a_k, again unspecified functions.
So an identity that holds here holds for every activation and every cost.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
import sympy
from sympy import Matrix, Symbol, diff, expand

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "proofs.md"
SHAPES = [(1, 1, 1), (1, 2, 1), (2, 2, 2), (2, 3, 2), (1, 2, 1, 2)]


@cache
def generic(name: str):
    """Return an unspecified function; its derivative with respect to argument i is the function name_i."""
    return type(name, (sympy.Function,), {"fdiff": lambda self, i=1: generic(f"{name}_{i}")(*self.args)})


def neuronwise(j: int, z: Matrix):
    """Apply σ to the neuron's weighted input."""
    return generic("sigma")(z[j])


def coupled(j: int, z: Matrix):
    """Apply a function of the whole layer, a different one for each neuron."""
    return generic(f"f{j}")(*z)


def softmax(j: int, z: Matrix):
    return sympy.exp(z[j]) / sum(map(sympy.exp, z))


def unknown_cost(a: Matrix):
    return generic("C")(*a)


def symbols(name: str, rows: int, columns: int = 1) -> Matrix:
    return Matrix(rows, columns, lambda j, k: Symbol(f"{name}_{j}_{k}"))


def entrywise(left: Matrix, right: Matrix) -> Matrix:
    return left.multiply_elementwise(right)


class Chapter:
    """A network of symbols with one example; activations[l](j, z) is a^l_j."""

    def __init__(self, sizes, activation=neuronwise, cost=unknown_cost, *, special=None, example=0):
        self.sizes, self.last, self.cost = sizes, len(sizes), cost
        self.activations = dict.fromkeys(self.hidden_and_output, activation)
        self.activations.update(special or {})
        self.w = {l: symbols(f"w{l}", sizes[l - 1], sizes[l - 2]) for l in self.hidden_and_output}
        self.b = {l: symbols(f"b{l}", sizes[l - 1]) for l in self.hidden_and_output}
        self.x = symbols(f"x{example}", sizes[0])
        # Weighted inputs are free symbols, because the chapter's rules hold for any values.
        self.z = {l: symbols(f"z{l}", sizes[l - 1]) for l in self.hidden_and_output}

    @property
    def hidden_and_output(self):
        return range(2, self.last + 1)

    @property
    def hidden(self):
        return range(2, self.last)

    def a(self, l: int) -> Matrix:
        """Return a^l as a function of z^l."""
        if l == 1:
            return self.x
        return Matrix([self.activations[l](j, self.z[l]) for j in range(self.sizes[l - 1])])

    def carried(self, expression, l: int):
        """Replace z^L, …, z^{l+1} by (25), so that an expression is a function of z^l; l = 1 leaves x alone."""
        for k in range(self.last, l, -1):
            values = self.w[k] * self.a(k - 1) + self.b[k]
            expression = expression.xreplace(dict(zip(self.z[k], values, strict=True)))
        return expression

    def C(self, l: int):
        """Return the cost as a function of z^l."""
        return self.carried(self.cost(self.a(self.last)), l)

    def delta(self, l: int) -> Matrix:
        """Return δ^l = ∂C/∂z^l, Equation (29), as a function of z^l."""
        return Matrix([diff(self.C(l), z) for z in self.z[l]])

    def nabla(self) -> Matrix:
        """Return ∇_aC, the derivatives with respect to free outputs, evaluated at a^L."""
        outputs = symbols("alpha", self.sizes[-1])
        at = dict(zip(outputs, self.a(self.last), strict=True))
        return Matrix([diff(self.cost(outputs), a) for a in outputs]).xreplace(at)

    def slope(self, l: int) -> Matrix:
        """Return σ′(z^l), each neuron's derivative with respect to its weighted input."""
        return Matrix([diff(a, z) for a, z in zip(self.a(l), self.z[l], strict=True)])

    def sigma(self, l: int) -> Matrix:
        """Return Σ′(z^l), with σ′ on its diagonal."""
        return sympy.diag(*self.slope(l))

    def jacobian(self, l: int) -> Matrix:
        """Return ∂a^l_j/∂z^l_k at [j, k]."""
        return self.a(l).jacobian(self.z[l])

    def by_parameters(self, parameters: Matrix) -> Matrix:
        """Return ∂C/∂w or ∂C/∂b as a function of the parameters and x."""
        whole = self.C(1)
        return parameters.applyfunc(lambda parameter: diff(whole, parameter))


def output_error(net):
    yield net.delta(net.last), entrywise(net.nabla(), net.slope(net.last))


def pulled_back(net):
    for l in net.hidden:
        behind = net.carried(net.delta(l + 1), l)
        yield net.delta(l), entrywise(net.w[l + 1].T * behind, net.slope(l))


def in_components(net):
    for l in net.hidden:
        behind, slope, w = net.carried(net.delta(l + 1), l), net.slope(l), net.w[l + 1]
        for j in range(net.sizes[l - 1]):
            total = sum(w[k, j] * behind[k] * slope[j] for k in range(net.sizes[l]))
            yield net.delta(l)[j], total


def by_biases(net):
    for l in net.hidden_and_output:
        yield net.by_parameters(net.b[l]), net.carried(net.delta(l), 1)


def by_weights(net):
    for l in net.hidden_and_output:
        yield net.by_parameters(net.w[l]), net.carried(net.delta(l) * net.a(l - 1).T, 1)


def sigma_at_the_output(net):
    yield net.delta(net.last), net.sigma(net.last) * net.nabla()


def sigma_times_weights(net):
    for l in net.hidden:
        yield net.delta(l), net.sigma(l) * net.w[l + 1].T * net.carried(net.delta(l + 1), l)


def unrolled(net, sigma=Chapter.sigma):
    for l in net.hidden_and_output:
        product = sympy.eye(net.sizes[l - 1])
        for k in range(l, net.last):
            product = product * sigma(net, k) * net.w[k + 1].T
        yield net.delta(l), net.carried(product * sigma(net, net.last) * net.nabla(), l)


IDENTITIES = {
    "BP1": output_error,
    "45": in_components,
    "BP2": pulled_back,
    "BP3": by_biases,
    "BP4": by_weights,
    "33": sigma_at_the_output,
    "34": sigma_times_weights,
    "35": unrolled,
}


def vanishes(expression) -> bool:
    if isinstance(expression, sympy.MatrixBase):
        return all(map(vanishes, expression))
    return expand(expression) == 0


def holds(sides) -> bool:
    found = [vanishes(left - right) for left, right in sides]
    return bool(found) and all(found)


@pytest.mark.parametrize("sizes", SHAPES, ids=lambda sizes: "-".join(map(str, sizes)))
@pytest.mark.parametrize("number", IDENTITIES)
def test_identity(number, sizes):
    assert holds(IDENTITIES[number](Chapter(sizes)))


def test_every_equation_with_a_heading_is_checked():
    assert re.findall(r"^### \((\w+)\)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE) == list(IDENTITIES)


@pytest.mark.parametrize("l", [2, 3])
@pytest.mark.parametrize("number", IDENTITIES)
def test_a_single_modified_neuron_changes_its_own_slope_alone(number, l):
    def modified(j, z):
        return generic("f")(z[j]) if j == 1 else neuronwise(j, z)

    net = Chapter((2, 2, 2), special={l: modified})
    assert net.slope(l) == Matrix([generic("sigma_1")(net.z[l][0]), generic("f_1")(net.z[l][1])])
    assert holds(IDENTITIES[number](net))


@pytest.mark.parametrize("sizes", SHAPES)
def test_linear_neurons_need_no_slope(sizes):
    net = Chapter(sizes, lambda j, z: z[j])
    assert holds([(net.delta(net.last), net.nabla())])
    for l in net.hidden:
        assert holds([(net.delta(l), net.w[l + 1].T * net.carried(net.delta(l + 1), l))])
        product = sympy.eye(net.sizes[-1])
        for k in range(net.last, l, -1):
            product = product * net.w[k]
        assert holds([(net.delta(l), product.T * net.carried(net.nabla(), l))])
    assert holds(by_biases(net)) and holds(by_weights(net))


def transposed(net: Chapter, l: int) -> Matrix:
    return net.jacobian(l).T


@pytest.mark.parametrize("sizes", [(1, 2, 2), pytest.param((2, 2, 1, 2), marks=pytest.mark.slow)])
def test_a_coupled_layer_has_its_jacobian_matrix_transposed(sizes):
    net = Chapter(sizes, coupled)
    assert holds(unrolled(net, transposed))
    assert not holds(unrolled(net, Chapter.jacobian))
    assert not holds(unrolled(net))
    assert holds(by_biases(net)) and holds(by_weights(net))
    for l in net.hidden:
        behind = net.carried(net.delta(l + 1), l)
        assert holds([(net.delta(l), (net.w[l + 1] * net.jacobian(l)).T * behind)])


@pytest.mark.parametrize("n", [1, 2, pytest.param(3, marks=pytest.mark.slow)])
def test_softmax_with_log_likelihood(n):
    y = symbols("y", n)
    net = Chapter((1, n), softmax, lambda a: -sum(y[k] * sympy.log(a[k]) for k in range(n)))
    a = net.a(2)
    assert (net.delta(2) - (a * sum(y) - y)).applyfunc(sympy.simplify).is_zero_matrix
    assert (net.jacobian(2) - (sympy.diag(*a) - a * a.T)).applyfunc(sympy.simplify).is_zero_matrix
    assert sympy.simplify(sum(net.delta(2))) == 0


def test_quadratic_cost_has_the_deviation_as_its_gradient():
    y = symbols("y", 2)
    net = Chapter((1, 2), cost=lambda a: sum((y[k] - a[k]) ** 2 for k in range(2)) / 2)
    assert holds([(net.delta(2), entrywise(net.a(2) - y, net.slope(2)))])


@pytest.mark.parametrize("sizes", [(1, 1, 1), (2, 2, 1), (1, 2, 2)])
def test_the_whole_mini_batch_is_the_mean_of_its_examples(sizes):
    examples = [Chapter(sizes, example=x) for x in range(2)]
    m, first = len(examples), examples[0]
    A = {1: Matrix.hstack(*(net.x for net in examples))}
    D = {}
    for l in first.hidden_and_output:
        Z = first.w[l] * A[l - 1] + first.b[l] * sympy.ones(1, m)
        columns = [dict(zip(first.z[l], Z[:, x], strict=True)) for x in range(m)]
        A[l] = Matrix.hstack(*(first.a(l).xreplace(column) for column in columns))
        D[l] = Matrix.hstack(*(first.slope(l).xreplace(column) for column in columns))
    # ∇_aC comes from the single examples; the recurrence is that of the matrices.
    G = Matrix.hstack(*(net.carried(net.nabla(), 1) for net in examples)) / m
    delta = {first.last: entrywise(G, D[first.last])}
    for l in reversed(first.hidden):
        delta[l] = entrywise(first.w[l + 1].T * delta[l + 1], D[l])
    C = sum(net.C(1) for net in examples) / m
    for l in first.hidden_and_output:
        assert holds([(first.b[l].applyfunc(lambda b: diff(C, b)), delta[l] * sympy.ones(m, 1))])
        assert holds([(first.w[l].applyfunc(lambda w: diff(C, w)), delta[l] * A[l - 1].T)])


@pytest.mark.parametrize("l", [2, 3])
def test_the_demons_of_a_layer_save_what_their_errors_say(l):
    net, t = Chapter((2, 2, 2)), Symbol("t")
    moves = symbols("dz", net.sizes[l - 1])
    moved = net.C(l).xreplace({z: z + t * dz for z, dz in zip(net.z[l], moves, strict=True)})
    assert holds([(diff(moved, t).subs(t, 0), net.delta(l).dot(moves))])


@pytest.mark.parametrize("l", [2, 3])
def test_an_error_by_the_activation_takes_one_slope_more(l):
    net = Chapter((2, 2, 2))
    # Linear neurons in this layer give ∂C/∂a, because their weighted inputs are their activations.
    layer = Chapter((2, 2, 2), special={l: lambda j, z: z[j]})
    g = layer.delta(l).xreplace(dict(zip(layer.z[l], net.a(l), strict=True)))
    assert holds([(net.delta(l), entrywise(g, net.slope(l)))])
