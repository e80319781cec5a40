"""Audit: every decision is made again and compared, and every guarantee is checked against the log."""
