"""The ports made real: each driver is imported by one module here and nowhere else."""
