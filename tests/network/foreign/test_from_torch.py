"""PyTorch's modules and losses as networks and costs, and back."""

from __future__ import annotations

from functools import partial

import makers
import numpy as np
import pytest
from scipy.sparse import csr_array

import formulations as fm
from formulations.exceptions import FormulationsException, InvalidInput, Refused, WrongShape, WrongType
from formulations.functions.activations.piecewise import LeakyReLU
from formulations.functions.activations.table import ACTIVATIONS
from formulations.network.foreign.modules import DROPOUTS, module_of

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional

EXPRESSIBLE = sorted(set(ACTIVATIONS) - {"square", "sine"})
"""The built-in activations that torch.nn has."""


def linear(n_in=4, n_out=3, **options):
    """Return a Linear layer with parameters from a seed."""
    layer = nn.Linear(n_in, n_out, **options)
    generator = torch.Generator().manual_seed(n_in + 7 * n_out)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return layer


def examples(m=5, n_in=4, n_out=3, dtype=np.float32):
    """Return inputs, targets in (0, 1), and labels, from a seed."""
    random = np.random.default_rng(0)
    X, Y = random.standard_normal((m, n_in)).astype(dtype), random.uniform(0.1, 0.9, (m, n_out)).astype(dtype)
    return X, Y, random.integers(n_out, size=m)


def backward(module, loss, X, targets):
    """Return the derivatives by weights and biases that ``backward`` leaves in the layers."""
    module.zero_grad()
    value = loss(module(torch.from_numpy(X)), torch.from_numpy(targets))
    value.backward()
    layers = [part for part in module.modules() if isinstance(part, nn.Linear)]
    zeros = [np.zeros(len(layer.weight), X.dtype) for layer in layers]
    biases = [z if layer.bias is None else layer.bias.grad.numpy() for layer, z in zip(layers, zeros, strict=True)]
    return value.item(), ([layer.weight.grad.numpy() for layer in layers], biases)


class Classifier(nn.Module):
    """A module with a forward of its own: functions, methods, views, and a nested Sequential."""

    def __init__(self, bias=True):
        super().__init__()
        self.first = linear(4, 5)
        self.body = nn.Sequential(linear(5, 4), nn.Sequential(nn.Tanh(), nn.Identity()))
        self.last = linear(4, 3, bias=bias)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x):
        x = x.view(x.size(0), -1)
        x = F.leaky_relu(self.first(x), 0.25)
        x = F.dropout(x, 0.3, training=self.training)
        x = self.dropout(self.body(x)).flatten(1)
        return self.last(x.reshape(-1, 4))


LOSSES = [
    (nn.CrossEntropyLoss(), "labels", "softmax", "log_likelihood"),
    (F.cross_entropy, "labels", "softmax", "log_likelihood"),
    (nn.CrossEntropyLoss(), "distributions", "softmax", "log_likelihood"),
    (nn.BCEWithLogitsLoss(), "targets", "sigmoid", "1/3 binary_cross_entropy"),
    (F.binary_cross_entropy_with_logits, "targets", "sigmoid", "1/3 binary_cross_entropy"),
    (nn.MSELoss(), "targets", "identity", "2/3 quadratic"),
    (F.mse_loss, "targets", "identity", "2/3 quadratic"),
    (partial(F.mse_loss, reduction="mean"), "targets", "identity", "2/3 quadratic"),
]


@pytest.mark.parametrize(("loss", "kind", "last", "cost"), LOSSES)
def test_the_gradient_of_torch_is_certified(loss, kind, last, cost):
    # Modules in float32, as PyTorch makes them, and functions in float64.
    module = Classifier().eval().to(torch.float32 if isinstance(loss, nn.Module) else torch.float64)
    net, found = fm.from_torch(module, loss)
    assert (net.activations[-1].name, found.name, net.sizes) == (last, cost, (4, 5, 4, 3))
    X, Y, labels = examples(dtype=net.dtype)
    if kind == "distributions":
        Y /= Y.sum(axis=1, keepdims=True)
    value, gradient = backward(module, loss, X, labels if kind == "labels" else Y)
    if kind == "labels":
        Y = fm.one_hot(labels, 3, dtype=net.dtype)
    assert fm.certify(net, X, Y, gradient, found)
    own = fm.gradient(net, X, Y, found)
    # The same cost, not only the same gradient.
    theirs = own.copy()
    theirs.errors, theirs.cost = None, net.dtype.type(value)
    assert fm.certify(net, X, Y, theirs, found).cost.status == "equal"
    # A gradient without the factor, or of a sum over the examples, is another one.
    for wrong in (3, len(X)):
        assert not fm.certify(net, X, Y, own.vector * net.dtype.type(wrong), found)


