"""Proof: every decision made again, every promise checked."""
