r"""
SGD is faster at first, L-BFGS in the end
=========================================

Is a quasi-Newton method a better way to train a small network than stochastic gradient
descent? Both minimise the cost of all examples with a penalty on the weights, equations
(80) and (87) of the book:

.. math:: F = -\frac{1}{m} \sum_x \sum_j y_j \ln a^L_j + \frac{\lambda}{2} \sum w^2

:func:`fm.objective <formulations.objective>` gives F and ∇F to SciPy's optimisers.
"""

import matplotlib.pyplot as plt
from scipy.optimize import minimize

import formulations as fm

X, Y, *_ = fm.load_digits()
X, Y = X[:250], Y[:250]
start = fm.Network.random([64, 16, 10], ["sigmoid", "softmax"], seed=0)
F = fm.objective(start, X, Y, cost="log_likelihood", l2=1e-4)

# %%
# L-BFGS needs no learning rate. Its work is counted in gradients of all 250 digits:

lbfgs = {0: F.fun(F.x0)}


def remember(intermediate_result):
    """Note the cost after each iteration, and the gradients so far."""
    lbfgs[F.work.backward_passes] = intermediate_result.fun


limit = {"maxfun": 120}
minimize(F.fun_and_jac, F.x0, (), "L-BFGS-B", True, callback=remember, options=limit)

# %%
# An epoch of SGD does the work of one such gradient in 25 small steps. Gradient descent
# takes a single step for it.

sgd, descent = {0: F.fun(F.x0)}, {0: F.fun(F.x0)}
for batch_size, costs in ((10, sgd), (len(X), descent)):
    network = start.copy()
    options = {"cost": "log_likelihood", "l2": 1e-4, "learning_rate": 1.0}
    for epoch in range(3, 123, 3):
        fm.sgd(network, X, Y, epochs=3, batch_size=batch_size, seed=epoch, **options)
        costs[epoch] = F.fun(network.vector)

# %%
# The whole of it on a logarithmic scale, and the end of it enlarged:

fig, (whole, end) = plt.subplots(1, 2, width_ratios=[3, 2])
for costs in (lbfgs, sgd, descent):
    whole.semilogy(costs.keys(), costs.values())
    end.plot(costs.keys(), costs.values())
whole.text(21, 0.3, "L-BFGS", color="C0")
whole.text(12, 0.038, "SGD, 10 digits a step", color="C1")
whole.text(55, 1.3, "gradient descent", color="C2")
whole.set_yticks([0.05, 0.1, 0.2, 0.5, 1, 2], ["0.05", "0.1", "0.2", "0.5", "1", "2"])
whole.set(ylabel="cost $F$", ylim=(0.03, 3))
whole.set_title("A 64-16-10 network learns 250 digits")
end.set(xlim=(20, 125), ylim=(0.045, 0.1), title="The end, enlarged")
end.set_yticks([0.05, 0.06, 0.07, 0.08, 0.09, 0.1])
fig.supxlabel("work, in gradients of all digits")
plt.show()

# %%
# After ten gradients SGD is far ahead, because it has taken hundreds of steps; after
# 120, L-BFGS is lower, since it has learnt the curvature meanwhile. Plain gradient
# descent is last throughout. :doc:`/how-to/optimize-with-scipy` also compares
# Newton methods.
