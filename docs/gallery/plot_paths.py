r"""
A derivative is a sum over paths
================================

How does one weight change the cost? Through every path from it to the output; the
rates along a path multiply. The chapter's big picture ends with the sum over all of
them, equation (53):

.. math::

   \frac{\partial C}{\partial w^l_{jk}} = \sum_{mnp \ldots q}
   \frac{\partial C}{\partial a^L_m}
   \frac{\partial a^L_m}{\partial a^{L-1}_n}
   \cdots \frac{\partial a^{l+1}_q}{\partial a^l_j}
   \frac{\partial a^l_j}{\partial w^l_{jk}}
"""

from itertools import pairwise, product

import matplotlib.pyplot as plt
import numpy as np

import formulations as fm

sizes = [2, 3, 4, 3]
network = fm.Network.random(sizes, "tanh", seed=4)
plan = fm.prepare(network, batch_size=1, backend="path_sum")
gradient = plan([[1.0, -0.5]], [[1.0, 0.0, -1.0]])

# %%
# An edge of a path is the rate of (47), :math:`\partial a^{l+1}_q / \partial a^l_j =
# \sigma'(z^{l+1}_q) w^{l+1}_{qj}`. Twelve paths begin with the weight :math:`w^2_{11}`:

_, w3, w4 = network.weights
slope2, slope3, slope4 = (slope[0] for slope in plan.tape.slopes)
x, dC = plan.tape.activations[0][0], plan.tape.cost_gradient[0]
paths = {
    (q, m): dC[m] * (slope4[m] * w4[m, q]) * (slope3[q] * w3[q, 0]) * (slope2[0] * x[0])
    for q, m in product(range(4), range(3))
}
total = sum(paths.values())
derivative = gradient.weights[0][0, 0]
print(f"sum over the paths {total:.15f}, path_sum {derivative:.15f}")

# %%
# Left, the paths in the network, as thick as their contributions are large; red ones
# raise ∂C/∂w, blue ones lower it. Right, the same numbers, from the largest to the
# smallest.

fig, (left, right) = plt.subplots(1, 2)
at = [[(l, j - (n - 1) / 2) for j in range(n)] for l, n in enumerate(sizes, start=1)]
for layer, following in pairwise(at):
    for edge in product(layer, following):
        left.plot(*zip(*edge), color="0.88", linewidth=0.8)
ordered = sorted(paths.items(), key=lambda path: -abs(path[1]))
rates = [rate for _, rate in ordered]
for (q, m), rate in reversed(ordered):
    size = abs(rate / rates[0])
    colour = plt.cm.RdBu_r(0.5 + 0.45 * np.sign(rate) * size**0.5)
    path = [at[1][0], at[2][q], at[3][m]]
    left.plot(*zip(*path), color=colour, linewidth=0.3 + 6 * size)
left.plot(*zip(at[0][0], at[1][0]), color="0.3", linewidth=4)
for layer in at:
    left.plot(*zip(*layer), "o", color="white", markeredgecolor="0.3", markersize=13)
left.text(1.5, -0.95, "$w^2_{11}$", ha="center")
left.set(xticks=[1, 2, 3, 4], xlabel="layer", yticks=[], ylim=(1.9, -1.9))
left.set_title("Twelve paths from one weight")
left.spines[:].set_visible(False)
left.grid(visible=False)

right.barh(range(12), rates, color=["C1" if rate > 0 else "C0" for rate in rates])
right.plot(total, 12, "D", color="0.2")
neurons = [f"1 → {q + 1} → {m + 1}" for (q, m), _ in ordered]
right.set_yticks(range(13), [*neurons, "sum"])
right.set(xlabel=r"part of $\partial C/\partial w^2_{11}$", ylim=(12.7, -0.7))
right.set(ylabel="path through layers 2, 3, 4", title="What each contributes")
right.grid(axis="x")
right.grid(axis="y", visible=False)
right.axvline(0, color="0.5", linewidth=0.8)
plt.show()

# %%
# The contributions have both signs, and their sum is the derivative that
# backpropagation gives. The number of paths is the product of the widths above layer l,
# so :doc:`/backends/path_sum` explains, and the recurrence computes.
