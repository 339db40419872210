"""Draw the pictures of the site's first page and of the README: ``python docs/pictures.py [--site FOLDER]``.

``docs/images/one-gradient.svg`` shows one error δ² computed three ways, with the library's numbers. With
``--site``, Chromium also photographs a built site and the walk: ``docs/images/site.png`` and
``docs/images/walk.png``.
"""

from __future__ import annotations

import argparse
from html import escape
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

import numpy as np

import formulations as fm

IMAGES = Path(__file__).parent / "images"
CELL_WIDTH, CELL_HEIGHT, ROW_HEIGHT = 54, 30, 150

STYLE = """
    .card { fill: #ffffff; }
    .edge { fill: none; stroke: #4a5a70; stroke-width: 1.5; }
    .zero { fill: none; stroke: #9aa7b8; stroke-dasharray: 2 4; }
    .plus { fill: #2f7fd1; } .minus { fill: #d9730d; } .cell { stroke: #9aa7b8; stroke-width: 0.5; }
    text { fill: #1c2430; font-family: system-ui, "DejaVu Sans", sans-serif; font-size: 14px; text-anchor: middle; }
    .start { text-anchor: start; }
    .name { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-weight: bold; font-size: 17px; }
    .sign { font-size: 20px; }
    .small, .nil { fill: #46536a; }
    .nil { font-size: 12px; opacity: 0.6; }
    @media (prefers-color-scheme: dark) {
      .card { fill: #12161c; }
      .edge { stroke: #93a5bf; }
      .plus { fill: #4d9bea; } .minus { fill: #f08a24; }
      text { fill: #e8edf4; }
      .small, .nil { fill: #b4c1d3; }
    }
"""


X, Y = [[1, 1]], [[1, 0]]


def network() -> fm.Network:
    """Return the network of the tutorial."""
    return fm.Network(
        weights=[[[1, -1], [2, 0], [0, 1]], [[1, -2, 0], [0, 1, 1]]], biases=[[0, 0, -1], [0, 1]], activations="sigmoid"
    )


def number(value: float) -> str:
    """Return a number as it stands in a cell."""
    text = f"{value:.0f}" if value == round(value) else f"{value:.3f}"
    return text.replace("-", "−")


def matrix(values: np.ndarray, label: str, x: float, middle: float, largest: float) -> tuple[str, float]:
    """Draw a matrix with its left edge at x; return it and its width."""
    rows, columns = values.shape
    top = middle - rows * CELL_HEIGHT / 2
    width = columns * CELL_WIDTH
    parts = []
    for (j, k), value in np.ndenumerate(values):
        left, up = x + k * CELL_WIDTH, top + j * CELL_HEIGHT
        box = f'x="{left:g}" y="{up:g}" width="{CELL_WIDTH}" height="{CELL_HEIGHT}"'
        centre = f'x="{left + CELL_WIDTH / 2:g}" y="{up + CELL_HEIGHT / 2 + 5:g}"'
        if value == 0:
            parts += [f'<rect class="zero" {box}/>', f'<text class="nil" {centre}>0</text>']
        else:
            sign, shade = "plus" if value > 0 else "minus", 0.12 + 0.38 * abs(value) / largest
            parts += [
                f'<rect class="cell {sign}" fill-opacity="{shade:.2f}" {box}/>',
                f"<text {centre}>{number(value)}</text>",
            ]
    bottom = top + rows * CELL_HEIGHT
    for side, inward in ((x - 4, 6), (x + width + 4, -6)):
        parts.append(
            f'<path class="edge" d="M{side + inward:g} {top - 3:g}H{side:g}V{bottom + 3:g}H{side + inward:g}"/>'
        )
    parts.append(f'<text class="small" x="{x + width / 2:g}" y="{bottom + 24:g}">{escape(label)}</text>')
    return "".join(parts), width


def three_formulations() -> str:
    """Return the picture of δ² by three formulations, as SVG."""
    net = network()
    tape = net.forward(X, Y)
    slope2, slope3 = (slopes.T for slopes in tape.slopes)
    weights, cost_gradient = net.weights[1].T, tape.cost_gradient.T
    rows = []
    for name, equation, factors in (
        ("hadamard", "(BP2)", [(weights, "(w³)ᵀ"), "δ³", "⊙", (slope2, "σ′(z²)")]),
        ("sigma", "(34)", [(np.diag(slope2[:, 0]), "Σ′(z²)"), (weights, "(w³)ᵀ"), "δ³"]),
        (
            "product",
            "(35)",
            [
                (np.diag(slope2[:, 0]), "Σ′(z²)"),
                (weights, "(w³)ᵀ"),
                (np.diag(slope3[:, 0]), "Σ′(z³)"),
                (cost_gradient, "∇ₐC"),
            ],
        ),
    ):
        gradient = fm.gradient(net, X, Y, backend=name)
        delta2, delta3 = (errors.T for errors in gradient.errors)
        parts = [(delta2, "δ²"), "="] + [(delta3, "δ³") if part == "δ³" else part for part in factors]
        rows.append((name, equation, parts))
    drawn = []
    for i, (name, equation, parts) in enumerate(rows):
        middle = 62 + i * ROW_HEIGHT
        drawn.append(f'<text class="start name" x="20" y="{middle:g}">{name}</text>')
        drawn.append(f'<text class="start small" x="20" y="{middle + 22:g}">equation {equation}</text>')
        x = 170.0
        for part in parts:
            if isinstance(part, str):
                drawn.append(f'<text class="sign" x="{x + 4:g}" y="{middle + 7:g}">{part}</text>')
                x += 28
            else:
                values, label = part
                picture, width = matrix(values, label, x, middle, float(np.abs(values).max()))
                drawn.append(picture)
                x += width + 24
    height = 3 * ROW_HEIGHT - 4
    box = f'viewBox="0 0 806 {height}" role="img" aria-labelledby="title desc"'
    return f"""<svg xmlns="http://www.w3.org/2000/svg" {box}>
  <title id="title">One error, three formulations</title>
  <desc id="desc">The error of layer 2 of a network with 2, 3 and 2 neurons, as Hadamard products compute it, as
  products with the diagonal matrix of slopes, and as one product of matrices. The three results are equal.</desc>
  <style>{STYLE}</style>
  <rect class="card" width="806" height="{height}" rx="10"/>
  {chr(10).join(drawn)}
</svg>
"""


def photograph(site: Path) -> None:
    """Photograph the site's first page, and the walk with a mistake planted."""
    from playwright.sync_api import sync_playwright

    story = fm.explain(network(), X, Y, backends=["hadamard", "sigma"])
    with TemporaryDirectory() as folder, sync_playwright() as driver:
        walk = Path(folder) / "walk.html"
        walk.write_text(story.html(), encoding="utf-8")
        browser = driver.chromium.launch(executable_path=which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 860})
        page.goto((site / "index.html").resolve().as_uri())
        page.screenshot(path=IMAGES / "site.png")
        page.goto(walk.as_uri())
        # The step that carries the error back: (BP2) beside (34).
        page.locator("[data-step]", has_text="BP2").first.click()
        page.screenshot(path=IMAGES / "walk.png")
        browser.close()


def main() -> None:
    """Draw the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--site", type=Path, help="folder of the built site, to photograph it")
    site = parser.parse_args().site
    (IMAGES / "one-gradient.svg").write_text(three_formulations(), encoding="utf-8")
    if site:
        photograph(site)


if __name__ == "__main__":
    main()
