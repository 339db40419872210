"""The laws of the backend contract, checked for any backend."""
