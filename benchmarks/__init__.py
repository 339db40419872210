"""Measurements of the library itself; not part of the distribution."""
