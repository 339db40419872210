"""Compiled training: the optimizers' steps over the parameters, and whole runs of steps. They need numba."""
