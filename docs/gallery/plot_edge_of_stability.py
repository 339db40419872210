r"""
Gradient descent climbs to the edge of stability
================================================

How sharp is the cost where gradient descent ends up? Along an eigenvector of the
Hessian with the eigenvalue λ, a step of gradient descent multiplies the distance from
the minimum by 1 − ηλ. So it would diverge if λ stayed above 2/η. What λ does during
training is measured here: :func:`fm.hessian <formulations.hessian>` multiplies by ∇²C
without forming it, and its ``eigsh`` finds the largest eigenvalue.
"""

import matplotlib.pyplot as plt
import numpy as np

import formulations as fm

X = np.linspace(-1, 1, 20)[:, None]
Y = np.sin(4 * X)
start = fm.Network.random([1, 20, 20, 1], ["tanh", "tanh", "identity"], seed=0)

# %%
# Gradient descent on all examples, with two learning rates. Every 20 steps the
# sharpness is measured, the largest eigenvalue of ∇²C.

rates = (0.1, 0.2)
steps = np.arange(0, 1600, 20)
sharpness, costs = {}, {}
for eta in rates:
    network = start.copy()
    sharpness[eta], costs[eta] = [], []
    for step in range(steps[-1] + 1):
        gradient = fm.gradient(network, X, Y)
        if step % 20 == 0:
            largest, _ = fm.hessian(network, X, Y).eigsh(1, "LA", tol=1e-2)
            sharpness[eta].append(largest.item())
            costs[eta].append(gradient.cost)
        network.vector -= eta * gradient.vector

# %%
# The dotted lines are 2/η, which the learning rate alone determines.

fig, (left, right) = plt.subplots(1, 2, width_ratios=[3, 2])
for eta, colour, height in zip(rates, ("C0", "C1"), (17, 8.5)):
    left.plot(steps, sharpness[eta], color=colour)
    left.axhline(2 / eta, linestyle=":", color=colour, linewidth=1.5)
    left.text(steps[-1], height, f"2/η for η = {eta}", color=colour, ha="right")
    right.semilogy(steps, costs[eta])
left.set(xlabel="step", ylabel="largest eigenvalue of ∇²C", ylim=(0, 25))
left.set_title("Sharpness rises to 2/η, and stays there")
right.set(xlabel="step", ylabel="cost $C$", title="The cost spikes")
plt.show()

# %%
# The sharpness rises to 2/η and then stays about there (Cohen and others, 2021).
# Whenever it is above, the steps bounce across the valley, the cost spikes, and the
# search ends in a flatter place. So the learning rate chooses the sharpness, and the
# smaller one ends in the sharper valley. :doc:`/how-to/curvature` has traces, blocks
# and Gauss–Newton matrices.
