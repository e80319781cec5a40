"""Benchmarks that others wrote, and models on real data: what a search reaches on problems that are not ours."""
