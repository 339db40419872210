r"""
What a network has learnt to see
================================

What do neurons that read images look for? By (BP4) each step changes the weights of a
neuron by a multiple of the images,

.. math:: w^2_{jk} \to w^2_{jk} - \eta \, a^1_k \delta^2_j,

so the weights of a neuron in layer 2 are an image, too.
"""

import matplotlib.pyplot as plt

import formulations as fm

X, Y, X_test, Y_test = fm.load_digits()
options = {"cost": "log_likelihood", "epochs": 30, "batch_size": 20, "seed": 0}
options |= {"learning_rate": 0.5, "validation": (X_test, Y_test)}

# %%
# First without a hidden layer: ten softmax neurons, one for each digit. Weight decay,
# equation (87), keeps small what no image needs.

single = fm.Network.random([64, 10], "softmax", seed=0)
history = fm.sgd(single, X, Y, l2=3e-3, **options)
print(f"without a hidden layer: {history.accuracy:.1%} of the test digits are right")


def draw(weights, names):
    """Draw each row of the weights as an image."""
    fig, panels = plt.subplots(2, 5, figsize=(7, 3.6))
    largest = abs(weights).max()
    for ax, w, name in zip(panels.flat, weights, names):
        image = ax.imshow(w.reshape(8, 8), vmin=-largest, vmax=largest)
        ax.set_title(name, loc="center")
        ax.axis("off")
    fig.colorbar(image, ax=panels, label="weight $w^2_{jk}$", shrink=0.7)


draw(single.weights[0], [f"digit {j}" for j in range(10)])
plt.show()

# %%
# Now with ten hidden neurons in between:

hidden = fm.Network.random([64, 10, 10], ["sigmoid", "softmax"], seed=0)
history_hidden = fm.sgd(hidden, X, Y, l2=1e-3, **options)
print(f"with one: {history_hidden.accuracy:.1%}")
draw(hidden.weights[0], [f"neuron {j + 1}" for j in range(10)])
plt.show()

# %%
# Without a hidden layer a neuron's image resembles its digit: the neuron for 0 wants a
# ring (red) with nothing in the middle (blue). Hidden neurons look for strokes and gaps
# that several digits share, and the next layer combines them. :doc:`/how-to/train` is
# about the training.
