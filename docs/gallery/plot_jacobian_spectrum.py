r"""
Orthogonal weights keep all lengths, until σ′ spoils it
=======================================================

By how much does a change of the input grow or shrink on its way through the layers? By
a factor between the smallest and the largest singular value of the Jacobian, the
product of (35) without the cost:

.. math:: \frac{\partial a^l}{\partial x} = \Sigma'(z^l) w^l \cdots \Sigma'(z^2) w^2

:func:`fm.spectrum <formulations.spectrum>` computes them for each example and each
layer.
"""

import matplotlib.pyplot as plt
import numpy as np

import formulations as fm

X = np.random.default_rng(0).normal(size=(50, 30))
sizes = 11 * [30]

# %%
# Eleven layers of thirty neurons, with four kinds of neurons and weights:

kinds = {
    "linear, random weights": ("identity", "glorot"),
    "linear, orthogonal weights": ("identity", "orthogonal"),
    "tanh, orthogonal weights": ("tanh", "orthogonal"),
    "sigmoid, orthogonal weights": ("sigmoid", "orthogonal"),
}
medians = {}
for kind, (sigma, init) in kinds.items():
    spectrum = fm.spectrum(fm.Network.random(sizes, sigma, seed=0, init=init), X)
    medians[kind] = np.array([np.median(layer, axis=0) for layer in spectrum.values])

# %%
# A line for each of the thirty singular values, the median over fifty inputs. The
# dotted line is 1, where lengths are kept.

layers = range(2, len(sizes) + 1)
colours = plt.cm.Blues_r(np.linspace(0.05, 0.6, 30))
fig, panels = plt.subplots(2, 2, sharex=True, sharey=True)
for ax, (kind, values) in zip(panels.flat, medians.items()):
    ax.axhline(1, linestyle=":", color="C3", linewidth=1.2)
    for k in reversed(range(30)):
        ax.semilogy(layers, values[:, k], color=colours[k], linewidth=1.2)
    ax.set_title(kind)
    ax.set(xticks=[2, 4, 6, 8, 10], yticks=[1, 1e-4, 1e-8, 1e-12], ylim=(1e-14, 1e2))
fig.supxlabel("layer $l$")
fig.supylabel(r"singular values of $\partial a^l / \partial x$")
plt.show()

# %%
# Random weights (Glorot's) keep some directions and lose others, more with each layer;
# orthogonal ones keep all of them exactly, if the neurons are linear. The slopes of
# tanh spread the values again, and those of sigmoids shrink all of them alike, by ¼ a
# layer. :doc:`/how-to/jacobians` tells more, and :doc:`plot_vanishing_gradients` shows
# the same for δ.
