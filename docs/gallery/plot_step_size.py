r"""
No step of a difference quotient is small enough
================================================

Does the quotient (46) become exact if the step h is small enough?

.. math:: \frac{\partial C}{\partial w_j} \approx \frac{C(w + h e_j) - C(w)}{h}

With a smaller h the truncation falls, but the roundoff of C is divided by a smaller
number. So there is a best h, and at it half of the digits are lost.
"""

import matplotlib.pyplot as plt
import numpy as np

import formulations as fm

network = fm.Network.random([4, 6, 3], seed=1)
X, Y = np.random.default_rng(0).normal(size=(5, 4)), fm.one_hot([0, 1, 2, 0, 1])
exact = fm.gradient(network, X, Y)


def error(backend):
    """Return the largest difference from backpropagation, over the largest entry."""
    difference = fm.gradient(network, X, Y, backend=backend).vector - exact.vector
    return abs(difference).max() / abs(exact.vector).max()


# %%
# The one-sided quotient, the symmetric one, and the imaginary step, which subtracts
# nothing:

steps = np.logspace(-14, 0, 57)
forward = [error(f"finite_difference:scheme=forward,step={h}") for h in steps]
central = [error(f"finite_difference:scheme=central,step={h}") for h in steps]
imaginary = error("complex_step")

# %%
# Both arms of the V are known beforehand. Truncation is ½h|∂²C/∂w²|, with the diagonal
# of the Hessian; roundoff is about that of two costs, 2uC/h with u = 2⁻⁵³.

scale = abs(exact.vector).max()
truncation = steps / 2 * abs(fm.hessian(network, X, Y).diagonal()).max() / scale
roundoff = 2 * 2.0**-53 * exact.cost / steps / scale

fig, ax = plt.subplots()
ax.loglog(steps, forward)
ax.loglog(steps, central)
ax.loglog(steps[[0, -1]], [imaginary] * 2)
ax.loglog(steps[18:], truncation[18:], ":", color="C3", linewidth=1.5)
ax.loglog(steps, roundoff, ":", color="C3", linewidth=1.5)
eps = np.finfo(float).eps
ax.plot(eps ** (1 / 2), error("finite_difference:scheme=forward"), "oC0", markersize=8)
ax.plot(eps ** (1 / 3), error("finite_difference:scheme=central"), "oC1", markersize=8)
ax.text(3e-6, 3e-5, "forward (46)", color="C0", ha="right")
ax.text(3e-2, 3e-8, "central", color="C1")
ax.text(1e-8, imaginary * 2.2, "imaginary step, any h", color="C2")
ax.text(2e-13, 6e-2, "roundoff 2uC/h", color="C3")
ax.text(1e-4, 2e-2, "truncation ½h|∂²C/∂w²|", color="C3", ha="right")
ax.set(xlabel="step $h$", ylabel="difference, relative", ylim=(1e-17, 10))
ax.set_title("How far a difference quotient is from backpropagation")
plt.show()

# %%
# The one-sided quotient keeps at best half of the 16 digits, the symmetric one two
# thirds. The circles are the steps that the library takes, near the bottom of each V.
# Backpropagation and the imaginary step keep them all, as :doc:`/backends/complex_step`
# explains; the symmetric quotient is described in :doc:`/backends/finite_difference`.
