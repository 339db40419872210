"""Measurements of the library itself: what it takes, and how that grows."""
