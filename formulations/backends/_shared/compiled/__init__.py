"""Compiled passes: the element-wise steps of a layer, and a small network's whole gradient. They need numba."""
