"""The race: formulations, peers and the products alone on the same machine in the same minutes."""
