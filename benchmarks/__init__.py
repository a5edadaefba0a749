"""Measurements: each module is run as `python -m benchmarks.<name>` and prints what docs and README quote."""
