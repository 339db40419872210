"""Backpropagation, written by hand: eight exercises on chapter 2 of *Neural Networks and Deep Learning*.

Write the body of each function with NumPy alone. Every neuron is a sigmoid, σ(z) = 1/(1 + exp(−z)), unless an exercise
says otherwise, and the cost is the quadratic one, (26). Layer l has n_l neurons; layer 1 is the input and L the output.

Wherever a function gets a whole network, ``weights`` is the list w², …, w^L, in which w^l has shape (n_l, n_(l−1)) and
``weights[l - 2][j, k]`` is w^l_jk, and ``biases`` the list b², …, b^L, in which b^l has shape (n_l,). Do not change
arguments: return new arrays, in double precision. You may add functions of your own, such as σ and σ′.

Each function is called on four networks, and an equation gives a point for each network on which it is right. Check
your own work with ``formulations grade FILE.py``.
"""

import numpy as np  # noqa: F401


def feedforward(weights, biases, x):
    """Return the weighted inputs and the activations of every layer for one example, (25).

    x has shape (n_1,). Return two lists: z², …, z^L and a¹, …, a^L. Each z^l and a^l has shape (n_l,), and a¹ is x.
    """
    raise NotImplementedError


def bp1(z, y):
    """Return the error of the output layer for one example, (BP1).

    z is z^L, of shape (n_L,), and y the target, of the same shape. Return δ^L, of the same shape.
    """
    raise NotImplementedError


def bp2(w_next, delta_next, z):
    """Return the error of a hidden layer for one example, (BP2).

    w_next is w^(l+1), of shape (n_(l+1), n_l); delta_next is δ^(l+1), of shape (n_(l+1),); z is z^l, of shape (n_l,).
    Return δ^l, of shape (n_l,).
    """
    raise NotImplementedError


def bp3(delta):
    """Return the gradient of the cost of a mini-batch with respect to the biases of a layer, (BP3) and (26).

    delta has shape (m, n_l): its row x is δ^l of example x alone. Return ∂C/∂b^l, of shape (n_l,).
    """
    raise NotImplementedError


def bp4(a_before, delta):
    """Return the gradient of the cost of a mini-batch with respect to the weights of a layer, (BP4) and (26).

    a_before has shape (m, n_(l−1)): its row x is a^(l−1) of example x. delta has shape (m, n_l), and is that of bp3.
    Return ∂C/∂w^l, of shape (n_l, n_(l−1)).
    """
    raise NotImplementedError


def backprop(weights, biases, X, Y):
    """Return the gradient of the cost of a mini-batch, (25), (BP1) to (BP4) and (26).

    X has shape (m, n_1) and Y shape (m, n_L): one example a row. Return three lists: ∂C/∂w², …, ∂C/∂w^L, each in the
    shape of its w^l; ∂C/∂b², …, ∂C/∂b^L, each in the shape of its b^l; and δ², …, δ^L, each of shape (m, n_l), in which
    row x is δ^l of example x alone.
    """
    raise NotImplementedError


def sigma_form(weights, biases, x, y):
    """Return the matrices Σ′ and the errors of every layer for one example, (33) and (34).

    x has shape (n_1,) and y shape (n_L,). Return two lists: Σ′(z²), …, Σ′(z^L), each of shape (n_l, n_l), and δ², …,
    δ^L, each of shape (n_l,).
    """
    raise NotImplementedError


def modified_neuron(weights, biases, x, y, layer, neuron, f, f_prime):
    """Return the errors of every layer for one example, if one neuron is no sigmoid: (BP1) and (BP2).

    Neuron number ``neuron`` of layer number ``layer`` computes f(z) instead of σ(z). Neurons are counted from 0, layers
    from 1, as in the book, so its layer has the weights ``weights[layer - 2]``. f and f_prime are the function and its
    derivative, and take numbers and arrays. Return δ², …, δ^L, each of shape (n_l,).
    """
    raise NotImplementedError
