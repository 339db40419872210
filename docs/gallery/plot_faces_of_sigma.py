r"""
Three faces of Σ′
=================

What is the matrix Σ′(z) for, if the chapter can do without it? The same error δ² in
three formulations: the Hadamard product (BP2), a product with a diagonal matrix (34),
and the whole chain from the cost (35):

.. math::

   \delta^2 = ((w^3)^T \delta^3) \odot \sigma'(z^2)
   = \Sigma'(z^2) (w^3)^T \delta^3
   = \Sigma'(z^2) (w^3)^T \Sigma'(z^3) (w^4)^T \Sigma'(z^4) \nabla_a C
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

import formulations as fm

network = fm.Network.random([2, 5, 4, 3], "tanh", seed=2)
x, y = [[1.8, -1.2]], [[1.0, 0.0, -1.0]]
plan = fm.prepare(network, batch_size=1)
gradient = plan(x, y)

_, w3, w4 = network.weights
# Columns, as in the book:
slope2, slope3, slope4 = (slope.T for slope in plan.tape.slopes)
delta2, delta3, delta4 = (delta.T for delta in gradient.errors)
gradient_of_cost = plan.tape.cost_gradient.T
Sigma2, Sigma3, Sigma4 = (np.diag(slope.ravel()) for slope in (slope2, slope3, slope4))

# %%
# Each square is an entry, red if positive and blue if negative. The zeros are empty.


def draw(ax, title, terms):
    """Draw matrices and signs side by side."""
    x = 0.0
    for name, matrix in terms:
        if matrix is None:
            ax.text(x + 0.5, 0, name, ha="center", va="center", fontsize=13)
            x += 1.2
            continue
        rows, columns = matrix.shape
        for (j, k), entry in np.ndenumerate(matrix):
            colour = plt.cm.RdBu_r(0.5 + 0.42 * entry / 1.5) if entry else "none"
            corner = (x + k, j - rows / 2)
            ax.add_patch(Rectangle(corner, 0.9, 0.9, facecolor=colour, edgecolor="0.8"))
        ax.text(x + columns / 2, 3.5, name, ha="center")
        x += columns + 0.4
    ax.set(xlim=(-0.2, x), ylim=(3.9, -2.7), aspect="equal", anchor="W")
    ax.set_title(title)
    ax.axis("off")


equals, times = ("=", None), (r"$\odot$", None)
d2, W3, d3 = (r"$\delta^2$", delta2), (r"$(w^3)^T$", w3.T), (r"$\delta^3$", delta3)
s2, S2 = (r"$\sigma'(z^2)$", slope2), (r"$\Sigma'(z^2)$", Sigma2)
S3, S4 = (r"$\Sigma'(z^3)$", Sigma3), (r"$\Sigma'(z^4)$", Sigma4)
W4, dC = (r"$(w^4)^T$", w4.T), (r"$\nabla_a C$", gradient_of_cost)

fig, panels = plt.subplot_mosaic("ab;cc", width_ratios=[11.4, 13.4])
draw(panels["a"], "(BP2) a Hadamard product", [d2, equals, W3, d3, times, s2])
draw(panels["b"], "(34) a diagonal matrix", [d2, equals, S2, W3, d3])
draw(panels["c"], "(35) the whole chain", [d2, equals, S2, W3, S3, W4, S4, dC])
plt.show()

# %%
# All at once, the errors are the solution of one triangular system
# :math:`(I-U)\delta=e`, with a block :math:`U_{l,l+1}=\Sigma'(z^l)(w^{l+1})^T` for each
# layer:

U = np.zeros((12, 12))
U[:5, 5:9] = Sigma2 @ w3.T
U[5:9, 9:] = Sigma3 @ w4.T
I = np.eye(12)
e = np.zeros((12, 1))
e[9:] = Sigma4 @ gradient_of_cost
delta = np.linalg.solve(I - U, e)
difference = abs(delta - np.vstack([delta2, delta3, delta4])).max()
print("largest difference from backpropagation:", difference)

# %%
# Its matrix has a block on the diagonal for each layer, and one above for each step
# back:

fig, ax = plt.subplots()
system = np.where(I - U, I - U, np.nan)
image = ax.imshow(system, vmin=-1, vmax=1)
fig.colorbar(image, label="entry", shrink=0.8)
for end in (4.5, 8.5):
    ax.axhline(end, color="0.75", linewidth=0.8)
    ax.axvline(end, color="0.75", linewidth=0.8)
middle = [2, 6.5, 10]
ax.set_xticks(middle, [r"$\delta^2$", r"$\delta^3$", r"$\delta^4$"])
ax.set_yticks(middle, ["layer 2", "layer 3", "layer 4"])
ax.set(xlabel="unknowns", ylabel="equations")
ax.set_title(f"I − U: {np.isnan(system).sum()} of {system.size} entries are zero")
ax.grid(visible=False)
ax.tick_params(length=0)
plt.show()

# %%
# A diagonal matrix is mostly zeros, so multiplying by it is mostly wasted work, and the
# Hadamard product is the same without them; but only matrices can be
# written one after the other as in (35), and only they hold if σ couples the neurons of
# a layer. :doc:`/backends/sigma`, :doc:`/backends/product` and
# :doc:`/backends/back_substitution` implement the three.
