"""Text tables, ratios of times, announcements, figures, and HTML for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.display.announcements import announcements_shown as announcements_shown
    from formulations.display.figures import Colour as Colour
    from formulations.display.figures import arms as arms
    from formulations.display.figures import axes_for as axes_for
    from formulations.display.figures import check_plot as check_plot
    from formulations.display.figures import draw_by_layer as draw_by_layer
    from formulations.display.figures import draw_predictions as draw_predictions
    from formulations.display.figures import draw_training as draw_training
    from formulations.display.figures import heat_map as heat_map
    from formulations.display.figures import new_figure as new_figure
    from formulations.display.figures import save_figure as save_figure
    from formulations.display.figures import tidy as tidy
    from formulations.display.figures import titled as titled
    from formulations.display.html import Html as Html
    from formulations.display.html import html_list as html_list
    from formulations.display.html import html_mark as html_mark
    from formulations.display.html import html_table as html_table
    from formulations.display.html import html_text as html_text
    from formulations.display.html import html_view as html_view
    from formulations.display.layers import Layer as Layer
    from formulations.display.layers import draw_layers as draw_layers
    from formulations.display.layers import layers_svg as layers_svg
    from formulations.display.ratios import Ratio as Ratio
    from formulations.display.ratios import format_quotient as format_quotient
    from formulations.display.ratios import format_ratio as format_ratio
    from formulations.display.ratios import paired as paired
    from formulations.display.status_line import StatusLine as StatusLine
    from formulations.display.tables import counted as counted
    from formulations.display.tables import fitted as fitted
    from formulations.display.tables import fixed_width as fixed_width
    from formulations.display.tables import format_brief as format_brief
    from formulations.display.tables import format_numbers as format_numbers
    from formulations.display.tables import format_seconds as format_seconds
    from formulations.display.tables import format_share as format_share
    from formulations.display.tables import format_table as format_table
    from formulations.display.tables import listed as listed
    from formulations.display.tables import terminal_width as terminal_width
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "announcements": ["announcements_shown"],
            "figures": [
                "Colour",
                "arms",
                "axes_for",
                "check_plot",
                "draw_by_layer",
                "draw_predictions",
                "draw_training",
                "heat_map",
                "new_figure",
                "save_figure",
                "tidy",
                "titled",
            ],
            "html": ["Html", "html_list", "html_mark", "html_table", "html_text", "html_view"],
            "layers": ["Layer", "draw_layers", "layers_svg"],
            "ratios": ["Ratio", "format_quotient", "format_ratio", "paired"],
            "status_line": ["StatusLine"],
            "tables": [
                "counted",
                "fitted",
                "fixed_width",
                "format_brief",
                "format_numbers",
                "format_seconds",
                "format_share",
                "format_table",
                "listed",
                "terminal_width",
            ],
        },
    )
