r"""
Sigmoids make gradients vanish
==============================

Why do the first layers of a deep network learn slowest? By (BP2), each layer multiplies
the error by its weights and slopes:

.. math:: \delta^l = ((w^{l+1})^T \delta^{l+1}) \odot \sigma'(z^l)

The slope of a sigmoid is at most ¼, those of tanh and relu at most 1.
:func:`fm.diagnose <formulations.diagnose>` measures δ, layer by layer.
"""

import matplotlib.pyplot as plt
import numpy as np

import formulations as fm

X, Y, *_ = fm.load_digits()
sizes = [64] + 10 * [30] + [10]

# %%
# Three networks of twelve layers, each with the random weights that suit its
# activation:

initialisation = {"sigmoid": "glorot", "tanh": "glorot", "relu": "he"}
size_of_delta = {}
for sigma, init in initialisation.items():
    network = fm.Network.random(sizes, sigma, seed=0, init=init)
    diagnosis = fm.diagnose(network, X[:500], Y[:500])
    size_of_delta[sigma] = np.array([layer.error_rms for layer in diagnosis.layers])

# %%
# The picture shows the root mean square of δ over the neurons and 500 digits. The
# backward pass runs from right to left.

layers = np.arange(2, len(sizes) + 1)
fig, ax = plt.subplots()
for (sigma, delta), height in zip(size_of_delta.items(), (2e-7, 4e-2, 1.5)):
    (line,) = ax.semilogy(layers, delta, "o-")
    ax.text(4.2, height, sigma, color=line.get_color())
quarter = size_of_delta["sigmoid"][-1] * 0.25 ** (len(sizes) - layers)
ax.semilogy(layers, quarter, ":", color="C3", linewidth=1.5)
ax.text(6.8, 2e-4, "× ¼ in each layer", color="C3", ha="right")
ax.set(xlabel="layer $l$", ylabel=r"rms of $\delta^l$", xticks=layers, ylim=(1e-8, 8))
ax.set_title("The error on its way back to the input")
plt.show()

# %%
# With sigmoids the error of layer 2 is a million times smaller than that of the
# outputs: it loses a little more than a factor of 4 in each layer. With tanh and relu
# it keeps its size. :doc:`/how-to/diagnose` names the cures, and
# :doc:`plot_jacobian_spectrum` shows the same without a cost.
