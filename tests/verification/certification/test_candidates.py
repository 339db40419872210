"""Which candidates are accepted, which are refused with which remedy, and which notes functions get."""

from __future__ import annotations

import copy
import dataclasses

import handwritten
import numpy as np
import pytest
from scipy.sparse import csr_array
from test_causes import case, faulty

import formulations as fm
from formulations.exceptions import CandidateFailed, InvalidInput, UnknownName, WrongShape, WrongType
from formulations.verification.tolerances.verdict import Status


def book(net, X, Y):
    return handwritten.gradient(net, X, Y)


@pytest.fixture(scope="module")
def given():
    net, X, Y = case()
    return net, X, Y, *handwritten.gradient(net, X, Y)


def test_every_form_of_the_same_gradient_is_equal(given):
    net, X, Y, weights, biases = given
    own = fm.gradient(net, X, Y)
    for candidate in (
        (weights, biases),
        [tuple(weights), tuple(biases)],
        (weights, biases, own.errors),
        ([w.tolist() for w in weights], [b.tolist() for b in biases]),
        own,
        own.vector,
        book,
        lambda *examples: fm.gradient(*examples),
        lambda *examples: fm.gradient(*examples).vector,
        fm.prepare(net, 5).backend,
        "per_neuron",
        "finite_difference",
    ):
        assert fm.certify(net, X, Y, candidate).status is Status.EQUAL, candidate


def test_a_certificate_says_of_itself_whether_it_is_equal(given):
    net, X, Y, weights, biases = given
    for candidate, status in (((weights, biases), "equal"), (([2 * w for w in weights], biases), "different")):
        c = fm.certify(net, X, Y, candidate)
        assert (c.status, c.equal, bool(c), c.to_dict()["equal"]) == (status, *[status == "equal"] * 3)
    for status in Status:
        assert dataclasses.replace(c, status=status).equal is (status is Status.EQUAL)


def test_a_certificate_says_once_from_where_it_counts_neurons(given):
    net, X, Y, weights, biases = given
    for candidate in ((weights, biases), (weights, [-b for b in biases])):
        assert (
            str(fm.certify(net, X, Y, candidate)).count(
                "Neurons, inputs and examples are counted from 0, layers from 1."
            )
            == 1
        )


@pytest.fixture
def file(given, tmp_path):
    """Write a gradient layer by layer, counted as the book counts."""
    *_, weights, biases = given
    layers = {f"{kind}_{l}": w for kind, parts in (("weights", weights), ("biases", biases)) for l, w in
              enumerate(parts, start=2)}  # fmt: skip
    np.savez(tmp_path / "good.npz", **layers)
    return tmp_path / "good.npz"


def test_a_file_is_read_by_its_path_and_as_an_open_archive(given, file):
    net, X, Y, *_ = given
    for path in (file, str(file)):
        assert fm.certify(net, X, Y, path).status is Status.EQUAL, path
    with np.load(file) as archive:
        for _ in range(2):
            assert fm.certify(net, X, Y, archive).status is Status.EQUAL
    np.savez(file, vector=-fm.gradient(net, X, Y).vector)
    assert fm.certify(net, X, Y, file).cause.name == fm.certify(net, X, Y, np.load(file)).cause.name == "sign"


def test_errors_in_a_file_are_judged_by_their_equation(given, file):
    net, X, Y, weights, biases = given
    errors = [delta.copy() for delta in fm.gradient(net, X, Y).errors]
    errors[1] *= -1
    with np.load(file) as archive:
        np.savez(file, **archive, **{f"errors_{l}": delta for l, delta in enumerate(errors, start=2)})
    assert fm.certify(net, X, Y, file).equation == fm.certify(net, X, Y, (weights, biases, errors)).equation == "BP2"


def test_a_path_of_any_name_is_a_file_and_other_text_a_backend(given, file):
    net, X, Y, *_ = given
    assert fm.certify(net, X, Y, file.rename(file.with_suffix(".gradient"))).status is Status.EQUAL
    capitals = file.with_suffix(".gradient").rename(file.with_suffix(".NPZ"))
    assert fm.certify(net, X, Y, str(capitals)).status is Status.EQUAL
    with pytest.raises(UnknownName, match=r"^unknown backend 'good'; valid names are hadamard, "):
        fm.certify(net, X, Y, "good")


def test_files_that_hold_no_gradient_are_refused_with_what_they_hold(given, file):
    net, X, Y, *_ = given
    with pytest.raises(InvalidInput, match=r"^there is no file '.*absent\.npz'; give the path of an \.npz file"):
        fm.certify(net, X, Y, file.with_name("absent.npz"))
    np.savez(file, gradient=np.zeros(3))
    with pytest.raises(InvalidInput, match=r"good\.npz must hold weights_2, .*, got 'gradient'; .* use numpy\.savez"):
        fm.certify(net, X, Y, str(file))
    archive = np.load(file)
    with (
        archive,
        pytest.raises(InvalidInput, match=r"^the archive must hold weights_2, .*, got 'gradient'; .* use numpy\.savez"),
    ):
        fm.certify(net, X, Y, archive)
    with pytest.raises(InvalidInput, match=r"^the archive cannot be read as an \.npz file of plain arrays"):
        fm.certify(net, X, Y, archive)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["torch", "jax"])