@pytest.mark.parametrize("last", [nn.LogSoftmax(dim=1), nn.LogSoftmax(dim=-1)])
@pytest.mark.parametrize("loss", [nn.NLLLoss(), F.nll_loss, nn.CrossEntropyLoss()])
def test_log_softmax_belongs_to_the_loss(last, loss):
    module = nn.Sequential(linear(4, 3), last)
    net, cost = fm.from_torch(module, loss)
    assert (net.activation_names, cost.name) == ("softmax", "log_likelihood")
    X, _, labels = examples()
    _, gradient = backward(module, loss, X, labels)
    assert fm.certify(net, X, fm.one_hot(labels, 3, dtype=net.dtype), gradient, cost)


@pytest.mark.parametrize(("last", "loss"), [(nn.Sigmoid(), nn.BCELoss()), (nn.Softplus(), nn.MSELoss())])
def test_an_activation_of_the_module_stays(last, loss):
    module = nn.Sequential(linear(4, 1), last)
    net, cost = fm.from_torch(module, loss)
    assert cost.name == ("binary_cross_entropy" if isinstance(loss, nn.BCELoss) else "2 quadratic")
    X, Y, _ = examples(n_out=1)
    _, gradient = backward(module, loss, X, Y)
    assert fm.certify(net, X, Y, gradient, cost)


@pytest.mark.parametrize(
    ("dtype", "bias", "limited"),
    # In float32, 1 − a rounds to 0 long before it is 10⁻¹².
    [(np.float64, -30.0, True), (np.float64, 24.0, False), (np.float32, 24.0, True), (np.float32, -20.0, False)],
)
def test_the_limit_of_bce_loss_is_named(dtype, bias, limited):
    module = nn.Sequential(linear(4, 2), nn.Sigmoid()).to(torch.from_numpy(np.zeros(1, dtype)).dtype)
    with torch.no_grad():
        module[0].weight[1] *= 0.1
        module[0].bias.copy_(torch.tensor([0.0, bias]))
    X, Y, _ = examples(n_out=2, dtype=dtype)
    net, cost = fm.from_torch(module, nn.BCELoss())
    _, gradient = backward(module, nn.BCELoss(), X, Y)
    found = fm.certify(net, X, Y, gradient, cost)
    assert bool(found) is not limited
    assert any("BCELoss limits the derivative" in note for note in found.notes) is limited


def test_labels_of_a_single_coupled_output_are_refused():
    net, cost = fm.from_torch(nn.Sequential(linear(4, 1), nn.LogSoftmax(dim=1)), nn.NLLLoss())
    X, _, _ = examples()
    with pytest.raises(WrongShape, match="softmax outputs must be one for each class of Y, two or more, got 1; make"):
        fm.certify(net, X, np.zeros(5, int), net.vector, cost)


def test_a_layer_without_biases_gets_zeros():
    net = fm.Network.from_torch(Classifier(bias=False).eval())
    assert not net.biases[-1].any()
    assert net.biases[0].any()


def test_the_arrays_are_copies():
    module = nn.Sequential(linear(4, 3))
    net = fm.Network.from_torch(module)
    before = net.vector.copy()
    with torch.no_grad():
        module[0].weight.zero_()
    assert (net.vector == before).all()
    back = net.to_torch()
    net.vector[...] = 0
    assert back[0].weight.detach().numpy().any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", EXPRESSIBLE)
