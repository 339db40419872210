r"""
Sparse weights pay if few are left
==================================

How sparse must weights be to make a gradient faster? Every stored entry of a sparse
matrix costs a multiplication in (25), in (BP2) and in (BP4), as does every entry of a
dense one; but a dense product does its multiplications much faster.
"""

from time import thread_time

import matplotlib.pyplot as plt
import numpy as np
from scipy.sparse import csr_array

import formulations as fm

rng = np.random.default_rng(0)
n, m = 500, 1
X, Y = rng.normal(size=(m, n)), rng.random(size=(m, n))
dense = [rng.normal(scale=n**-0.5, size=(n, n)) for _ in range(2)]
biases = [np.zeros(n)] * 2

# %%
# Two square layers of 500 neurons, from which all but a share of the weights is
# deleted. The sparse network stores what remains; the dense one stores zeros for the
# others. They take turns, sixteen times each, with one example.

shares = np.array([0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1])
speed = []
for share in shares:
    weights = [np.where(rng.random(w.shape) < share, w, 0) for w in dense]
    if share == 0.03:
        pattern = weights[0] != 0
    sparse = [csr_array(w) for w in weights]
    plans = [fm.prepare(fm.Network(w, biases), batch_size=m) for w in (weights, sparse)]
    times = np.empty((16, 2))
    for row in times:
        for k, plan in enumerate(plans):
            begin = thread_time()
            plan(X, Y)
            row[k] = thread_time() - begin
    speed.append(np.percentile(times[1:, 0] / times[1:, 1], [25, 50, 75]))
lower, median, upper = np.transpose(speed)

# %%
# Left, the pattern of a corner of w² at 3 %; right, how many times faster the sparse
# network is, with the middle half of fifteen measurements.

fig, (left, right) = plt.subplots(1, 2)
left.spy(pattern[:60, :60], marker="s", markersize=2.5, color="C0")
left.set(xlabel="neuron $k$ of layer 1", ylabel="neuron $j$ of layer 2")
left.set_title("A corner of w², 3 % stored")
left.xaxis.tick_bottom()
left.grid(visible=False)
right.axhline(1, linestyle=":", color="C3", linewidth=1.5)
right.loglog(100 * shares, median, "o-", color="C1")
right.fill_between(100 * shares, lower, upper, color="C1", alpha=0.2, linewidth=0)
right.set(xlabel="stored weights in %", ylabel="time dense / time sparse")
right.set_title("Above 1, sparse is faster")
right.minorticks_off()
right.set_yticks([0.25, 0.5, 1, 2, 4], ["¼", "½", "1", "2", "4"])
right.set_xticks(100 * shares, [f"{100 * share:g}" for share in shares])
plt.show()

# %%
# With a hundredth of the weights the sparse network is several times faster, with all
# of them it is slower, and equality is in between. The memory for the weights always
# shrinks with their number. :doc:`/how-to/sparse-weights` has measurements
# for other widths and numbers of examples.
