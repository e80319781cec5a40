"""One evaluation of one trial: the objective, what it is handed, how its attempt is recorded."""
