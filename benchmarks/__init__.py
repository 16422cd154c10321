"""Benchmarks: ``make bench``. What they measure and how to record it: benchmarks/README.md."""
