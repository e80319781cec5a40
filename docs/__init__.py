"""The pages, and the program that writes one of them."""
