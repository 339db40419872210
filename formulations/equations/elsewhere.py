"""Equations from other chapters, for costs with a fused form, and what the index calls by a word."""

from __future__ import annotations

from formulations.equations.equation import Equation

__all__ = ["ELSEWHERE"]

CROSS_ENTROPY = ("formulations.costs.binary_cross_entropy.BinaryCrossEntropy",)
LOG_LIKELIHOOD = ("formulations.costs.log_likelihood.LogLikelihood",)

ELSEWHERE = (
    Equation("63", r"C = -\sum_j \left(y_j \ln a^L_j + (1 - y_j) \ln(1 - a^L_j)\right)",
             "C = − Σ_j ( y_j ln a:L_j + ( 1 − y_j ) ln ( 1 − a:L_j ) )",
             "The cross-entropy of one example, from chapter 3.", "cost", CROSS_ENTROPY),
    Equation("66", r"\delta^L = a^L - y", "delta:L = ?( a:L − y ?) ?/m",
             "With the cross-entropy behind a sigmoid the slope cancels, from chapter 3.", "fused", CROSS_ENTROPY),
    Equation("78", r"a^L_j = \frac{e^{z^L_j}}{\sum_k e^{z^L_k}}", "",
             "The softmax makes a probability distribution of a layer, from chapter 3.", "definition",
             ("formulations.activations.coupled.Softmax",)),
    Equation("80", r"C = -\sum_j y_j \ln a^L_j", "C = − Σ_j y_j ln a:L_j",
             "The log-likelihood cost of one example, from chapter 3, for targets that are distributions.", "cost",
             LOG_LIKELIHOOD),
    Equation("81", r"\delta^L = a^L \sum_j y_j - y", "delta:L = ?( a:L ⊙ sum − y ?) ?/m",
             "With the log-likelihood behind a softmax the slope cancels, from chapter 3.", "fused", LOG_LIKELIHOOD),
)  # fmt: skip
