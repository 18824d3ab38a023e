"""PELD and its synthetic stand-in."""
