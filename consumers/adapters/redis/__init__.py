"""Redis as the consumers reach it."""
