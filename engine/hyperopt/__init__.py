"""hyperopt's view of an experiment: its documents, its Trials, its modules. Nothing in the core imports it."""
