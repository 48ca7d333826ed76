"""The command queue on Redis: the one door to its driver, the queue, the scripts."""
