"""Measurements of the library itself; not in the wheel."""
