"""What to try next: space, algorithms, objective, driver, fmin."""
