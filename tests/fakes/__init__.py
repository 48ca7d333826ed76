"""Implementations of the ports in memory, for tests."""
