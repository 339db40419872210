r"""
A boundary bends while a network learns
=======================================

What does a network with two inputs do between its examples, while it learns them? It
begins with an almost straight boundary, and each step of gradient descent, w → w − η
∂C/∂w (16), bends it a little.
"""

import matplotlib.pyplot as plt
import numpy as np

import formulations as fm

# %%
# Two moons, each a half circle with noise:

rng = np.random.default_rng(0)
angle = np.linspace(0, np.pi, 100)
upper = np.c_[np.cos(angle), np.sin(angle)]
lower = np.c_[1 - np.cos(angle), 0.5 - np.sin(angle)]
X = np.r_[upper, lower] + rng.normal(scale=0.15, size=(200, 2))
labels = np.repeat([0, 1], 100)

# %%
# A network with two hidden layers and one sigmoid output learns with the cross-entropy
# (63). Its parameters are kept at six moments.

network = fm.Network.random([2, 16, 16, 1], ["tanh", "tanh", "sigmoid"], seed=0)
moments = {0: network.copy()}


def keep(epoch):
    """Keep a copy of the network after some of the epochs."""
    if epoch.epoch in (5, 10, 20, 50, 200):
        moments[epoch.epoch] = network.copy()


options = {"epochs": 200, "batch_size": 10, "learning_rate": 0.1, "seed": 0}
fm.sgd(network, X, labels, callback=keep, **options)

# %%
# The colour is the output on a grid of points, and the black line is where it is ½.

x1, x2 = np.meshgrid(np.linspace(-1.6, 2.6, 150), np.linspace(-1.2, 1.7, 100))
grid = np.c_[x1.ravel(), x2.ravel()]
fig, panels = plt.subplots(2, 3, sharex=True, sharey=True)
wrong = {}
for ax, (epoch, then) in zip(panels.flat, moments.items()):
    a = then(grid).reshape(x1.shape)
    wrong[epoch] = int(((then(X).ravel() > 0.5) != labels).sum())
    ax.contourf(x1, x2, a, levels=np.linspace(0, 1, 21), alpha=0.5)
    ax.contour(x1, x2, a, levels=[0.5], colors="black", linewidths=1.2)
    for label, colour in ((0, "C0"), (1, "C1")):
        ax.scatter(
            *X[labels == label].T, 14, colour, edgecolors="white", linewidths=0.4
        )
    ax.set_title(f"epoch {epoch}: {wrong[epoch]} wrong")
    ax.set(xticks=[-1, 0, 1, 2], yticks=[-1, 0, 1], aspect="equal")
    ax.grid(visible=False)
fig.supxlabel("$x_1$")
fig.supylabel("$x_2$")
plt.show()

# %%
# The boundary starts straight, bends between the moons, and becomes sharp where it has
# long been right: there the output saturates. :doc:`/how-to/train` has schedules, early
# stopping and validation.
