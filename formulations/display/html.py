"""HTML for notebooks: one element with styles of its own, which loads nothing and runs no script."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

__all__ = ["Html", "html_list", "html_mark", "html_table", "html_text", "html_view"]

# Every rule is nested in that of the root element: neither page nor element changes the other. All colours derive
# from that of the text around the element, so they suit light and dark themes without knowing which it is; a media
# query would ask for the system's theme, which a notebook need not follow.
STYLE = """
  --line: color-mix(in srgb, currentColor 25%, transparent);
  --good: color-mix(in srgb, #10a34a 75%, currentColor);
  --bad: color-mix(in srgb, #e02f44 80%, currentColor);
  --unsure: color-mix(in srgb, #d98200 80%, currentColor);
  font: 1rem/1.5 system-ui, sans-serif; text-align: left; max-width: 76rem;
"""
"""The properties of every element."""

VIEW = """
  font-size: .875rem;
  & p { margin: .3rem 0; max-width: 60rem; }
  & ul { margin: .3rem 0; padding-left: 1.4rem; max-width: 60rem; }
  & li { margin: .2rem 0; }
  & .fv-title { font-weight: 600; }
  & .fv-small { font-size: .8125rem; opacity: .8; }
  & .fv-wide { overflow-x: auto; max-width: 100%; margin: .4rem 0; }
  & .fv-table { border-collapse: collapse; border: 0; margin: 0; font-size: .8125rem; width: auto;
    font-variant-numeric: tabular-nums; }
  & .fv-table tr:nth-child(n) { background: none; }
  & .fv-table tbody tr:nth-child(n):hover { background: color-mix(in srgb, currentColor 8%, transparent); }
  & .fv-table tr:nth-child(n) > :is(th, td) { padding: .2rem .7rem .2rem 0; border: 0; text-align: left;
    vertical-align: baseline; white-space: nowrap; max-width: none; }
  & .fv-table thead tr:nth-child(n) > th { font-weight: 600; border-bottom: 1px solid var(--line); }
  & .fv-table tr:nth-child(n) > .fv-right { text-align: right; }
  & .fv-good { color: var(--good); font-weight: 600; }
  & .fv-bad { color: var(--bad); font-weight: 600; }
  & .fv-unsure { color: var(--unsure); font-weight: 600; }
  & .fv-none { opacity: .7; }
  & svg { display: block; }
  & svg text { font: 13px system-ui, sans-serif; fill: currentColor; text-anchor: middle; }
  & svg text.fv-faint { font-size: 12px; opacity: .75; }
"""
"""The rules for tables, verdicts and drawings."""

SIGNS = {"good": "✓ ", "bad": "✗ ", "unsure": "? ", "none": ""}
"""The sign of each kind of verdict."""


class Html(str):
    """HTML, to be used as it is; any other string is text, and gets escaped."""

    __slots__ = ()


def html_view(*parts: str, name: str = "formulations-view", style: str = VIEW) -> str:
    """Return one element, whose styles apply inside it alone.

    Parameters
    ----------
    *parts : str
        HTML, one part after the other.
    name : str
        The class of the element, one for each ``style``.
    style : str
        The rules for the parts, each starting with ``&``: they are nested in the rule of the element.
    """
    styles = f"<style>\n.{name} {{{STYLE.rstrip()}{style}}}\n</style>"
    return "\n".join([f'<div class="{name}" lang="en">{styles}', *parts, "</div>\n"])


def html_text(text: str, kind: str = "") -> Html:
    """Return a paragraph for each line of a text.

    Parameters
    ----------
    text : str
        Escaped, unless it is :class:`Html`.
    kind : {"", "title", "small"}
        Ordinary text, the title of the element, or remarks.
    """
    css = f' class="fv-{kind}"' if kind else ""
    return Html("".join(f"<p{css}>{line}</p>" for line in _safe(text).split("\n") if line.strip()))


def html_list(items: Sequence[Sequence[str]]) -> Html:
    """Return a list with bullets; nothing if it is empty.

    Parameters
    ----------
    items : sequence of sequences of str
        The lines of each item; escaped, unless a line is :class:`Html`.

    Examples
    --------
    >>> print(html_list([["κ < 1", "→ none"]]))
    <ul><li>κ &lt; 1<br>→ none</li></ul>
    """
    rows = "".join(f"<li>{'<br>'.join(map(_safe, lines))}</li>" for lines in items)
    return Html(f"<ul>{rows}</ul>" if rows else "")


def html_mark(text: str, kind: str = "none") -> Html:
    """Return a verdict with its sign and colour.

    Parameters
    ----------
    text : str
        The verdict in words; escaped.
    kind : {"good", "bad", "unsure", "none"}
        Which sign and colour it gets.

    Examples
    --------
    >>> print(html_mark("equal", "good"), html_mark("refused"))
    <span class="fv-good">✓ equal</span> <span class="fv-none">refused</span>
    """
    return Html(f'<span class="fv-{kind}">{SIGNS[kind]}{escape(text)}</span>')


def html_table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> Html:
    """Return a table, which scrolls if it is wider than the page.

    Parameters
    ----------
    header : sequence of str
        The titles of the columns.
    rows : sequence of sequences of str
        The rows, with one cell per title; escaped, unless a cell is :class:`Html`.
    right : sequence of int
        Right-aligned columns.
    """

    def line(cells: Sequence[str], element: str) -> str:
        kinds = (' class="fv-right"' if i in right else "" for i in range(len(cells)))
        return "".join(f"<{element}{kind}>{_safe(cell)}</{element}>" for kind, cell in zip(kinds, cells, strict=True))

    body = "\n".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    return Html(
        f'<div class="fv-wide"><table class="fv-table">\n<thead><tr>{line(header, "th")}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _safe(text: str) -> str:
    return text if isinstance(text, Html) else escape(text)
