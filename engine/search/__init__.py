"""The search: what is tried next, by whom it is decided, when it ends."""
