"""hyperopt.plotting: figures of a search."""

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