def test_engines_are_equal(name):
    pytest.importorskip(name)
    net, X, Y = case(dtype="float32")
    found = fm.gradient(net, X, Y, backend=f"autodiff_{name}")
    assert fm.certify(net, X, Y, (list(found.weights), list(found.biases)))


def test_tensors_are_read(given):
    torch = pytest.importorskip("torch")
    net, X, Y, weights, biases = given
    tensors = [torch.tensor(w) for w in weights], [torch.tensor(b) for b in biases]
    assert fm.certify(net, X, Y, tensors)
    tensors[0][0] = 1 * tensors[0][0].requires_grad_()
    assert fm.certify(net, *(torch.tensor(each, requires_grad=True) for each in (X, Y)), tensors).not_judged == ()


def test_errors_name_the_equation_and_leave_the_others_alone(given):
    net, X, Y, *_ = given
    right = fm.gradient(net, X, Y)
    errors = [delta.copy() for delta in right.errors]
    errors[1] *= -1
    # All that follows from the wrong δ³ follows rightly.
    errors[0] = (errors[1] @ net.weights[1]) * net.forward(X, Y).slopes[0]
    weights = [delta.T @ a for delta, a in zip(errors, net.forward(X, Y).activations, strict=False)]
    c = fm.certify(net, X, Y, (weights, [delta.sum(axis=0) for delta in errors], errors))
    wrong = [(line.layer, line.equation) for line in c.layers if line.status is Status.DIFFERENT]
    assert wrong == [(3, "BP2")]
    assert (c.layer, c.equation) == (3, "BP2")
    assert c.layers[1].where.startswith("example ")


def test_fewer_digits_are_judged_by_their_own_roundoff(given):
    net, X, Y, weights, biases = given
    single = [w.astype("float32") for w in weights], [b.astype("float32") for b in biases]
    assert "float32" in fm.certify(net, X, Y, single).title
    assert fm.certify(net, X, Y, single).status is Status.EQUAL
    mixed = [*single[0][:2], weights[2]], biases
    assert "float32" in fm.certify(net, X, Y, mixed).title
    narrow = net.astype("float32")
    assert "float32" in fm.certify(narrow, X, Y, (weights, biases)).title


def test_the_first_mistake_without_errors_is_placed_by_what_is_right(given):
    net, X, Y, weights, biases = given
    c = fm.certify(net, X, Y, (weights, [biases[0], 0 * biases[1], biases[2]]))
    assert (c.layer, c.equation) == (3, "BP3")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_is_a_difference_with_a_place(given, value):
    net, X, Y, weights, biases = given
    wrong = [w.copy() for w in weights]
    wrong[1][2, 0] = value
    c = fm.certify(net, X, Y, (wrong, biases))
    assert (c.status, c.layer, c.equation, c.cause) == (Status.DIFFERENT, 3, "BP4", None)
    assert f"weights[1][2, 0] (neuron 2, input 0) is {value}, expected" in str(c)


def changed(parts, i, part):
    return [part if k == i else each for k, each in enumerate(parts)]


def test_wrong_shapes_are_refused_with_what_would_fit():
    net = fm.Network.random([4, 3, 2], "tanh", seed=0)
    X, Y = np.ones((5, 4)), np.ones((5, 2))
    w, b = handwritten.gradient(net, X, Y)
    errors = list(fm.gradient(net, X, Y).errors)
    for candidate, message in (
        ((changed(w, 0, w[0].T), b), r"weights\[0\] .* \(3, 4\), .* got \(4, 3\); pass weights\[0\]\.T"),
        ((changed(w, 0, w[0][:2]), b), r"weights\[0\] .* got \(2, 4\); pass ∂C/∂w of that layer"),
        ((w, changed(b, 1, b[1][:, None])), r"biases\[1\] .* got \(2, 1\); pass biases\[1\]\.ravel\(\)"),
        ((w, changed(b, 1, np.ones(3))), r"biases\[1\] .* got \(3,\); pass ∂C/∂b of layer 3"),
        ((w[:1], b), "one array for each of the 2 layers .* got 1"),
        ((w, b[0]), "biases must be one array for each of the 2 layers"),
        ((w, b, errors[:1]), "one δ for each of the 2 layers .* got 1"),
        ((w, b, changed(errors, 0, errors[0].T)), r"errors\[0\] .* \(5, 3\).* got \(3, 5\); pass errors\[0\]\.T"),
        (np.ones(7), r"of shape \(23,\), got an array of shape \(7,\)"),
        (np.ones((2, 2)), "pass the weights and biases layer by layer"),
        (([[[1.0], [2.0, 3.0]], w[1]], b), "rows of unequal length"),
    ):
        with pytest.raises(WrongShape, match=message):
            fm.certify(net, X, Y, candidate)


