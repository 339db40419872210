r"""
A planted mistake is found
==========================

A gradient written by hand is wrong: in which layer, and why? The loop below is the
book's algorithm. With ``mistake=True`` it forgets the transposition in (BP2), which
NumPy does not notice if two layers have the same width:

.. math:: \delta^l = ((w^{l+1})^T \delta^{l+1}) \odot \sigma'(z^l)

:func:`fm.certify <formulations.certify>` compares each entry with a bound on its
roundoff that is derived, not chosen.
"""

import matplotlib.pyplot as plt
import numpy as np

import formulations as fm


def backprop(network, X, Y, mistake=False):
    """Return the gradient of the quadratic cost, for sigmoid neurons."""
    a = [X]
    for w, b in zip(network.weights, network.biases):
        a.append(1 / (1 + np.exp(-(a[-1] @ w.T + b))))
    delta = (a[-1] - Y) * a[-1] * (1 - a[-1]) / len(X)
    dw, db = [delta.T @ a[-2]], [delta.sum(axis=0)]
    for l in range(len(network.weights) - 1, 0, -1):
        w = network.weights[l].T if mistake and l == 2 else network.weights[l]
        delta = delta @ w * a[l] * (1 - a[l])
        dw.insert(0, delta.T @ a[l - 1])
        db.insert(0, delta.sum(axis=0))
    return dw, db


network = fm.Network.random([4, 6, 6, 6, 6, 2], seed=0)
X, Y = np.random.default_rng(0).normal(size=(20, 4)), fm.one_hot([0, 1] * 10)
right = fm.certify(network, X, Y, backprop)
wrong = fm.certify(network, X, Y, lambda *args: backprop(*args, mistake=True))
print(f"The mistake is in layer {wrong.layer}, ({wrong.equation}):")
print(f"{wrong.cause.sentence}. {wrong.cause.remedy}.")

# %%
# For each layer, the largest difference from the true gradient, in units of its bound:

layers = range(2, len(network.sizes) + 1)
ratios = {}
for name, certificate in (("without the mistake", right), ("with the mistake", wrong)):
    worst = dict.fromkeys(layers, 0.0)
    for found in certificate.layers:
        worst[found.layer] = max(worst[found.layer], found.ratio)
    ratios[name] = list(worst.values())

fig, ax = plt.subplots()
ax.axhspan(1e-6, 1, color="C2", alpha=0.1, linewidth=0)
ax.text(6.4, 0.5, "within roundoff", color="C2", ha="right", va="top")
for (name, ratio), size, height in zip(ratios.items(), (11, 6), (1e-5, 2e14)):
    (line,) = ax.semilogy(layers, ratio, "o-", markersize=size)
    ax.text(2.5, height, name, color=line.get_color(), ha="center")
ax.text(3.1, 8e12, f"layer {wrong.layer}, ({wrong.equation})")
ax.set(xlabel="layer $l$", ylabel="difference / bound", xticks=layers)
ax.set(xlim=(1.5, 6.5), ylim=(1e-6, 1e17))
ax.set_title("The largest difference from the true gradient, in units of its bound")
plt.show()

# %%
# In the layers after the mistake, which the backward pass reaches first, nothing is
# wrong. From layer 3 on the difference is more than a trillion times the bound. The
# printed sentence names the mistake; :doc:`/how-to/judge-a-gradient` shows what else
# :func:`fm.certify <formulations.certify>` takes, and :doc:`/explanation/tolerances`
# derives the bounds.
