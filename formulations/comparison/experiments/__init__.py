"""Experiments: what measures the library itself, over widths, depths, batches and numbers of examples."""
