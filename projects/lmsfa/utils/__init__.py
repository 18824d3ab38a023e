"""Helpers without a home in a single package; light, no torch."""