def test_round_trips_keep_every_bit(name, dtype):
    hidden = LeakyReLU(0.125) if name == "leaky_relu" else "tanh" if name == "softmax" else name
    net = fm.Network.random([4, 5, 4, 3], [hidden, name, name], seed=0, dtype=dtype)
    net.biases[1][...] = 0.5
    again = fm.Network.from_torch(net.to_torch())
    assert (again.vector == net.vector).all() and again.dtype == net.dtype
    assert again.activations == net.activations
    X, Y, _ = examples(dtype=net.dtype)
    # torch computes with other kernels, so its numbers agree to within their bounds.
    module = net.to_torch()
    _, gradient = backward(module, nn.MSELoss(), X, Y)
    assert fm.certify(again, X, Y, gradient, "2/3 quadratic")
    right, bound = makers.outputs_and_bound(net, X)
    assert (np.abs(module(torch.from_numpy(X)).detach().numpy() - right) <= bound).all()


def test_a_new_module_draws_none_of_the_callers_random_numbers():
    before = torch.get_rng_state()
    fm.Network.random([4, 5, 3], seed=0).to_torch()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_module_made_from_a_network_takes_logits_without_its_last_step():
    net = fm.Network.random([4, 5, 3], ["tanh", "softmax"], seed=0)
    again, cost = fm.from_torch(net.to_torch()[:-1], nn.CrossEntropyLoss())
    assert again.activations == net.activations and cost.name == "log_likelihood"


FUNCTIONS = [
    (torch.relu, "relu"), (F.relu, "relu"), (torch.tanh, "tanh"), (torch.sigmoid, "sigmoid"), (F.silu, "silu"),
    (F.gelu, "gelu"), (F.elu, "elu"), (F.softplus, "softplus"), (partial(torch.softmax, dim=1), "softmax"),
    (partial(F.softmax, dim=-1), "softmax"), (lambda x: x.relu(), "relu"), (lambda x: x.softmax(1), "softmax"),
    (lambda x: F.leaky_relu(x, negative_slope=0.125), "leaky_relu(negative_slope=0.125)"),
    (torch.special.expit, "sigmoid"),
    (lambda x: torch.flatten(x, 1), "identity"), (lambda x: x.view((x.shape[0], -1)), "identity"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "name"), FUNCTIONS)
def test_functions_are_read_like_modules(function, name):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = linear(4, 3)

        def forward(self, x):
            return function(self.layer(x))

    net = fm.Network.from_torch(Model())
    assert net.activation_names == name


def model(forward, **parts):
    """Return a module with these parts and this forward."""

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            for name, part in parts.items():
                setattr(self, name, part)

    Model.forward = forward
    return Model()


def test_one_module_may_be_the_activation_of_several_layers():
    layers = nn.ModuleList([linear(4, 5), linear(5, 4), linear(4, 1)])

    def forward(self, x, _mask=None):
        for layer in self.layers[:-1]:
            x = self.act(layer(x))
        return self.layers[-1](x).squeeze(1)

    net = fm.Network.from_torch(model(forward, layers=layers, act=nn.Tanh()))
    assert repr(net) == "<Network 4-5-4-1, tanh, tanh, identity, float32, 54 parameters>"
    torch_squeezed = model(lambda self, x: torch.squeeze(self.a(x), -1), a=linear(4, 1))
    assert fm.Network.from_torch(torch_squeezed).sizes == (4, 1)


def test_linear_functions_and_subclasses_are_layers():
    class Mine(nn.Linear):
        pass

    written = model(lambda self, x: F.linear(torch.tanh(self.a(x)), self.w, self.b), a=Mine(4, 5),
                    w=nn.Parameter(torch.ones(3, 5)), b=nn.Parameter(torch.ones(3)))  # fmt: skip
    net = fm.Network.from_torch(written)
    assert repr(net) == "<Network 4-5-3, tanh, identity, float32, 43 parameters>"
    assert (net.weights[1] == 1).all()
    assert fm.Network.from_torch(linear()).sizes == (4, 3)


@pytest.mark.slow
def test_a_compiled_module_is_the_one_that_it_wraps():
    assert fm.Network.from_torch(torch.compile(nn.Sequential(linear()), backend="eager")).sizes == (4, 3)


