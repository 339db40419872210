"""What a compiler makes of the equations: element-wise steps in one pass, a small network's gradient in one call.

``cache``, ``forms`` and ``rooms`` need no compiler. The other files import numba: load them where it has been
made sure that it is there.
"""