@pytest.mark.parametrize("dtype", ["complex128", "float16", "object", "str"])
def test_numbers_without_a_roundoff_of_their_own_are_refused(given, dtype):
    net, X, Y, weights, biases = given
    with pytest.raises(WrongType, match=r"biases\[2\] must hold real numbers in float32, float64 or longdouble"):
        fm.certify(net, X, Y, (weights, changed(biases, 2, biases[2].astype(dtype))))


def test_what_is_no_gradient_at_all(given):
    net, X, Y, *_ = given
    for candidate in (None, {"w": 1}, {}, object()):
        with pytest.raises((InvalidInput, WrongType)):
            fm.certify(net, X, Y, candidate)


def test_sparse_weights_have_gradients_where_they_store_entries():
    matrix = csr_array(np.array([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]]))
    net = fm.Network([matrix], [np.zeros(2)], "tanh")
    X, Y = np.ones((2, 3)), np.zeros((2, 2))
    g = fm.gradient(net, X, Y)
    assert fm.certify(net, X, Y, ([g.weights[0]], list(g.biases)))
    assert fm.certify(net, X, Y, ([g.weights[0].data], list(g.biases)))
    with pytest.raises(WrongShape, match=r"the 3 entries that .* weights\[0\] stores; pass a csr_array"):
        fm.certify(net, X, Y, ([g.weights[0].toarray()], list(g.biases)))
    wrong = g.weights[0].copy()
    wrong.data[1] = 0
    c = fm.certify(net, X, Y, ([wrong], list(g.biases)))
    assert (c.layer, c.equation) == (2, "BP4")


def test_a_function_that_raises_keeps_its_message(given):
    net, X, Y, *_ = given

    def broken(*_):
        raise IndexError("list index out of range")

    with pytest.raises(CandidateFailed, match="IndexError on 5 examples: list index out of range; fix") as caught:
        fm.certify(net, X, Y, broken)
    assert isinstance(caught.value.__cause__, IndexError)
    assert str(caught.value).count("; fix that first") == 1
    assert "The call on example 0 alone failed: IndexError: list index out of range." in str(caught.value)
    with pytest.raises(CandidateFailed) as caught:
        fm.certify(net, X[:1], Y[:1], broken)
    assert "alone" not in str(caught.value)


def test_a_function_that_raises_on_a_batch_is_judged_on_single_examples(given):
    net, X, Y, *_ = given

    def alone(mistake=None, layer=None, most=9):
        examples = []

        def function(network, x, y):
            if len(x) > 1:
                raise ValueError("shapes (3,5) and (5,3) not aligned")
            examples.append(x)
            if len(examples) > most:
                raise ValueError("no more")
            return (faulty(mistake, layer) if mistake else book)(network, x, y)

        with pytest.raises(CandidateFailed, match=r"ValueError on 5 examples: shapes \(3,5\) .*; fix that") as caught:
            fm.certify(net, X, Y, function)
        assert isinstance(caught.value.__cause__, ValueError)
        return str(caught.value)

    assert "The gradient of each of the first 5 examples alone is correct" in alone()
    assert "every example is wrong from layer 3, (BP2), on" in alone("slope_missing", 3)
    stopped = alone(most=1)
    assert "The gradient of example 0 alone is correct" in stopped
    assert "The call on example 1 alone failed" in stopped and "no more" in stopped


def test_what_is_hidden_in_single_examples_is_not_called_right():
    net = fm.Network([[[1.0]], [[1.0]]], [[0.0], [0.0]], ["relu", "identity"])

    def function(network, x, y):
        if len(x) > 1:
            raise ValueError("one at a time")
        found = fm.gradient(network, x, y).vector
        found[1] += 1e-9
        return found

    # At z = 0, on relu's kink, no bound for an own forward pass is sharp.
    with pytest.raises(CandidateFailed, match="each of the first 2 examples alone shows no mistake, but roundoff"):
        fm.certify(net, [[0.0], [0.0]], [[1.0], [1.0]], function)


def test_a_function_that_raises_keeps_its_message_if_its_dtype_cannot_hold_the_examples():
    net = fm.Network([[[1.0]]], [[1.0]])

    def function(_, x, __):
        if len(x) > 1:
            raise ValueError("one at a time")
        return np.float32([1.0, 1.0])

    with pytest.raises(CandidateFailed, match="ValueError on 2 examples: one at a time"):
        fm.certify(net, [[1e300], [1.0]], [[1.0], [1.0]], function)


@pytest.mark.parametrize(("place", "name"), [(0, "net.vector"), (1, "X"), (2, "Y")])
def test_a_function_that_changes_what_it_is_given_is_refused_and_does_no_harm(given, place, name):
    net, X, Y, *_ = given
    kept = net.vector.copy(), X.copy(), Y.copy()

    def changing(*examples):
        found = book(*examples)
        array = examples[place] if place else examples[place].vector
        array[(0,) * array.ndim] += 1
        return found

    with pytest.raises(CandidateFailed, match=rf"changed {name}\[0(, 0)?\] from .* let it work on a copy"):
        fm.certify(net, X, Y, changing)
    assert all(np.array_equal(*pair) for pair in zip((net.vector, X, Y), kept, strict=True))


