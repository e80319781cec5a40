"""Figures of a search, by matplotlib: losses over time, their histogram, and by parameter.

The names are those of hyperopt.plotting.
"""

from hstore.engine.hyperopt.plotting import (
    default_status_colors,
    main_plot_1D_attachment,
    main_plot_histogram,
    main_plot_history,
    main_plot_vars,
)

__all__ = [
    "default_status_colors",
    "main_plot_1D_attachment",
    "main_plot_histogram",
    "main_plot_history",
    "main_plot_vars",
]
