"""Explanations as one HTML page, which loads nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from formulations.explanation.counts import step_multiplications
from formulations.explanation.operands import Operand, Piece
from formulations.explanation.story import Stage, Story
from formulations.explanation.template import Step
from formulations.explanation.text import entry, join, scalar_lines, shape

__all__ = ["as_html"]

STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8881; --accent: #0b63b0; }
@media (prefers-color-scheme: dark) { :root { --accent: #7cc0ff; } }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; border-bottom: 1px solid var(--line); margin-top: 2rem; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 34rem), 1fr)); gap: 1rem; }
.backend { background: var(--soft); border-radius: .5rem; padding: .5rem 1rem; min-width: 0; }
.backend > h3 { margin: 0; font: 600 .9rem ui-monospace, monospace; color: var(--accent); }
.step { margin: .8rem 0; overflow-x: auto; }
.symbols { font: 1.15rem "STIX Two Math", "Cambria Math", Georgia, serif; }
.number { color: var(--accent); display: inline-block; min-width: 4rem; font: 600 .9rem system-ui, sans-serif; }
.says { margin: .1rem 0 .3rem 4rem; font-size: .9rem; opacity: .8; max-width: 44rem; }
.row { display: flex; flex-wrap: wrap; align-items: center; gap: .3rem; margin: .3rem 0 .3rem 1rem;
  font-variant-numeric: tabular-nums; font-size: .82rem; }
.part { display: flex; align-items: center; gap: .3rem; }
.matrix { position: relative; padding: 0 .3rem; }
.matrix::before, .matrix::after { content: ""; position: absolute; top: 0; bottom: 0; width: .3rem;
  border: 1.5px solid currentColor; }
.matrix::before { left: 0; border-right: 0; } .matrix::after { right: 0; border-left: 0; }
table { border-collapse: collapse; } td { padding: 0 .3rem; text-align: right; }
sub { font-size: .7em; line-height: 0; }
.tall { font-size: 1.8em; font-weight: 200; }
"""


def as_html(story: Story) -> str:
    """Return the page."""
    title = escape(story.title)
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(', '.join(story.backends))}: {title}</title>",
        f"<style>{STYLE}</style></head><body>",
        f"<h1>{title}</h1>",
        *(f"<p>{escape(note)}</p>" for note in story.notes),
        *(_stage(stage, story) for stage in story.stages),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _stage(stage: Stage, story: Story) -> str:
    heading = f"<section><h2>{escape(stage.title)}</h2>"
    if stage.shared or len(stage.columns) == 1:
        return heading + "".join(_step(step, story.numbers) for step in stage.columns[0]) + "</section>"
    columns = "".join(
        f'<div class="backend"><h3>{escape(name)}</h3>{"".join(_step(step, story.numbers) for step in column)}</div>'
        for name, column in zip(story.backends, stage.columns, strict=True)
        if column
    )
    return f'{heading}<div class="columns">{columns}</div></section>'


def _step(step: Step, numbers: bool) -> str:
    label = f'<span class="number">{escape(f"({step.equation})") if step.equation else ""}</span>'
    parts = [f'<div class="symbols">{label}{_indexed(join(step.symbols))}</div>']
    parts.append(f'<p class="says">{escape(step.says)}</p>')
    if numbers or len(step.rows) == 1:
        parts += [_row(row, numbers) for row in step.rows]
    count = None if numbers else step_multiplications(step)
    if count:
        parts.append(f'<div class="row">{count:,} multiplications</div>')
    return f'<div class="step">{"".join(parts)}</div>'


def _row(row: Sequence[Piece], numbers: bool) -> str:
    if all(isinstance(piece, str) or piece.is_scalar for piece in row):
        return f'<div class="row"><span>{" ".join(map(_indexed, scalar_lines(row)))}</span></div>'
    first = row[0].text if isinstance(row[0], Operand) else str(row[0])
    parts = [f"<span>{_indexed(first)}</span>"]
    for piece in row[1:]:
        if piece == "=":
            parts.append("")
        parts[-1] += _value(piece, numbers)
    grouped = "".join(f'<span class="part">{part}</span>' for part in parts)
    return f'<div class="row">{grouped}</div>'


def _indexed(text: str) -> str:
    """Set what stands after a low line below the line, as far as it is an index."""
    return re.sub(r"_(a(?=C)|\w+…?\w*)", r"<sub>\1</sub>", escape(text))


def _value(piece: Piece, numbers: bool) -> str:
    if isinstance(piece, str):
        return f'<span class="tall">{piece}</span>' if piece in ("(", ")", "‖") else f"<span>{piece}</span>"
    if piece.value is None:
        return f"<span>{escape(piece.text)}</span>"
    if piece.is_scalar:
        return f"<span>{entry(piece.value[0, 0], piece.digits)}</span>"
    if not numbers:
        return f"<span>{escape(shape(piece))}</span>"
    rows = ("".join(f"<td>{entry(cell, piece.digits)}</td>" for cell in line) for line in piece.value)
    lines = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<span class="matrix"><table>{lines}</table></span>'