def test_views_of_buffers_and_moods_are_noticed(given):
    net, X, Y, *_ = given
    plans = {m: fm.prepare(net, m) for m in (1, 5)}
    buffer = fm.gradient(net, X, Y, backend="finite_difference")

    def buffered(network, X, Y):
        g = plans[len(X)](X, Y, network=network)
        buffer.vector[...] = -g.vector
        return buffer

    c = fm.certify(net, X, Y, buffered)
    assert c.cause.name == "sign"
    assert any("views of its own buffers" in note for note in c.notes)
    calls = iter(range(100))
    c = fm.certify(net, X, Y, lambda *examples: (1 + next(calls)) * fm.gradient(*examples).vector)
    assert any("returned different gradients" in note for note in c.notes)


@pytest.mark.parametrize("activation", ["Tanh", "ReLU"])
def test_dropout_of_each_example_is_named_and_noise_is_not_taken_for_it(activation):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    nn = torch.nn
    model = nn.Sequential(nn.Linear(4, 8), getattr(nn, activation)(), nn.Dropout(0.3), nn.Linear(8, 3)).double()
    X, labels = torch.randn(8, 4).double(), torch.arange(8) % 3
    net, cost = fm.from_torch(model.eval(), nn.CrossEntropyLoss())
    model.train()

    def function(_, X, Y):
        model.zero_grad()
        nn.functional.cross_entropy(model(torch.as_tensor(X)), torch.as_tensor(Y)).backward()
        return [parameter.grad.clone() for parameter in model.parameters()]

    assert fm.certify(net, X, labels, function, cost).cause.names == ("dropout_left_on",)
    random = np.random.default_rng(0)

    def noisy(net, X, Y):
        return fm.gradient(net, X + 0.5 * random.standard_normal(X.shape), Y, cost)

    assert fm.certify(net, X, labels, noisy, cost).cause.names == ("random_calls",)


def test_single_examples_tell_a_wrong_sum_from_a_wrong_backward_pass(given):
    net, X, Y, *_ = given
    summed = fm.certify(net, X, Y, faulty("sum_for_mean"))
    assert any("how the examples are combined" in note for note in summed.notes)
    wrong = fm.certify(net, X, Y, faulty("slope_missing", 3))
    assert any("every example is wrong from layer 3, (BP2), on" in note for note in wrong.notes)

    def third(network, X, Y):
        weights, biases = book(network, X, Y)
        if np.array_equal(X[0], given[1][2]) or len(X) > 1:
            biases[0] = biases[0] + 1
        return weights, biases

    assert any("example 2 is wrong from layer 2, (BP3), on" in n for n in fm.certify(net, X, Y, third).notes)

    def only_whole(network, X, Y):
        if len(X) == 1:
            raise ValueError("needs at least two examples")
        return faulty("sign")(network, X, Y)

    c = fm.certify(net, X, Y, only_whole)
    assert c.cause.name == "sign"
    assert any("needs at least two examples" in note for note in c.notes)


def test_the_certificate_as_plain_values_and_as_text(given):
    net, X, Y, weights, biases = given
    good = fm.certify(net, X, Y, (weights, biases))
    assert str(good).startswith("equal: ")
    assert "would have been detected" in str(good)
    plain = fm.certify(net, X, Y, ([*weights[:2], 2 * weights[2]], biases)).to_dict()
    assert (plain["status"], plain["layer"], plain["equation"]) == ("different", 4, "BP4")
    line = plain["layers"][0]
    assert line["found"] == pytest.approx(2 * line["expected"])
    assert line["where"].startswith("neuron ")


def named(weights, biases, prefix="", kinds=("weight", "bias"), step=2):
    """Return a gradient under a framework's names."""
    parts = zip(weights, biases, strict=True)
    return {
        f"{prefix}{step * i}.{kind}": part
        for i, pair in enumerate(parts)
        for kind, part in zip(kinds, pair, strict=True)
    }


def flat(weights, biases):
    return [part for pair in zip(weights, biases, strict=True) for part in pair]