REFUSED = [
    (nn.Sequential(linear(), nn.BatchNorm1d(3)), "module '1', BatchNorm1d; it has .*fuse_linear_bn_eval"),
    (nn.Sequential(linear(), nn.BatchNorm1d(3)).eval(), "BatchNorm1d"),
    (nn.Sequential(linear(), nn.LayerNorm(3)), "LayerNorm; it has Linear"),
    (nn.Sequential(linear(), nn.Dropout(0.5)), r"module '1', Dropout in training, which is random; call module.eval"),
    (nn.Sequential(linear(), nn.Sequential(nn.Conv1d(1, 1, 1))), "module '1.0', Conv1d"),
    (nn.LSTM(4, 3), "LSTM"),
    (nn.Sequential(linear(), nn.GELU(approximate="tanh")), "GELU must have approximate='none', got approximate='tanh'"),
    (nn.Sequential(linear(), nn.ELU(alpha=0.5)), "ELU must have alpha=1, got alpha=0.5"),
    (nn.Sequential(linear(), nn.CELU()), "CELU; it has"),
    (nn.Sequential(linear(), nn.LeakyReLU(1.5)), "LeakyReLU must have a slope"),
    (nn.Sequential(linear(), nn.Softplus(beta=2)), "Softplus must have beta=1"),
    (nn.Sequential(linear(), nn.Softplus()).double(), "Softplus must have threshold=40"),
    (nn.Sequential(linear(), nn.Softplus(threshold=5)), "Softplus must have threshold=40"),
    (nn.Sequential(linear(), nn.Softmax(dim=0)), "Softmax must have dim=1"),
    (nn.Sequential(linear(), nn.LogSoftmax(dim=1)), r"pass the loss, too"),
    (nn.Sequential(linear(), nn.LogSoftmax(dim=1), linear(3, 3)), "LogSoftmax must come last"),
    (nn.Sequential(linear(), nn.Tanh(), nn.Sigmoid()), "got module '2', Sigmoid after that of layer '0'"),
    (nn.Sequential(nn.Tanh(), linear()), "must begin with a Linear layer, got module '0', Tanh"),
    (nn.Sequential(), "must have a Linear layer"),
    (nn.Sequential(linear(), nn.Flatten(0)), "Flatten must keep the examples apart"),
    (nn.Sequential(linear().half()), "0.weight must be float32 or float64, got torch.float16"),
    (nn.Sequential(linear().to(torch.bfloat16)), "got torch.bfloat16"),
    (nn.utils.parametrizations.weight_norm(linear()), "ParametrizedLinear"),
    (nn.utils.spectral_norm(linear()), "forward hook"),
    (nn.LazyLinear(3), "must know its shapes"),
    (model(lambda self, x: x + self.a(x), a=linear(3, 3)), "the function 'add' in Model.forward"),
    (model(lambda self, x: self.a(torch.relu(self.a(x))), a=linear(3, 3)), "parameters of its own, got layer 'a'"),
    (model(lambda self, x: self.a(x) if x.sum() > 0 else x, a=linear()), "tracing Model.forward raised TraceError"),
    (model(lambda self, x, y: self.a(x) + y, a=linear()), "no branches"),
    (model(lambda self, x: self.a(x).sum(), a=linear()), "the method 'sum'"),
    (model(lambda self, x: (self.a(x),), a=linear()), "one result, .* got a tuple"),
    (model(lambda self, x: self.a(x) * 2, a=linear()), "the function 'mul'"),
    (model(lambda self, x: F.linear(x, self.a.weight.t()), a=linear(3, 3)), "no branches"),
    (model(lambda self, x: self.a(x).view(-1), a=linear()), "of other dimensions"),
    (model(lambda self, x: self.a(x).squeeze(1), a=linear()), "1 columns where the layers have 3"),
    (model(lambda self, x: self.a(x).squeeze(), a=linear(4, 1)), "the method 'squeeze'"),
    (model(lambda self, x: self.a(x).view(-1, 1), a=linear()), "1 columns where the layers have 3"),
    (model(lambda self, x: self.a(x.view(-1, 2)), a=linear()), "2 columns where the layers have 4"),
    (model(lambda self, x: self.a(x).view(x.size(1), -1), a=linear()), "of other dimensions"),
    (model(lambda self, x: torch.flatten(self.a(x)), a=linear()), "keep the examples apart"),
    (model(lambda self, x: F.dropout(self.a(x)), a=linear()), "in training"),
    (model(lambda self, x: F.elu(self.a(x), 0.5), a=linear()), "must have alpha=1"),
    (model(lambda self, x: F.softmax(self.a(x), dim=1, dtype=torch.float64), a=linear()), "options must be constants"),
]  # fmt: skip


