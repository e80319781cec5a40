"""Searches that hyperopt kept become experiments."""
