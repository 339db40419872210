r"""
A saturated neuron learns slowly, unless the cost cancels σ′
============================================================

Why does a neuron that is badly wrong learn slowly, and what does cross-entropy change?
The example is that of chapter 3 of the book: one sigmoid neuron with the input 1 has
the target 0, and begins at 0.98. By (BP1) its error contains the slope, which is almost
0 there; with cross-entropy (63), the slope cancels, and (66) remains:

.. math::

   \text{quadratic: } \delta = (a - y)\,\sigma'(z)
   \qquad \text{cross-entropy: } \delta = a - y
"""

import matplotlib.pyplot as plt

import formulations as fm

x, y = [[1.0]], [[0.0]]
start = fm.Network(weights=[[[2.0]]], biases=[[2.0]], activations="sigmoid")

# %%
# Both neurons start from the same weight and bias and take the same steps of gradient
# descent, with η = 0.15.

outputs, errors = {}, {}
for cost in ("quadratic", "binary_cross_entropy"):
    neuron = start.copy()
    outputs[cost], errors[cost] = [], []
    for _ in range(301):
        gradient = fm.gradient(neuron, x, y, cost=cost)
        outputs[cost].append(neuron(x).item())
        errors[cost].append(gradient.errors[-1].item())
        neuron.vector -= 0.15 * gradient.vector

# %%
# The error δ is the speed at which the bias learns, since ∂C/∂b = δ (BP3).

fig, (left, right) = plt.subplots(1, 2)
for cost in outputs:
    left.plot(outputs[cost])
    right.plot(errors[cost])
left.set(xlabel="epoch", ylabel="output $a$", ylim=(0, 1.02))
left.set_title("The output, whose target is 0")
right.set(xlabel="epoch", ylabel=r"error $\delta$", ylim=(0, 1.02))
right.set_title("The error, its speed of learning")
left.text(85, 0.84, "quadratic", color="C0")
left.text(48, 0.24, "cross-entropy", color="C1")
right.text(150, 0.17, "quadratic", color="C0")
right.text(26, 0.55, "cross-entropy", color="C1")
plt.show()

# %%
# With the quadratic cost the neuron hardly moves for a hundred epochs, because σ′ is
# small just where the error is large. With cross-entropy it learns fastest when it is
# most wrong. :doc:`/explanation/numerics` says how the library keeps the digits of σ′
# in such a neuron.