def test_names_of_frameworks_and_lists_are_read_in_order(given, tmp_path):
    net, X, Y, weights, biases = given
    own = {f"{kind}_{l}": part for kind, parts in (("weights", weights), ("biases", biases)) for l, part in
           enumerate(parts, start=2)}  # fmt: skip
    by_number = dict(sorted(named(weights, biases, "net.", step=7).items()))  # net.0, net.14, net.7
    by_place = dict(zip(("in9.weight", "in9.bias", "b1.weight", "b1.bias", "a.weight", "a.bias"), flat(weights, biases),
                        strict=True))  # fmt: skip
    for candidate in (
        own,
        dict(reversed(own.items())),
        named(weights, biases),
        by_number,
        by_place,
        named(weights, biases, "params/Dense_", ("kernel", "bias"), 1),
        {"params": {f"Dense_{i}": {"kernel": weights[i], "bias": biases[i]} for i in range(3)}},
        {"vector": np.concatenate([part.ravel() for part in flat(weights, biases)])},
        flat(weights, biases),
        tuple(flat(weights, biases)),
        [part.tolist() for part in flat(weights, biases)],
        iter(flat(weights, biases)),
        lambda *_: named(weights, biases),
    ):
        c = fm.certify(net, X, Y, candidate)
        assert (c.status, c.not_judged) == (Status.EQUAL, ())
    np.savez(tmp_path / "torch.npz", **named(weights, biases, "net."))
    assert fm.certify(net, X, Y, tmp_path / "torch.npz")
    c = fm.certify(net, X, Y, named(weights, [biases[0], -biases[1], biases[2]]))
    assert (c.layer, c.equation) == (3, "BP3")


def test_what_is_absent_is_not_judged_and_the_certificate_says_so(given, tmp_path):
    net, X, Y, weights, biases = given
    half = {f"weights_{l}": w for l, w in enumerate(weights, start=2)}
    np.savez(tmp_path / "half.npz", **half)
    all_biases = ("biases[0]", "biases[1]", "biases[2]")
    one = named(weights, biases)
    del one["2.bias"]
    for candidate, absent in (
        ((weights, None), all_biases),
        ((weights, [None] * 3), all_biases),
        ((None, biases), ("weights[0]", "weights[1]", "weights[2]")),
        ((weights, None, fm.gradient(net, X, Y).errors), all_biases),
        (half, all_biases),
        (tmp_path / "half.npz", all_biases),
        (one, ("biases[1]",)),
        (list(one.values()), ("biases[1]",)),
        (flat(weights, biases)[:5], ("biases[2]",)),
        ([weights[0], None, *flat(weights, biases)[2:5]], ("biases[0]", "biases[2]")),
        ({**one, "2.bias": None}, ("biases[1]",)),
        ({"biases_3": biases[1]}, ("weights[0]", "biases[0]", "weights[1]", "weights[2]", "biases[2]")),
        ([None, *flat(weights, biases)[1:]], ("weights[0]",)),
        (lambda *_: (weights, None), all_biases),
    ):
        c = fm.certify(net, X, Y, candidate)
        assert (c.status, c.not_judged, c.to_dict()["not_judged"]) == (Status.EQUAL, absent, absent)
        assert len([line for line in c.layers if line.equation.startswith("∂")]) == 6 - len(absent)
        assert str(c).startswith("equal: the parts given are those of this gradient, within roundoff.")
        assert f"Not given, and so not judged: {', '.join(absent)}." in str(c)
        assert c.difference < 1e-12


def test_a_fault_in_what_there_is_has_a_place_and_a_cause(given):
    net, X, Y, *_ = given

    def without_biases(*examples):
        return fm.Gradient(net.layout, faulty("slope_missing", 3)(*examples)).weights, None

    c = fm.certify(net, X, Y, without_biases(net, X, Y))
    assert (c.status, c.layer, c.equation, c.cause.name) == (Status.DIFFERENT, 3, "BP2", "slope_missing")
    c = fm.certify(net, X, Y, without_biases)
    assert any("every example is wrong from layer 3, (BP2), on" in note for note in c.notes)
    weights = [w.copy() for w in given[3]]
    weights[1][0, 1] += 1
    c = fm.certify(net, X, Y, (weights, None))
    # Layer 2 is right, and so is δ³.
    assert (c.layer, c.equation, c.cause.name) == (3, "BP4", "single_entry")
    weights[0][0, 1] += 1
    c = fm.certify(net, X, Y, (weights, None))
    assert (c.layer, c.equation) == (3, "BP2")
    biases = [b.copy() for b in given[4]]
    biases[0][1] += 1
    assert fm.certify(net, X, Y, (None, biases)).equation == "BP2"


def test_kernels_are_turned_only_on_request():
    net = fm.Network.random([4, 3, 3, 2], "tanh", seed=0)
    X, Y = np.random.default_rng(0).random((5, 4)), np.ones((5, 2))
    weights, biases = handwritten.gradient(net, X, Y)
    turned = [w.T for w in weights]
    for candidate in ((turned, biases), flat(turned, biases), named(turned, biases), lambda *_: (turned, biases)):
        assert fm.certify(net, X, Y, candidate, layout="in_out")
    with pytest.raises(
        WrongShape, match=r"weights\[0\] .* pass weights\[0\]\.T, since .*, or layout='in_out' for all weights"
    ):
        fm.certify(net, X, Y, (turned, biases))
    with pytest.raises(WrongShape, match=r"must have shape \(4, 3\), \(n_\(l−1\), n_l\) .*since layout='in_out' takes"):
        fm.certify(net, X, Y, (weights, biases), layout="in_out")
    for candidate in (fm.gradient(net, X, Y), fm.gradient(net, X, Y).vector, "sigma", {"vector": np.ones(41)}):
        with pytest.raises(InvalidInput, match="layout='in_out'"):
            fm.certify(net, X, Y, candidate, layout="in_out")
    with pytest.raises(UnknownName, match="unknown layout 'io'; valid names are out_in, in_out"):
        fm.certify(net, X, Y, (weights, biases), layout="io")


