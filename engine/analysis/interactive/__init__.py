"""Figures for a browser, by Bokeh, from the same columns as those of `figures`: of the page and of notebooks.

Each takes the columns of a `…_data` function and a theme, "light" or "dark", and returns a Bokeh model. Names from a
store are plain text in them: `canvas.label` keeps Bokeh from reading $$…$$ as mathematics.
"""
