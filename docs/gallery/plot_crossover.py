r"""
The fastest formulation depends on the width
============================================

Which formulation computes the same gradient fastest? All get the same networks of four
layers and the same ten examples, and the width doubles from 2 to 128. The numbers of
multiplications grow with different powers of the width, so the lines cross.
"""

from time import thread_time

import matplotlib.pyplot as plt
import numpy as np

import formulations as fm

names = [
    "hadamard",
    "sigma:matrix=dense",
    "per_neuron",
    "back_substitution",
    "finite_difference",
]
widths = 2 ** np.arange(1, 8)
rng = np.random.default_rng(0)

# %%
# CPU time is measured, since other programs disturb it less than elapsed time. The
# formulations take turns, so that a slow moment hits all of them, and one that has
# taken 20 ms does not get wider networks.

quartiles = {name: {} for name in names}
for width in map(int, widths):
    network = fm.Network.random(4 * [width], seed=0)
    X, Y = rng.normal(size=(10, width)), rng.random(size=(10, width))
    plans = {
        name: fm.prepare(network, batch_size=10, backend=name)
        for name in names
        if all(median < 0.02 for _, median, _ in quartiles[name].values())
    }
    times = {name: [] for name in plans}
    for _ in range(8):
        for name, plan in plans.items():
            begin = thread_time()
            plan(X, Y)
            times[name].append(thread_time() - begin)
    for name in plans:
        # The first call warms the caches.
        quartiles[name][width] = np.percentile(times[name][1:], [25, 50, 75])

# %%
# The lines are medians of seven calls, and the bands are the middle half of them.

fig, ax = plt.subplots()
for name, colour in zip(names, ["C0", "C1", "C2", "0.1", "0.5"]):
    lower, median, upper = 1e3 * np.array(list(quartiles[name].values())).T
    measured = widths[: len(median)]
    ax.loglog(measured, median, "o-", color=colour)
    ax.fill_between(measured, lower, upper, color=colour, alpha=0.2, linewidth=0)
    height = median[-1] * {"per_neuron": 1.4, "back_substitution": 0.7}.get(name, 1)
    ax.text(1.15 * measured[-1], height, name, color=colour, va="center")
ax.set_xticks(widths, widths)
ax.set(xlabel="neurons in each layer", ylabel="CPU time of a gradient in ms")
ax.set_xlim(1.8, 700)
ax.set_title("The gradient of four layers, ten examples")
plt.show()

# %%
# One neuron at a time is quick with two neurons and slow with thirty, where the sparse
# system has overtaken it, and difference quotients soon leave the picture. ``hadamard``
# is the fastest of these five at any width. :doc:`/how-to/choose-a-backend` says when
# another one is faster still, and :doc:`/explanation/performance` has careful
# measurements.
