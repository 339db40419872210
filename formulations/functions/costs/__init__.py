"""Costs: value and gradient with respect to the outputs, in one object."""
