"""Backpropagation, written by hand: a submission that fails in every way but one."""

import sys

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def feedforward(weights, biases, x):
    a = x
    for w, b in zip(weights, biases):
        a = sigmoid(w @ a + b)
    return a


def bp1(z, y):
    a = sigmoid(z)
    print("a =", a, "y =", y)
    (a - y) * a * (1 - a)


def bp2(w_next, delta_next, z):
    import torch

    return torch.tensor(w_next).T @ torch.tensor(delta_next)


def bp3(delta):
    with open("delta.txt", "w") as file:
        file.write(str(delta))
    return delta.mean(axis=0)


def bp4(a_before, delta):
    a_before /= len(delta)
    return delta.T @ a_before


def backprop(weights, biases, X, Y):
    l = len(weights)
    while l > 0:
        delta = X.mean(axis=0)
    return delta


def sigma_form(weights, biases, x, y):
    sys.exit("the dog ate the rest")
