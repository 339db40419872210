"""Experiments on the library: each is a sweep that returns records, and the columns that show them."""
