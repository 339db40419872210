"""The laws of the contract, asked of any backend."""
