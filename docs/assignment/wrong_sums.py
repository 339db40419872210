"""Backpropagation, written by hand: a submission with wrong signs and sums."""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def sigmoid_prime(z):
    return sigmoid(z) * (1 - sigmoid(z))


def feedforward(weights, biases, x):
    zs, activations = [], [x]
    for w, b in zip(weights, biases):
        zs.append(w @ activations[-1] - b)
        activations.append(sigmoid(zs[-1]))
    return zs, activations


def bp1(z, y):
    return (y - sigmoid(z)) * sigmoid_prime(z)


def bp2(w_next, delta_next, z):
    return (w_next.T @ delta_next) * sigmoid_prime(z)


def bp3(delta):
    return delta.sum(axis=0)


def bp4(a_before, delta):
    return delta.T @ a_before


def backprop(weights, biases, X, Y):
    zs, activations = [], [X]
    for w, b in zip(weights, biases):
        zs.append(activations[-1] @ w.T + b)
        activations.append(sigmoid(zs[-1]))
    errors = [-bp1(zs[-1], Y)]
    for w, z in zip(weights[:0:-1], zs[-2::-1]):
        errors.insert(0, (errors[0] @ w) * sigmoid_prime(z))
    return [bp4(a, delta) for a, delta in zip(activations, errors)], [bp3(delta) for delta in errors], errors


def sigma_form(weights, biases, x, y):
    zs, activations = feedforward(weights, biases, x)
    matrices = [np.diag(sigmoid_prime(z)) for z in zs]
    errors = [matrices[-1] @ (activations[-1] - y)]
    for w, matrix in zip(weights[:0:-1], matrices[-2::-1]):
        errors.append(matrix @ w.T @ errors[-1])
    return matrices, errors


def modified_neuron(weights, biases, x, y, layer, neuron, f, f_prime):
    a, slopes = x, []
    for l, (w, b) in enumerate(zip(weights, biases), start=2):
        z = w @ a + b
        a, slope = sigmoid(z), sigmoid_prime(z)
        if l == layer:
            a[neuron], slope[neuron] = f(z[neuron]), f_prime(z[neuron])
        slopes.append(slope)
    errors = [(a - y) * slopes[-1]]
    for w, slope in zip(weights[:0:-1], slopes[-2::-1]):
        errors.insert(0, (w.T @ errors[0]) * slope)
    return errors
