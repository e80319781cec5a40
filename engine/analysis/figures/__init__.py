"""Figures of a search, drawn with matplotlib from the columns that the modules above return: `hstore.plot`."""
