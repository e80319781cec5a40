"""Optuna: its samplers and pruners as pure rules, its storage over hstore's log, and experiments as its studies."""
