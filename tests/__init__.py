"""The tests; ``tests.audit`` also has commands."""
