r"""
Deep networks with large weights lose digits
============================================

How many digits of a gradient are right in float32? A tiny change in a layer grows or
shrinks by the product of the Jacobians behind it, as in (35), and rounding is such a
change. If the weights are large, it grows with each layer, until no digit is left.
"""

import matplotlib.pyplot as plt
import numpy as np

import formulations as fm

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(2, 10, 20)).astype("float32")


def right_digits(depth, gain, seed):
    """Return how many digits of ∂C/∂w² in float32 agree with those in float64."""
    single = fm.Network.random(depth * [20], "tanh", seed=seed, dtype="float32")
    single.vector *= np.float32(gain)
    double = fm.Network.random(depth * [20], "tanh", seed=seed)
    double.vector[:] = single.vector
    found, true = (fm.gradient(net, X, Y).weights[0] for net in (single, double))
    return -np.log10(np.linalg.norm(found - true) / np.linalg.norm(true))


# %%
# Networks of 4 to 60 layers of 20 tanh neurons, with Glorot's weights multiplied by 1,
# 2 and 3; the median of nine networks each.

depths = np.arange(4, 61, 8)
gains = (1, 2, 3)
digits = {gain: [] for gain in gains}
for gain in gains:
    for depth in depths:
        found = [right_digits(depth, gain, seed) for seed in range(9)]
        digits[gain].append(np.median(found))

# %%
# float64 has digits enough to be the truth here:

fig, ax = plt.subplots()
ax.axhline(-np.log10(2.0**-24), linestyle=":", color="C3", linewidth=1.5)
ax.text(4, 7.3, "all digits of float32", color="C3", va="bottom")
for gain in gains:
    (line,) = ax.plot(depths, digits[gain], "o-")
    ax.text(61, digits[gain][-1] - 0.1, f"weights × {gain}", color=line.get_color())
ax.set(xlabel="layers of the network", ylabel="right decimal digits of ∂C/∂w²")
ax.set(xlim=(2, 71), ylim=(0, 8), xticks=depths, title="float32 against float64")
plt.show()

# %%
# With Glorot's weights sixty layers cost one digit; with weights three times as large
# they cost all of them, about one for every eight layers. float64 loses as many, but
# has nine more. :doc:`/how-to/diagnose` tells which dtype a network needs, and
# :doc:`/explanation/relative-errors` has the digits of each formulation.