def test_a_square_kernel_is_not_turned_by_guess():
    net, X, Y = case()
    weights, biases = handwritten.gradient(net, X, Y)
    turned = [w.T for w in weights]
    assert fm.certify(net, X, Y, (turned, biases)).cause.name == "gradient_transposed"
    assert fm.certify(net, X, Y, (turned, biases), layout="in_out")


def test_sparse_kernels_are_turned_as_matrices():
    matrix = csr_array(np.array([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]]))
    net = fm.Network([matrix], [np.zeros(2)], "tanh")
    X, Y = np.ones((2, 3)), np.zeros((2, 2))
    g = fm.gradient(net, X, Y)
    assert fm.certify(net, X, Y, ([g.weights[0].T], list(g.biases)), layout="in_out")
    with pytest.raises(WrongShape, match="pass a csr_array with its indices, transposed"):
        fm.certify(net, X, Y, ([g.weights[0].data], list(g.biases)), layout="in_out")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w, b: {**named(w, b), "running_mean": b[0]}, "got 'running_mean'; rename these, or leave out"),
        (lambda w, b: {**named(w, b), "weights_2": w[0]}, "must hold weights_2, .* got '0.weight', "),
        (lambda w, b: {**named(w, b), "vector": b[0]}, "or vector alone, got 'vector'; rename these, or leave out"),
        (lambda w, b: named(w[:2], b[:2]), r"of 3 layers, as the network .* has, got those of 2: '0', '2'; give None"),
        (lambda w, b: {**named(w, b), "0.kernel": w[0]}, "once, got '0.weight' and '0.kernel'; drop one"),
        (lambda w, _: {"weights_5": w[0]}, "of layers 2 to 4, got weights_5; number the layers as in the book"),
        (lambda w, _: {"weights_2": w[0], "weights_02": w[0]}, "once, got 'weights_2' and 'weights_02'"),
        (lambda w, _: {"weights_2": w[0], "errors_2": w[0]}, "errors of all layers or none, got none of layer 3"),
        (lambda w, b: dict.fromkeys(named(w, b)), "must hold the gradient of at least one weight or bias, got None; "),
        (lambda *_: (None, [None] * 3), "got None; compute it first, in PyTorch by loss.backward"),
        (lambda w, b: flat(w, b)[1:], "a list of arrays must hold w², b², w³, b³, …, 6 for the 3 layers .* got 5"),
        (lambda w, b: [*flat(w, b), b[2]], "must hold w², .* got 7; pass them all, or a mapping"),
        (lambda w, b: [None, *w, *b], "must hold w², .* got 7"),
        (lambda w, _: {"net": {1: w[0]}}, "names of a candidate must be strings, got"),
        (lambda w, b: {"0.weight": w[0][:2], "1.bias": b[1], "2.bias": b[2]},
         r"0\.weight of a candidate must have shape"),
    ],
)  # fmt: skip
def test_names_and_lists_that_do_not_fit_are_refused(given, change, message):
    net, X, Y, weights, biases = given
    with pytest.raises((InvalidInput, WrongType), match=message):
        fm.certify(net, X, Y, change(weights, biases))


