"""Costs: each object has a value and a gradient with respect to the outputs."""
