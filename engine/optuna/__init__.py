"""Optuna: its samplers and pruners as pure rules, its storage over hstore's log, and experiments as its studies."""

try:
    import optuna as _optuna  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("this needs Optuna: pip install 'hstore[optuna]'", name="optuna") from error
