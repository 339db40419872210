"""Equations from other chapters, named by their numbers, and from other sources, named by a word."""

from __future__ import annotations

from formulations.explanation.equations.equation import Equation

__all__ = ["ELSEWHERE"]

CROSS_ENTROPY = ("formulations.functions.costs.binary_cross_entropy.BinaryCrossEntropy",)
LOG_LIKELIHOOD = ("formulations.functions.costs.log_likelihood.LogLikelihood",)

ELSEWHERE = (
    Equation("63", r"C = -\sum_j \left(y_j \ln a^L_j + (1 - y_j) \ln(1 - a^L_j)\right)",
             "C = − Σ_j ( y_j ln a:L_j + ( 1 − y_j ) ln ( 1 − a:L_j ) )",
             "The cross-entropy of one example, from chapter 3.", "cost", CROSS_ENTROPY),
    Equation("66", r"\delta^L = a^L - y", "delta:L = ?( a:L − y ?) ?/m",
             "With cross-entropy and sigmoid outputs the slope cancels, from chapter 3.", "combined", CROSS_ENTROPY),
    Equation("78", r"a^L_j = \frac{e^{z^L_j}}{\sum_k e^{z^L_k}}", "",
             "The softmax turns a layer into a probability distribution, from chapter 3.", "definition",
             ("formulations.functions.activations.coupled.Softmax",)),
    Equation("80", r"C = -\sum_j y_j \ln a^L_j", "C = − Σ_j y_j ln a:L_j",
             "The log-likelihood cost of one example, from chapter 3, for targets that are distributions.", "cost",
             LOG_LIKELIHOOD),
    Equation("81", r"\delta^L = a^L \sum_j y_j - y", "delta:L = ?( a:L ?⊙ sum − y ?) ?/m",
             "With log-likelihood and softmax outputs the slope cancels, from chapter 3.", "combined", LOG_LIKELIHOOD),
    Equation("sigmoid", r"\delta^L = a^L \odot y - y", "delta:L = ?( a:L ⊙ y − y ?) ?/m",
             "With log-likelihood and sigmoid outputs the slope cancels too; the error is computed as −y(1 − a), where "
             "1 − a = σ(−z) keeps its digits.", "combined", LOG_LIKELIHOOD),
    Equation("linearL", r"\delta^L = \nabla_a C", "delta:L = nabla",
             "The error of a linear output layer is the gradient of the cost, from the exercise of chapter 2.",
             "output"),
    Equation("linear", r"\delta^l = (w^{l+1})^T \delta^{l+1}", "delta:l = w:l+1.T delta:l+1",
             "Between linear layers an error is multiplied by the transposed weights alone, from the exercise of "
             "chapter 2.",
             "hidden"),
    Equation("activation", r"g^l = (w^{l+1})^T (g^{l+1} \odot \sigma'(z^{l+1})), "
             r"\quad \delta^l = g^l \odot \sigma'(z^l)",
             "", "The layers pass on g, the derivative with respect to the activations, which chapter 2 mentions as an "
             "alternative; the errors of (BP1) and (BP2) follow from it.", "method"),
    Equation("system", r"(I - U) \delta = e, \quad U_{l,l+1} = \Sigma'(z^l) (w^{l+1})^T", "",
             "The errors of all layers solve one triangular system, whose last row is (BP1) and whose other rows are "
             "(BP2) (Edelman, Akyürek and Wang, 2024).", "method"),
    Equation("sweep", r"\delta \leftarrow e + U \delta", "",
             "One sweep per hidden layer makes the errors of (BP1) and (BP2) exact, since the Neumann series of the "
             "inverse of I − U is finite.", "method"),
    Equation("Kronecker", r"\text{vec}\, \frac{\partial C_x}{\partial w^l} = \delta^{x,l} \otimes a^{x,l-1}", "",
             "The gradient of each example, before (BP4) sums them, with vec taken row by row; column by column it is "
             "a ⊗ δ (Khatri and Rao, 1968).", "method"),
    Equation("homogeneous", r"[\frac{\partial C}{\partial w^l}\ \frac{\partial C}{\partial b^l}] "
             r"= \delta^l [a^{l-1}; 1]^T", "dwb:l = delta:l extended:l-1.T",
             "Biases are weights of a constant unit, and (BP3) is a column of (BP4) (Bishop, section 5.1).", "layer"),
    Equation("moments", r"[\frac{\partial C}{\partial w^l}\ \frac{\partial C}{\partial b^l}] "
             r"= (w^{l+1})^T \cdots (w^L)^T (T M - N) (P^{l-1})^T, \quad M = \frac{1}{m} \sum_x \tilde x \tilde x^T, "
             r"\quad N = \frac{1}{m} \sum_x y \tilde x^T", "",
             "With x̃ = [x; 1], P the map of the layers before and T the map of the network, linear layers and the "
             "quadratic cost need two moments of the examples.", "method"),
    Equation("tangent", r"\dot a^l = \Sigma'(z^l) \dot z^l, \quad \dot z^{l+1} = w^{l+1} \dot a^l, \quad "
             r"\frac{\partial C}{\partial w^l_{jk}} = \nabla_a C \cdot \dot a^L", "",
             "Forward mode propagates the effect of a change with the forward pass, one parameter at a time (Griewank "
             "and Walther, chapter 3).", "direction"),
    Equation("imaginary", r"\frac{\partial C}{\partial w_j} = \frac{\text{Im}\, C(w + i h e_j)}{h}", "",
             "An imaginary step of a weight, bias or weighted input needs no difference (Squire and Trapp, 1998).",
             "method"),
    Equation("demon", r"\delta^l_j \approx \frac{C(z^l_j + h) - C(z^l_j)}{h}", "",
             "The demon of chapter 2 changes a weighted input a little and observes the cost.", "demon"),
)  # fmt: skip
