r"""
Images of one digit pull in one direction
=========================================

Do the examples of a mini-batch agree on where to go? The angle between the gradients of
two examples tells. By (BP4) each gradient is an outer product, so inner products
factor, and no gradient is formed:

.. math::

   \langle \nabla C_x, \nabla C_y \rangle
   = \sum_l \langle \delta^{x,l}, \delta^{y,l} \rangle
   \left( \langle a^{x,l-1}, a^{y,l-1} \rangle + 1 \right)
"""

import matplotlib.pyplot as plt
import numpy as np

import formulations as fm

X, Y, *_ = fm.load_digits()
digit = Y.argmax(axis=1)
# Twenty images of each digit, in order:
some = np.concatenate([np.flatnonzero(digit == k)[:20] for k in range(10)])

# %%
# The cosines of all angles, before training and after three epochs:

network = fm.Network.random([64, 30, 10], ["sigmoid", "softmax"], seed=0)
cost = "log_likelihood"
before = fm.gradient_cosines(network, X[some], Y[some], cost)
fm.sgd(network, X, Y, epochs=3, batch_size=10, learning_rate=0.5, cost=cost, seed=0)
after = fm.gradient_cosines(network, X[some], Y[some], cost)

fig, panels = plt.subplots(1, 2, sharey=True)
titles = ("before training", "after three epochs")
for ax, cosines, title in zip(panels, (before, after), titles):
    image = ax.imshow(cosines, vmin=-1, vmax=1)
    ax.set_xticks(np.arange(10, 200, 20), range(10))
    ax.set_yticks(np.arange(10, 200, 20), range(10))
    ax.set(xlabel="digit", title=title)
    ax.tick_params(length=0)
    ax.grid(visible=False)
panels[0].set_ylabel("digit")
bar = fig.colorbar(image, ax=panels, location="bottom", shrink=0.6)
bar.set_label("cosine of the angle between two gradients")
plt.show()

# %%
# Before training, two images of one digit want nearly the same step, and different
# digits have little to do with each other. After three epochs the common part has been
# learnt: what remains differs from image to image, and digits that are confused, such
# as 1 and 8, pull against each other. :doc:`/how-to/per-example-gradients` has the
# norms and the kernel.
