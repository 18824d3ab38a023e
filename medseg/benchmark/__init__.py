"""Measuring and training many models under one set of rules; the parts of tools/benchmark.py."""