@pytest.mark.parametrize(("module", "message"), REFUSED)
def test_what_a_network_cannot_express_is_refused_by_name(module, message):
    with pytest.raises(Refused, match=message):
        fm.Network.from_torch(module)
    with pytest.raises(Refused):
        fm.from_torch(module, nn.MSELoss())


@pytest.mark.parametrize("name", DROPOUTS)
def test_every_kind_of_dropout_passes_in_evaluation_alone(name):
    module = nn.Sequential(linear(), getattr(nn, name)(0.5))
    with pytest.raises(Refused, match=f"module '1', {name} in training"):
        fm.Network.from_torch(module)
    assert fm.Network.from_torch(module.eval()).sizes == (4, 3)
    assert fm.Network.from_torch(nn.Sequential(linear(), getattr(nn, name)(0.0))).sizes == (4, 3)


@pytest.mark.parametrize("module", [linear(), nn.Sequential(nn.Tanh(), nn.Sequential(linear()))])
def test_a_replaced_forward_is_refused(module):
    layer = next(part for part in module.modules() if isinstance(part, nn.Linear))
    layer.forward = lambda x: 2 * x
    with pytest.raises(Refused, match=r"got (module '1\.0'|the module), Linear, whose forward was replaced"):
        fm.Network.from_torch(module)


def test_tied_layers_are_refused_by_name():
    module = nn.Sequential(linear(3, 3), nn.Tanh(), linear(3, 3))
    module[2].weight = module[0].weight
    with pytest.raises(Refused, match="got layer '2' with those of layer '0'"):
        fm.Network.from_torch(module)
    with pytest.raises(Refused, match="got layer '0' twice"):
        fm.Network.from_torch(nn.Sequential(module[0], nn.Tanh(), module[0]))


@pytest.mark.parametrize("given", ["Sequential", None, [np.ones((2, 2))], nn.Linear])
def test_only_modules_are_read(given):
    with pytest.raises(WrongType, match=r"expected a torch.nn.Module, got .*pass the model itself"):
        fm.Network.from_torch(given)


def test_parameters_without_numbers_are_refused():
    with pytest.raises(InvalidInput, match=r"0\.weight must hold numbers, got a tensor of the meta device"):
        fm.Network.from_torch(nn.Sequential(nn.Linear(4, 3, device="meta")))
    broken = nn.Sequential(linear())
    with torch.no_grad():
        broken[0].weight[0, 0] = torch.nan
    with pytest.raises(FormulationsException, match=r"weights\[0\].* nan"):
        fm.Network.from_torch(broken)
    with pytest.raises(WrongShape, match="must chain"):
        fm.Network.from_torch(nn.Sequential(linear(4, 3), linear(4, 3)))


