"""Bridges: other tools that look at a search, or that run one."""
