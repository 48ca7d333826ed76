"""What may be commanded, in which order, and what became of it: the rules of the command queue. Pure."""
