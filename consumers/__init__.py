"""Takes events from the bus and gives them to people and systems."""
