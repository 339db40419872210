r"""
Wrong labels pull hardest
=========================

Which examples drive a step of gradient descent? By (BP4) the gradient of one example is
an outer product in each layer, so its norm follows from the norms of δ and a, without
the gradient itself:

.. math::

   \lVert \nabla C_x \rVert^2
   = \sum_l \lVert \delta^{x,l} \rVert^2 \left( \lVert a^{x,l-1} \rVert^2 + 1 \right)
"""

import matplotlib.pyplot as plt
import numpy as np

import formulations as fm

X, Y, *_ = fm.load_digits()
cost = "log_likelihood"

# %%
# Twelve of the 1437 digits get the label of the next digit, and a network learns all of
# them for ten epochs.

mislabelled = np.arange(100, 1300, 100)
Y_wrong = Y.copy()
Y_wrong[mislabelled] = np.roll(Y[mislabelled], 1, axis=1)
network = fm.Network.random([64, 30, 10], ["sigmoid", "softmax"], seed=0)
fm.sgd(network, X, Y_wrong, epochs=10, learning_rate=0.3, cost=cost, seed=0)

# %%
# The norms of the per-example gradients, from the longest to the shortest. Clipping
# shortens those above the limit, and leaves their direction as it is.

norms = fm.per_example_norms(network, X, Y_wrong, cost)
limit = 10 * np.median(norms)
order = np.argsort(-norms)
rank = np.arange(1, len(X) + 1)
planted = np.isin(order, mislabelled)

fig, ax = plt.subplots()
ax.loglog(rank, norms[order], color="C0")
ax.loglog(rank[planted], norms[order][planted], "o", color="C1", markersize=7)
ax.axhline(limit, linestyle=":", color="C3", linewidth=1.5)
ax.text(1, limit * 0.85, "limit: ten times the median", color="C3", va="top")
ax.text(4, norms.max() * 1.3, "wrong labels", color="C1")
ax.text(170, 0.09, "right labels", color="C0")
ax.set(xlabel="rank", ylabel=r"$\Vert\nabla C_x\Vert$", ylim=(5e-3, 20))
ax.set_title("The norm of each example's gradient, after ten epochs")
plt.show()

# %%
# The ten longest, with the label that the network was given:

fig, panels = plt.subplots(2, 5, figsize=(7, 3.2))
for ax, x in zip(panels.flat, order):
    ax.imshow(X[x].reshape(8, 8), cmap="Greys")
    colour = "C1" if x in mislabelled else "C0"
    ax.set_title(f"“{Y_wrong[x].argmax()}”", loc="center", color=colour)
    ax.axis("off")
plt.show()

# %%
# In the clipped mean no single example counts for more than the limit allows. The mean
# gradient of the wrong labels alone, before and after:

wrong = network, X[mislabelled], Y_wrong[mislabelled]
before = np.linalg.norm(fm.gradient(*wrong, cost=cost).vector)
after = np.linalg.norm(fm.clipped_gradient(*wrong, limit, cost).vector)
print(f"norm {before:.2f} before clipping, {after:.2f} after")

# %%
# All twelve wrong labels (rust) are among the forty longest of 1437 gradients, next to
# digits that even people find hard to read, and clipping takes most of their weight
# from them. :doc:`/how-to/per-example-gradients` goes on to inner products and private
# training.
