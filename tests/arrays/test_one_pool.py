"""One pool of threads: no path of the library computes with the threads of SciPy's BLAS between NumPy's products."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import formulations
from formulations.arrays import SharedLimit, scipy_in_one_thread
from formulations.arrays.blas.threads import _threads_of_scipy

PACKAGE = Path(formulations.__file__).parent
ALLOWED = {
    "arrays/blas/products.py": "products so small that BLAS computes them in one thread",
    "operators/arpack.py": "eigsh, with one thread for SciPy's BLAS",
    "estimators.py": "L-BFGS-B, with one thread for SciPy's BLAS",
    "operators/network_operator.py": "the class LinearOperator, which computes nothing",
    "backends/back_substitution.py": "a sparse triangular solver; its blocks are too small for several threads",
    "backends/_linearized/back_substitution.py": "a sparse factorisation; its blocks are too small for several threads",
}
"""The files that use a part of SciPy which calls BLAS, and why they may."""
PARTS = {"scipy.linalg", "scipy.optimize", "scipy.sparse.linalg", "scipy.sparse.csgraph", "scipy.interpolate"}


def test_a_shared_limit_is_set_by_the_first_and_removed_by_the_last():
    steps = []
    limit = SharedLimit(lambda: steps.append("set") or (lambda: steps.append("removed")))
    with limit:
        with limit:
            assert steps == ["set"]
        assert steps == ["set"]
    assert steps == ["set", "removed"]
    with pytest.raises(ZeroDivisionError), limit:
        1 / 0  # noqa: B018
    assert steps == ["set", "removed"] * 2


def test_what_cannot_be_limited_is_not_counted():
    def unable():
        raise ValueError

    limit = SharedLimit(unable)
    for _ in range(2):
        with pytest.raises(ValueError), limit:  # noqa: PT011 - it is ours
            pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="it cannot fork")
def test_a_forked_child_begins_without_the_limit():
    if "jax" in sys.modules:
        pytest.skip("JAX has threads in this process, which a forked one would wait for")
    steps = []
    limit = SharedLimit(lambda: steps.append("set"))
    with limit:
        child = os.fork()
        if child == 0:
            with limit:
                os._exit(0 if steps == ["set", "set"] else 1)
        assert os.waitpid(child, 0)[1] == 0


def test_the_blas_of_scipys_wheel_has_one_thread_inside_the_block():
    root = Path(sys.modules["scipy"].__file__).parent
    threads = _threads_of_scipy()
    if not [*root.parent.glob("scipy.libs/*openblas*"), *root.glob(".dylibs/*openblas*")]:
        assert threads is None
        pytest.skip("SciPy brings no BLAS of its own")
    get, put = threads
    before = get()
    put(2)
    with scipy_in_one_thread, scipy_in_one_thread:
        assert get() == 1
    assert get() == 2
    put(before)


def test_only_these_files_use_parts_of_scipy_that_call_blas():
    used = set()
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if "scipy." in text else ():
            names = [ast.unparse(node)] if isinstance(node, ast.Attribute) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            if any(name == part or name.startswith(f"{part}.") for name in names for part in PARTS):
                used.add(path.relative_to(PACKAGE).as_posix())
    assert used == set(ALLOWED)


AUDIT = """
import json, os, time, warnings
import numpy as np
tasks = lambda: set(os.listdir("/proc/self/task"))
def spent(ids):
    return sum(int(open(f"/proc/self/task/{i}/schedstat").read().split()[0]) for i in ids)
before = tasks()
import scipy.linalg
pool = tasks() - before
assert pool, "SciPy's BLAS has started no threads"
import formulations as fm
rng = np.random.default_rng(0)
found = {}
def awake(ids):
    return any(open(f"/proc/self/task/{i}/stat").read().rpartition(")")[2].split()[0] != "S" for i in ids)
def settle():
    # Threads that have computed spin for a while, and then sleep; only then is all their time counted.
    while awake(pool):
        time.sleep(0.01)
def audit(name, call):
    settle()
    start = spent(pool)
    call()
    settle()
    found[name] = spent(pool) - start
def case(activation):
    net = fm.Network.random([784, 30, 10], activation, seed=0)
    return net, rng.random((100, 784)), np.eye(10)[rng.integers(0, 10, 100)]
X = rng.random((300, 300))
audit("a product of SciPy's", lambda: scipy.linalg.blas.dgemm(1.0, X, X))
net, X, Y = case("sigmoid")
linear, reasons = case("identity")[0], fm.which(net)
SLOW = {"finite_difference", "complex_step", "tangent", "node_perturbation", "path_sum"}
for name in fm.list_backends():
    used = linear if name.startswith("linear") else net
    if name not in SLOW and "autodiff" not in name and fm.which(used)[name] is None:
        audit(name, lambda: fm.gradient(used, X, Y, backend=name))
        backend = fm.get_backend(name)
        if "jacobian" in backend.operators:
            audit(f"{name}: jacobian", lambda: fm.jacobian(used, X, backend=name))
        if "hessian" in backend.operators:
            audit(f"{name}: hessian", lambda: fm.hessian(used, X, Y, backend=name) @ used.vector)
H = fm.hessian(net, X, Y)
audit("eigsh", lambda: H.eigsh(2))
audit("spectrum", lambda: fm.spectrum(net, X[:2]))
audit("diagnose", lambda: fm.diagnose(net, X[:5], Y[:5]))
audit("norms", lambda: fm.per_example_norms(net, X, Y))
audit("certify", lambda: fm.certify(net, X, Y, fm.gradient(net, X, Y)))
audit("sgd, small steps", lambda: fm.sgd(net, X[:40], Y[:40], epochs=2, batch_size=10, learning_rate=0.1))
for backend in ("hadamard", "fused"):
    if reasons[backend] is None:
        settings = dict(epochs=2, batch_size=50, learning_rate=0.1, backend=backend)
        audit(f"sgd by {backend}", lambda: fm.sgd(net, X, Y, **settings))
try:
    from formulations.estimators import BackpropClassifier
except ImportError:
    pass
else:
    warnings.simplefilter("ignore")
    lbfgs = BackpropClassifier(hidden_layer_sizes=(30,), solver="lbfgs", max_iter=3)
    audit("BackpropClassifier", lambda: lbfgs.fit(X, Y.argmax(axis=1)))
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/schedstat"), reason="no times of single threads are to be had here")
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core has no pool of threads")
def test_the_threads_of_scipys_blas_sleep():
    if _threads_of_scipy() is None:
        pytest.skip("SciPy brings no BLAS of its own")
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", AUDIT], capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    spent = json.loads(done.stdout)
    assert spent.pop("a product of SciPy's") > 0
    assert {name: time for name, time in spent.items() if time} == {}
