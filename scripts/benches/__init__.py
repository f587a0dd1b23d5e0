"""Benchmarks: `scripts/bench` lists them."""
