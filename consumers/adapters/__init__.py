"""The ports of the consumers made real."""
