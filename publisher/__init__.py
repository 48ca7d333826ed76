"""Reads AMI and publishes what it says; it also executes commands on the PBX."""
