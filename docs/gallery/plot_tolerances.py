r"""
A derived bound separates right from wrong
==========================================

Where does “equal” end? A relative tolerance picked by eye calls small gradients equal
whatever their sign. The bounds of this library count the roundings behind each entry
instead: k of them change a sum of products by at most

.. math:: \gamma_k \sum_i |x_i| |y_i|, \qquad \gamma_k = \frac{k u}{1 - k u}

Is such a bound always large enough for roundoff, and still small enough to show a
mistake?
"""

import matplotlib.pyplot as plt
import numpy as np

import formulations as fm

# %%
# The gradients of 160 random networks are judged. In every eighth of them the largest
# entry is off by a factor 1 + ε, with an ε between 10⁻¹² and 10⁻³.

rng = np.random.default_rng(0)
judged = []
for trial in range(160):
    sizes = rng.integers(2, 12, size=rng.integers(3, 7))
    sigma = str(rng.choice(["sigmoid", "tanh", "softplus"]))
    network = fm.Network.random(sizes, sigma, seed=trial)
    m = rng.integers(1, 20)
    X, Y = rng.normal(size=(m, sizes[0])), rng.normal(size=(m, sizes[-1]))
    candidate = fm.gradient(network, X, Y).vector.copy()
    planted = trial % 8 == 0
    if planted:
        candidate[abs(candidate).argmax()] *= 1 + 10 ** rng.uniform(-12, -3)
    certificate = fm.certify(network, X, Y, candidate)
    worst = max(certificate.layers, key=lambda equation: equation.ratio)
    judged.append((planted, worst.bound, worst.residual, certificate.status.value))

# %%
# Each point is the entry that comes nearest to its bound, or exceeds it most.

planted, bound, residual, status = map(np.array, zip(*judged))
fig, ax = plt.subplots()
ends = np.array([1e-17, 1e-12])
ax.loglog(ends, ends, color="C3", linewidth=1.2)
ax.fill_between(ends, ends, 1e-20, color="C2", alpha=0.1, linewidth=0)
ax.loglog(bound[~planted], residual[~planted], "o", color="C0", markersize=4, alpha=0.6)
ax.loglog(bound[planted], residual[planted], "o", color="C1", markersize=5)
ax.text(1.4e-17, 3e-20, "equal: difference below the bound", color="C2")
ax.text(1.4e-17, 1e-9, "different", color="C1")
ax.set(xlabel="derived bound", ylabel="difference from the true gradient")
ax.set(xlim=ends, ylim=(1e-20, 1e-2))
ax.set_title("160 random networks, twenty of them with a planted mistake")
plt.show()

# %%
# Right gradients stay below the line by a factor of about a hundred, and every planted
# mistake is above it, down to a few parts in 10¹². Nothing lies in between.
# :doc:`/explanation/tolerances` derives the bounds, and
# :doc:`/explanation/false-alarms` counts how often they can decide.
