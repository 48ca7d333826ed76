"""Hypothesis without its deadline: a slow machine is no fault of the code under test."""

from hypothesis import settings

settings.register_profile("ami", deadline=None)
settings.load_profile("ami")
