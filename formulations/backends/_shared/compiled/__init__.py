"""Compiled passes: the element-wise operations of a layer, and a small network's whole gradient. They need numba."""
