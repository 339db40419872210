"""Compiled training: the optimizers' updates of the parameters, and whole runs of steps. They need numba."""
