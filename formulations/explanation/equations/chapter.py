"""The numbered equations of Nielsen's chapter 2, (23) to (53) and (BP1) to (BP4)."""

from __future__ import annotations

from formulations.explanation.equations.equation import Equation

__all__ = ["CHAPTER"]

DC_DW, DC_DB = r"\frac{\partial C}{\partial w^l_{jk}}", r"\frac{\partial C}{\partial b^l_j}"
FORWARD = ("formulations.network.forward_pass.forward",)
COLLECT = ("formulations.network.tape.Tape.collect",)
QUADRATIC = ("formulations.functions.costs.quadratic.Quadratic",)
ERRORS = ("formulations.network.gradients.Gradient",)
THROUGH = ("formulations.functions.activations.coupled.through",)
PATH = r"\frac{\partial a^L_m}{\partial a^{L-1}_n} \frac{\partial a^{L-1}_n}{\partial a^{L-2}_p} \cdots "
PATH += r"\frac{\partial a^{l+1}_q}{\partial a^l_j} \frac{\partial a^l_j}{\partial w^l_{jk}}"
TO_NEXT = r"\frac{\partial z^{l+1}_k}{\partial z^l_j}"

CHAPTER = (
    Equation("23", r"a^l_j = \sigma\left(\sum_k w^l_{jk} a^{l-1}_k + b^l_j\right)",
             "a:l_j = σ ( Σ_k w:l_jk a:l-1_k + b:l_j )",
             "The activation of a neuron is σ of its weighted inputs plus its bias.", "forward", FORWARD),
    Equation("24", r"f\left((2, 3)^T\right) = (f(2), f(3))^T", "",
             "A function of a vector acts on each of its entries.", "definition",
             ("formulations.functions.activations.base.Activation.evaluate",)),
    Equation("25", r"a^l = \sigma(w^l a^{l-1} + b^l)", "a:l = σ ( w:l a:l-1 + b:l ?ones.T ) = σ ( z:l )",
             "The activations of a layer follow from those of the previous layer.", "forward", FORWARD),
    Equation("26", r"C = \frac{1}{2m} \sum_x \lVert y(x) - a^L(x) \rVert^2", "C = ½ ‖ y − a:L ‖² ?/m",
             "The quadratic cost of a batch is the mean cost of its examples.", "mean", QUADRATIC),
    Equation("27", r"C = \tfrac12 \lVert y - a^L \rVert^2 = \tfrac12 \sum_j (y_j - a^L_j)^2", "C = ½ ‖ y − a:L ‖²",
             "The quadratic cost of one example is half the squared distance from its target.", "cost", QUADRATIC),
    Equation("28", r"(1, 2)^T \odot (3, 4)^T = (3, 8)^T", "",
             "The Hadamard product multiplies entry by entry.", "definition", THROUGH),
    Equation("29", r"\delta^l_j \equiv \frac{\partial C}{\partial z^l_j}", "",
             "The error of a neuron is the derivative of the cost with respect to its weighted input.", "definition",
             ERRORS),
    Equation("30", r"\delta^L = (a^L - y) \odot \sigma'(z^L)", "delta:L = ( a:L − y ) ?/m ⊙ slope:L",
             "With the quadratic cost, the output error is the deviation from the target times the slope.",
             "output", QUADRATIC),
    Equation("31", r"\frac{\partial C}{\partial b} = \delta", "db:l = delta:l ?ones",
             "The derivative with respect to a bias is the error of its neuron.", "layer", COLLECT),
    Equation("32", r"\frac{\partial C}{\partial w} = a_\text{in} \delta_\text{out}", "dw:l = delta:l a:l-1.T",
             "The derivative with respect to a weight is the input activation times the output error.", "layer",
             COLLECT),
    Equation("33", r"\delta^L = \Sigma'(z^L) \nabla_a C", "delta:L = Sigma:L.T nabla",
             "The output error is Σ′, the matrix of slopes, times the gradient of the cost.", "output",
             THROUGH),
    Equation("34", r"\delta^l = \Sigma'(z^l) (w^{l+1})^T \delta^{l+1}", "delta:l = Sigma:l.T w:l+1.T delta:l+1",
             "The error of a hidden layer is the next error times the transposed weights, then times Σ′, the matrix "
             "of slopes.", "hidden",
             THROUGH),
    Equation("35", r"\delta^l = \Sigma'(z^l) (w^{l+1})^T \cdots \Sigma'(z^{L-1}) (w^L)^T \Sigma'(z^L) \nabla_a C",
             "delta:l = { Sigma:k.T w:k+1.T } Sigma:L.T nabla",
             "Every error is one product of all factors between its layer and the cost.", "layer"),
    Equation("36", r"\delta^L_j = \frac{\partial C}{\partial z^L_j}", "",
             "The proof of (BP1) starts from the definition of the error.", "definition", ERRORS),
    Equation("37", r"\delta^L_j = \sum_k \frac{\partial C}{\partial a^L_k} \frac{\partial a^L_k}{\partial z^L_j}", "",
             "By the chain rule, a weighted input affects the cost through all outputs.", "definition",
             ("formulations.functions.activations.coupled.CoupledActivation.transposed_product",)),
    Equation("38", r"\delta^L_j = \frac{\partial C}{\partial a^L_j} \frac{\partial a^L_j}{\partial z^L_j}", "",
             "If an output depends on its own weighted input alone, one term of the sum remains.", "definition",
             THROUGH),
    Equation("39", r"\delta^L_j = \frac{\partial C}{\partial a^L_j} \sigma'(z^L_j)", "delta:L_j = da:L_j slope:L_j",
             "The remaining term is that of (BP1).", "output", THROUGH),
    Equation("40", r"\delta^l_j = \frac{\partial C}{\partial z^l_j}", "",
             "The proof of (BP2) starts from the same definition in an earlier layer.", "definition", ERRORS),
    Equation("41", rf"\delta^l_j = \sum_k \frac{{\partial C}}{{\partial z^{{l+1}}_k}} {TO_NEXT}", "",
             "A weighted input affects the cost through those of the next layer."),
    Equation("42", rf"\delta^l_j = \sum_k {TO_NEXT} \delta^{{l+1}}_k", "",
             "The first factor of each term is an error of the next layer."),
    Equation("43", r"z^{l+1}_k = \sum_j w^{l+1}_{kj} a^l_j + b^{l+1}_k = \sum_j w^{l+1}_{kj} \sigma(z^l_j) + b^{l+1}_k",
             "", "The weighted inputs of the next layer are functions of those of this layer.",
             "definition", FORWARD),
    Equation("44", rf"{TO_NEXT} = w^{{l+1}}_{{kj}} \sigma'(z^l_j)", "",
             "Their derivative is a weight times a slope.", "definition", FORWARD),
    Equation("45", r"\delta^l_j = \sum_k w^{l+1}_{kj} \delta^{l+1}_k \sigma'(z^l_j)",
             "delta:l_j = Σ_k w:l+1_kj delta:l+1_k slope:l_j",
             "In components, an error is the weighted sum of the next layer's errors times the slope.", "hidden"),
    Equation("46", r"\frac{\partial C}{\partial w_j} \approx \frac{C(w + h e_j) - C(w)}{h}", "",
             "A derivative is approximately the quotient of two small changes.", "quotient",
             ("formulations.backends._base.perturbation.step_sizes",)),
    Equation("47", rf"\Delta C \approx {DC_DW} \Delta w^l_{{jk}}", "",
             "A small change of a weight changes the cost proportionally."),
    Equation("48", r"\Delta a^l_j \approx \frac{\partial a^l_j}{\partial w^l_{jk}} \Delta w^l_{jk}", "",
             "The change of a weight first changes the activation of its neuron."),
    Equation("49", r"\Delta a^{l+1}_q \approx \frac{\partial a^{l+1}_q}{\partial a^l_j} \Delta a^l_j", "",
             "The change of an activation changes every activation of the next layer."),
    Equation("50", r"\Delta a^{l+1}_q \approx \frac{\partial a^{l+1}_q}{\partial a^l_j} "
             r"\frac{\partial a^l_j}{\partial w^l_{jk}} \Delta w^l_{jk}", "",
             "For both changes together, the rates multiply."),
    Equation("51", rf"\Delta C \approx \frac{{\partial C}}{{\partial a^L_m}} {PATH} \Delta w^l_{{jk}}", "",
             "Along one path to the output, all rates multiply."),
    Equation("52", rf"\Delta C \approx \sum_{{mnp \ldots q}} \frac{{\partial C}}{{\partial a^L_m}} {PATH} "
             r"\Delta w^l_{jk}", "", "The total change of the cost is the sum over all paths."),
    Equation("53", rf"{DC_DW} = \sum_{{mnp \ldots q}} \frac{{\partial C}}{{\partial a^L_m}} {PATH}", "",
             "The derivative with respect to a weight is the sum over all paths from it to the output.", "path"),
    Equation("BP1", r"\delta^L_j = \frac{\partial C}{\partial a^L_j} \sigma'(z^L_j)", "delta:L_j = da:L_j slope:L_j",
             "The error of an output neuron is the rate at which the cost changes with its activation, times its "
             "slope.", "output",
             ("formulations.network.tape.Tape.through_slope",)),
    Equation("BP1a", r"\delta^L = \nabla_a C \odot \sigma'(z^L)", "delta:L = nabla ⊙ slope:L",
             "The errors of all output neurons are the gradient of the cost times the slopes, entry by entry.",
             "output", ("formulations.network.tape.Tape.through_slope",)),
    Equation("BP2", r"\delta^l = \left((w^{l+1})^T \delta^{l+1}\right) \odot \sigma'(z^l)",
             "delta:l = ( w:l+1.T delta:l+1 ) ⊙ slope:l",
             "The error of a layer is that of the next layer times the transposed weights, times the slopes entry by "
             "entry.",
             "hidden", ("formulations.network.tape.Tape.pull_back",)),
    Equation("BP3", rf"{DC_DB} = \delta^l_j", "db:l = delta:l ?ones",
             "The derivative with respect to a bias is the error of its neuron.", "layer", COLLECT),
    Equation("BP4", rf"{DC_DW} = a^{{l-1}}_k \delta^l_j", "dw:l = delta:l a:l-1.T",
             "The derivative with respect to a weight is its input activation times the error of its neuron.",
             "layer", COLLECT),
)  # fmt: skip
