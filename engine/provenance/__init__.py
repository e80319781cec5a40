"""Provenance: the code, the machine and the command that a search came from, and in what they differ from here."""
