"""Explanations as HTML with MathML: one element for any page, which runs no script."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from formulations.display import html_view
from formulations.explanation.equations import parse_latex
from formulations.explanation.latex import row_formula, symbol_formula
from formulations.explanation.operands import Piece
from formulations.explanation.story import Stage, Story
from formulations.explanation.template import Step

__all__ = ["as_fragment"]

# Brackets of matrices are drawn, since few fonts have brackets that stretch. Chromium takes the entry of a matrix for a
# block, which "right" does not move.
STYLE = """
  & h1 { font-size: 1.1rem; margin: 0 0 .3rem; }
  & h2 { font-size: 1rem; border-bottom: 1px solid var(--line); margin: 1.5rem 0 .5rem; }
  & h3 { font: 600 .9rem ui-monospace, monospace; margin: 0; }
  & p { margin: .2rem 0; }
  & .fe-part { max-width: 100%; min-width: 0; overflow: auto hidden; padding: .1em 0; }
  & mtable { border: solid currentColor; border-width: 0 1.5px; padding: 0 .2em; margin: 0 .15em;
    background: linear-gradient(currentColor 0 0) 0 0, linear-gradient(currentColor 0 0) 100% 0,
      linear-gradient(currentColor 0 0) 0 100%, linear-gradient(currentColor 0 0) 100% 100%;
    background-size: .3em 1.5px; background-repeat: no-repeat; }
  & mtd { text-align: right; text-align: -webkit-right; padding: .1em .35em; }
  & .fe-columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 34rem), 1fr)); gap: 1rem; }
  & .fe-backend { background: #8881; border-radius: .5rem; padding: .5rem 1rem; min-width: 0; }
  & .fe-step { margin: .8rem 0; }
  & .fe-symbols { display: flex; align-items: baseline; font-size: 1.15rem; }
  & .fe-number { flex: none; min-width: 4rem; margin-right: .5rem; font-weight: 600; font-size: .9rem; }
  & .fe-says { margin-left: 4.5rem; font-size: .9rem; opacity: .8; max-width: 48rem; }
  & .fe-row { display: flex; flex-wrap: wrap; align-items: center; gap: .3rem; margin: .3rem 0 .3rem 1rem; }
  @media (max-width: 40rem) { & .fe-says, & .fe-row { margin-left: 0; } }
"""


def as_fragment(story: Story) -> str:
    """Return one element, whose styles apply inside it alone."""
    return html_view(
        f"<h1>{escape(story.title)}</h1>",
        *(f"<p>{escape(note)}</p>" for note in story.notes),
        *(_stage(stage, story) for stage in story.stages),
        name="formulations-explanation",
        style=STYLE,
    )


def _stage(stage: Stage, story: Story) -> str:
    heading = f"<section><h2>{escape(stage.title)}</h2>"
    if stage.shared or len(stage.columns) == 1:
        return heading + "".join(_step(step, story.numbers) for step in stage.columns[0]) + "</section>"
    columns = "".join(
        f'<div class="fe-backend"><h3>{escape(name)}</h3>{"".join(_step(step, story.numbers) for step in column)}</div>'
        for name, column in zip(story.backends, stage.columns, strict=True)
        if column
    )
    return f'{heading}<div class="fe-columns">{columns}</div></section>'


def _step(step: Step, numbers: bool) -> str:
    label = f"({escape(step.equation)})" if step.equation else ""
    parts = [
        f'<div class="fe-symbols"><span class="fe-number">{label}</span>{_math(symbol_formula(step.symbols))}</div>',
        f'<p class="fe-says">{escape(step.text)}</p>',
    ]
    if numbers or len(step.rows) == 1:
        parts += [_row(row, numbers) for row in step.rows]
    if step.multiplications and not numbers:
        parts.append(f'<div class="fe-row">{step.multiplications:,} multiplications</div>')
    return f'<div class="fe-step">{"".join(parts)}</div>'


def _row(row: Sequence[Piece], numbers: bool) -> str:
    """Write a row as one formula for each equals sign: browsers do not break a formula into lines."""
    return f'<div class="fe-row">{"".join(map(_math, row_formula(row, numbers=numbers)))}</div>'


def _math(latex: str) -> str:
    return f'<span class="fe-part"><math>{parse_latex(latex).mathml}</math></span>'