@pytest.fixture(scope="module")
def modelled():
    """A torch model without the last bias, its network, its examples and its cost."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    nn = torch.nn
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3, bias=False)).double()
    X, labels = torch.randn(6, 4).double(), torch.tensor([0, 1, 0, 1, 1, 0])
    nn.functional.cross_entropy(model(X), labels).backward()
    w, b, v = (parameter.detach().numpy() for parameter in model.parameters())
    net = fm.Network([w, v], [b, np.zeros(3)], ["tanh", "softmax"])
    return model, net, X, fm.one_hot(labels, 3)


def test_a_module_and_its_parameters_stand_for_their_gradients(modelled):
    model, net, X, Y = modelled
    parameters = list(model.parameters())
    for candidate in (
        model,
        type(model)(model),
        parameters,
        model.parameters(),
        dict(model.named_parameters()),
        model.named_parameters(),
        [parameter.grad for parameter in parameters],
        {name: parameter.grad for name, parameter in model.named_parameters()},
        ([parameters[0], parameters[2]], [parameters[1], None]),
    ):
        c = fm.certify(net, X, Y, candidate, "log_likelihood")
        assert (c.status, c.not_judged, c.notes) == (Status.EQUAL, ("biases[1]",), ())
    c = fm.certify(net, X, Y, lambda *_: model, "log_likelihood")
    assert (c.status, c.not_judged, len(c.notes)) == (Status.EQUAL, ("biases[1]",), 1)
    assert c.notes[0].startswith("The function returns the same gradient for other examples")
    for parameter in parameters:
        parameter.requires_grad_(False)
    assert fm.certify(net, X, Y, parameters, "log_likelihood").equal
    for parameter in parameters:
        parameter.requires_grad_(True)


def test_a_parameter_without_a_gradient_is_not_judged(modelled):
    model, net, X, Y = modelled
    kept, model[0].bias.grad = model[0].bias.grad, None
    for candidate in (model, list(model.parameters())):
        c = fm.certify(net, X, Y, candidate, "log_likelihood")
        assert (c.status, c.not_judged) == (Status.EQUAL, ("biases[0]", "biases[1]"))
        assert "No .grad, although it is required: biases[0]. backward() did not reach" in c.notes[0]
    model[0].bias.requires_grad_(False)
    assert fm.certify(net, X, Y, model, "log_likelihood").notes == ()
    model[0].bias.requires_grad_(True)
    model[0].bias.grad = kept
    copied = copy.deepcopy(model)
    copied.zero_grad()
    for candidate in (copied, list(copied.parameters())):
        with pytest.raises(InvalidInput, match=r"got None; compute it first, in PyTorch by loss\.backward\(\)"):
            fm.certify(net, X, Y, candidate, "log_likelihood")


def test_parameters_in_place_of_gradients_are_named(modelled):
    model, net, X, Y = modelled
    own = {f"weights_{l}": w for l, w in enumerate(net.weights, start=2)}
    for candidate in (model.state_dict(), own, net.vector):
        c = fm.certify(net, X, Y, candidate, "log_likelihood")
        assert (c.status, c.cause.name) == (Status.DIFFERENT, "parameters_returned")


def test_parameters_in_another_order_are_refused_with_the_form_whose_order_is_known(modelled):
    model, net, X, Y = modelled
    # A module may declare its layers in another order than that in which it computes.
    names = sorted(dict(model.named_parameters()), key=lambda name: -int(name[0]))
    other = {f"{'out' if name[0] == '2' else 'hidden'}.{name[2:]}": model.get_parameter(name) for name in names}
    remedy = "in the shape of its w, or the module itself, whose layers are read in the order in which it computes"
    for candidate in (list(other.values()), other, {name: each.grad for name, each in other.items()}):
        with pytest.raises(WrongShape, match=remedy):
            fm.certify(net, X, Y, candidate, "log_likelihood")
    with pytest.raises(WrongShape, match=r"in the shape of its w\."):
        fm.certify(net, X, Y, [each.grad.numpy() for each in other.values()], "log_likelihood")


def test_a_module_of_another_shape_is_refused(modelled):
    model, net, X, Y = modelled
    with pytest.raises(CandidateFailed, match="takes 1 positional argument"):
        fm.certify(net, X, Y, type(model[1]), "log_likelihood")
    nn = pytest.importorskip("torch").nn
    for module, message in (
        (model[:1], "of 2 layers, as the network 4-5-3 has, got those of 1: '0'"),
        (nn.Sequential(model[0], nn.BatchNorm1d(5), model[2]), "of 2 layers, .* got those of 3: '0', '1', '2'"),
        (nn.Bilinear(4, 4, 3), "got those of 1"),
    ):
        with pytest.raises(InvalidInput, match=message):
            fm.certify(net, X, Y, module, "log_likelihood")


def test_labels_are_targets_and_integers_the_indices_of_the_outputs(modelled):
    model, net, X, Y = modelled
    torch = pytest.importorskip("torch")
    labels = Y.argmax(axis=1)
    for given in (labels, labels.tolist(), torch.tensor(labels), Y, torch.tensor(Y)):
        c = fm.certify(net, X.clone().requires_grad_(), given, model, "log_likelihood")
        assert (c.status, c.title) == (Status.EQUAL, fm.certify(net, X, Y, model, "log_likelihood").title)
    # One example, one output, and names.
    g = fm.gradient(net, X[:1], Y[:1], "log_likelihood")
    assert fm.certify(net, X[:1], labels[:1], g, "log_likelihood")
    binary = fm.Network.random([4, 1], seed=0)
    g = fm.gradient(binary, X, np.ones((6, 1)), "binary_cross_entropy")
    assert fm.certify(binary, X, [1] * 6, g, "binary_cross_entropy")
    g = fm.gradient(net, X, fm.one_hot(list("abcabc")), "log_likelihood")
    assert fm.certify(net, X, list("abcabc"), g, "log_likelihood")


@pytest.mark.parametrize(("bias", "said"), [(30.0, True), (3.0, False)])
def test_the_limit_of_bceloss_is_told_where_outputs_are_saturated(bias, said):
    net = fm.Network([[[1.0]]], [[bias]], "sigmoid")
    X, Y, a = [[0.5]], [[0.0]], float(net([[0.5]])[0, 0])
    delta = a / max(a * (1 - a), 1e-12) * a * (1 - a)  # as PyTorch computes it
    wrong = [[[0.5 * delta]], [delta]] if said else [[[0.1]], [0.2]]
    c = fm.certify(net, X, Y, ([wrong[0]], [wrong[1]]), "binary_cross_entropy")
    assert not c and any("use BCEWithLogitsLoss" in note for note in c.notes) == said


def test_integers_that_are_no_indices_of_outputs_are_said_to_stand_for_them_in_order():
    net = fm.Network.random([4, 3, 3], ["tanh", "softmax"], seed=0)
    X, indices = np.random.default_rng(0).normal(size=(6, 4)), np.array([0, 1, 2, 0, 1, 2])
    for labels in (indices + 1, np.array([5, 7, 9])[indices]):
        for candidate in ("hadamard", fm.gradient(net, X, fm.one_hot(indices), "log_likelihood")):
            c = fm.certify(net, X, labels, candidate, "log_likelihood")
            assert c and f"{', '.join(map(str, np.unique(labels)))} stand for the outputs in order" in str(c)
    assert not fm.certify(net, X, indices, "hadamard", "log_likelihood").notes


def test_labels_that_do_not_fit_the_outputs_are_refused(modelled):
    model, net, X, Y = modelled
    linear = fm.Network.random([4, 3], "identity", seed=0)
    with pytest.raises(InvalidInput, match=r"Y must have shape \(m, 3\) for identity outputs .* got 6 integers"):
        fm.certify(linear, X, [0, 1, 2, 0, 1, 2], fm.gradient(linear, X, Y))
    for labels in ([1, 3, 1, 3, 1, 1], [-1, 1, -1, 1, 1, 1], list("ababab")):
        with pytest.raises(WrongShape, match="one output for each class of Y, 2, got 3"):
            fm.certify(net, X, labels, model, "log_likelihood")
    with pytest.raises(WrongShape, match="X and Y must hold the same number of examples, got 6 and 3"):
        fm.certify(net, X, [0, 1, 2], model, "log_likelihood")


def test_parameters_that_are_not_the_network_s_are_noticed(modelled):
    model, net, X, Y = modelled
    stepped = copy.deepcopy(model)
    for mine, other in zip(stepped.parameters(), model.parameters(), strict=True):
        mine.data -= 0.1 * other.grad
        mine.grad = 2 * other.grad
    for candidate in (stepped, lambda *_: stepped):
        c = fm.certify(net, X, Y, candidate, "log_likelihood")
        assert sum("parameters differ from the network's, first in weights[0][0, 0]; " in note for note in c.notes) == 1
    narrow = copy.deepcopy(model).float()
    for mine, other in zip(narrow.parameters(), model.parameters(), strict=True):
        mine.grad = -other.grad.float()
    c = fm.certify(net, X, Y, narrow, "log_likelihood")
    assert (c.cause.name, c.notes) == ("sign", ())


def test_a_right_gradient_of_a_model_that_has_gone_on_has_no_note(modelled):
    model, net, X, Y = modelled
    stepped = copy.deepcopy(model)
    for mine, other in zip(stepped.parameters(), model.parameters(), strict=True):
        mine.data -= 0.1 * other.grad
        mine.grad = other.grad
    c = fm.certify(net, X, Y, stepped, "log_likelihood")
    assert (c.status, c.notes) == (Status.EQUAL, ())


def test_a_module_is_read_in_the_order_in_which_it_applies_its_layers():
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)

    class Reversed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.second, self.first = (torch.nn.Linear(3, 3, dtype=torch.float64) for _ in range(2))

        def forward(self, x):
            return self.second(torch.tanh(self.first(x)))

    model, X, Y = Reversed(), torch.randn(5, 3).double(), torch.randn(5, 3).double()
    net, cost = fm.from_torch(model, torch.nn.MSELoss())
    torch.nn.functional.mse_loss(model(X), Y).backward()
    assert fm.certify(net, X, Y, model, cost)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_planted_fault_of_a_torch_model_is_named(dtype):
    torch = pytest.importorskip("torch")
    loss = torch.nn.functional.cross_entropy
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3, bias=False))
    model.to(getattr(torch, dtype))
    X, labels = torch.randn(8, 4).to(getattr(torch, dtype)), torch.tensor([0, 1, 0, 1, 1, 0, 1, 1])
    for fault, name in (
        (lambda: loss(model(X), labels), None),
        (lambda: loss(model(X), labels, reduction="sum"), "sum_for_mean"),
        (lambda: loss(model(X).softmax(dim=1), labels), "output_activation_twice"),
        (lambda: loss(model(X), labels + 1), "labels_shifted_by_class"),
    ):
        model.zero_grad()
        fault().backward()
        net, cost = fm.from_torch(model, loss)
        c = fm.certify(net, X, labels, model, cost)
        assert (c.equal, c.cause and c.cause.name, c.not_judged) == (name is None, name, ("biases[1]",))
