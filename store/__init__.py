"""What happened: events, their log, and what follows from them."""