BASE = nn.Sequential(linear())
WRONG_LOSSES = [
    (BASE, nn.L1Loss(), "got L1Loss; these are CrossEntropyLoss"),
    (BASE, nn.CrossEntropyLoss(weight=torch.ones(3)), "default weight, got weight=given"),
    (BASE, nn.CrossEntropyLoss(ignore_index=0), "default ignore_index, got ignore_index=0"),
    (BASE, nn.CrossEntropyLoss(label_smoothing=0.1), "default label_smoothing, got label_smoothing=0.1"),
    (BASE, partial(F.cross_entropy, label_smoothing=0.1), "default label_smoothing"),
    (BASE, partial(partial(F.cross_entropy, label_smoothing=0.1), reduction="mean"), "default label_smoothing"),
    (BASE, partial(F.cross_entropy, torch.ones(3)), "options by name"),
    (BASE, nn.BCEWithLogitsLoss(pos_weight=torch.ones(3)), "default pos_weight"),
    (BASE, nn.MSELoss(reduction="sum"), "reduction='mean', .* got 'sum'"),
    (BASE, nn.MSELoss(reduction="none"), "got 'none'"),
    (BASE, partial(F.mse_loss, reduction="sum"), "got 'sum'"),
    (BASE, partial(F.mse_loss, size_average=False), "got size_average=False"),
    (BASE, partial(F.mse_loss, beta=1), "got beta=1"),
    (BASE, nn.MSELoss, "the class MSELoss; make one"),
    (BASE, lambda *_: 0, "got <lambda>"),
    (BASE, "mse", "got 'mse'"),
    (BASE, nn.NLLLoss(), "takes logarithms of probabilities, got the outputs of the last layer, identity"),
    (nn.Sequential(linear(), nn.Softmax(dim=1)), nn.NLLLoss(), "got the outputs of the last layer, softmax"),
    (nn.Sequential(linear(), nn.Softmax(dim=1)), nn.CrossEntropyLoss(), "through softmax again"),
    (nn.Sequential(linear(), nn.ReLU()), nn.CrossEntropyLoss(), "applies softmax itself"),
    (nn.Sequential(linear(), nn.Sigmoid()), nn.BCEWithLogitsLoss(), "through sigmoid again"),
    (nn.Sequential(linear(), nn.LogSoftmax(dim=1)), nn.MSELoss(), "must not follow LogSoftmax"),
]


@pytest.mark.parametrize(("module", "loss", "message"), WRONG_LOSSES)
def test_losses_without_a_cost_are_refused_by_name(module, loss, message):
    with pytest.raises(Refused, match=message):
        fm.from_torch(module, loss)


def test_a_loss_of_a_subclass_may_compute_anything():
    class Mine(nn.MSELoss):
        pass

    with pytest.raises(Refused, match="got Mine"):
        fm.from_torch(BASE, Mine())


SINE = fm.activation(np.tanh, lambda z: 1 / np.cosh(z) ** 2, name="tanh")


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (fm.Network.random([2, 3, 1], ["sine", "sigmoid"], seed=0), "got sine in layer 2; use one of identity"),
        (fm.Network.random([2, 3, 1], ["square", "sigmoid"], seed=0), "got square"),
        (fm.Network.random([2, 2], [fm.PerNeuron(["tanh", "relu"])], seed=0), "in layer 2"),
        (fm.Network.random([2, 2], [SINE], seed=0), "got tanh in layer 2"),
        (fm.Network.random([2, 2], "tanh", seed=0, dtype="longdouble"), "float32 or float64"),
        (fm.Network([csr_array(np.eye(2))], [np.zeros(2)], "tanh"), "whose pattern would be lost"),
    ],
)
def test_networks_that_torch_cannot_express_are_refused(net, message):
    with pytest.raises(Refused, match=message):
        module_of(net)


@pytest.mark.parametrize("widths", [(4, 4, 4), (4, 5, 3)])
def test_a_module_is_judged_in_the_order_of_its_computation(widths):
    n_in, n_hidden, n_out = widths
    # Written in the other order than applied; the layers may even fit in either.
    module = model(
        lambda self, x: self.a_last(torch.tanh(self.b_first(x))),
        a_last=linear(n_hidden, n_out), b_first=linear(n_in, n_hidden, bias=False),
    )  # fmt: skip
    net, cost = fm.from_torch(module, nn.MSELoss())
    X, Y, _ = examples(n_in=n_in, n_out=n_out)
    backward(module, nn.MSELoss(), X, Y)
    certificate = fm.certify(net, X, Y, module, cost)
    assert certificate
    assert certificate.not_judged == ("biases[0]",)
    with torch.no_grad():
        module.a_last.bias.grad += 1
    assert not fm.certify(net, X, Y, module, cost)
