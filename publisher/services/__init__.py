"""What the publisher does, written against ports only."""
