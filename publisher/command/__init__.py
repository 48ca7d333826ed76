"""The `amibus` command: the composition root, the one place that may import publisher and consumers."""
