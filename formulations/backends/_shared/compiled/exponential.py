r"""The exponential, and the logarithm of 1 + t, in arithmetic that a compiler can vectorise.

With n the integer nearest to x/ln 2 and r = x − n·ln 2 (subtracted in two parts, so that no digit is lost),

.. math:: e^x = 2^n (1 + q), \qquad q = e^r - 1, \qquad |r| \le \tfrac{1}{2} \ln 2,

q is a Taylor polynomial and 2ⁿ comes from writing n into the bits of the exponent, without branches or tables. The
measured error is within 1.5u for normal results (u = eps/2), to which x must be limited.

For t from 0 to 1, 1 + t or (1 + t)/2 = (1 + s)/(1 − s) with |s| ≤ 3 − 2√2, and

.. math:: \ln \frac{1 + s}{1 - s} = 2s \left(1 + \frac{s^2}{3} + \frac{s^4}{5} + \dots\right).

For small t nothing cancels: s is t/(2 + t). The measured error is within 2.5u.

Source: Cody and Waite, *Software Manual for the Elementary Functions* (1980), chapter 6.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic, overload

__all__ = ["reduced_exponential", "reduced_logarithm"]

# Adding 1.5·2^(mantissa bits) rounds to an integer, which is then in the lowest bits.
_ROUND = {"float32": np.float32(1.5 * 2**23), "float64": np.float64(1.5 * 2**52)}
# ln 2 in two parts, the first so short that its products with n are exact.
_HIGH = {"float32": np.float32(0.693359375), "float64": np.float64(0.6931471803691238)}
_LOW = {"float32": np.float32(-2.12194440e-4), "float64": np.float64(1.9082149292705877e-10)}
_DEGREE = {"float32": 7, "float64": 13}
# Terms of the logarithm; the rest is below u/8.
_TERMS = {"float32": 5, "float64": 11}


def reduced_exponential(x: Any) -> Any:
    """Return q and p with eˣ = p + pq and eˣ − 1 = (p − 1) + pq, neither of which cancels; p is a power of two.

    For compiled functions only; x is NaN, or a float32 or float64 whose exponential is a normal number.
    """
    raise NotImplementedError("reduced_exponential works in compiled functions only; use numpy.exp.")


def _bitcast(source: Any, target: Any) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def cast(context: Any, value: Any) -> Any:  # noqa: ARG001 - numba's protocol
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
            return builder.bitcast(args[0], context.get_value_type(target))

        return target(source), generate

    return cast


_bits64, _float64 = _bitcast(types.float64, types.int64), _bitcast(types.int64, types.float64)
_bits32, _float32 = _bitcast(types.float32, types.int32), _bitcast(types.int32, types.float32)


# Conversions to and from bits, the bias of the exponent, and its position.
_EXPONENT: dict[str, tuple[Any, Any, Any, Any]] = {
    "float32": (_bits32, _float32, np.int32(127), np.int32(23)),
    "float64": (_bits64, _float64, np.int64(1023), np.int64(52)),
}


@overload(reduced_exponential)  # type: ignore[untyped-decorator]
def _reduced_exponential(x: Any) -> Any:
    name = str(x)
    number = np.dtype(name).type
    invert, magic, high, low = number(1 / math.log(2)), _ROUND[name], _HIGH[name], _LOW[name]
    taylor = tuple(number(1 / math.factorial(k)) for k in range(_DEGREE[name], 0, -1))
    to_bits, to_float, bias, shift = _EXPONENT[name]

    def by_polynomial(x: Any) -> Any:
        rounded = x * invert + magic
        n = rounded - magic
        r = x - n * high
        r = r - n * low
        p = taylor[0]
        for k in range(1, len(taylor)):
            p = p * r + taylor[k]
        return p * r, to_float((to_bits(rounded) + bias) << shift)

    return by_polynomial


def reduced_logarithm(t: Any) -> Any:
    """Return ln(1 + t), for compiled functions only; t is NaN, or a float32 or float64 from 0 to 1."""
    raise NotImplementedError("reduced_logarithm works in compiled functions only; use numpy.log1p.")


@overload(reduced_logarithm)  # type: ignore[untyped-decorator]
def _reduced_logarithm(t: Any) -> Any:
    name = str(t)
    number = np.dtype(name).type
    one, two, three, ln2, near = number(1), number(2), number(3), number(math.log(2)), number(math.sqrt(2) - 1)
    terms = tuple(number(1 / (2 * k + 1)) for k in range(_TERMS[name] - 1, -1, -1))

    def by_series(t: Any) -> Any:
        s = (t - one) / (t + three) if t > near else t / (t + two)
        square = s * s
        total = terms[0]
        for k in range(1, len(terms)):
            total = total * square + terms[k]
        total = two * s * total
        return ln2 + total if t > near else total

    return by_series
