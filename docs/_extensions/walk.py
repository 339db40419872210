"""The walk as a page of the site, ``walk/index.html``, with the library beside it as a wheel.

Its numbers were computed by the build. "Run live" loads Pyodide, which runs the library from the wheel: from another
host, whose files are known by their hashes, or from the site itself if ``walk_pyodide`` names a folder with a runtime
and its packages. The comment ``<!-- walk -->`` on a page becomes a link.
"""

from __future__ import annotations

import json
import shutil
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatchling.builders.wheel import WheelBuilder

import formulations as fm
from formulations.explanation.walk import as_page

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
PAGE = "walk/index.html"
HOME = '<nav style="padding: .75rem 1.5rem 0"><a href="../index.html">formulations: documentation</a></nav>\n'
VERSION = "314.0.7"
CDN = {
    "index": f"https://cdn.jsdelivr.net/npm/pyodide@{VERSION}/",
    "packages": f"https://cdn.jsdelivr.net/pyodide/v{VERSION}/full/",
    "size": "about 40 MB",
    # Of the files of the npm package; the lock file has those of the wheels of NumPy and SciPy.
    "hashes": {
        "pyodide.mjs": "sha256-bx1g979Sm+swDw9HmDySHTmCNjZAuiCvDjjv3dvGYQk=",
        "pyodide.asm.mjs": "sha256-983I7OgGeM63EvjmXr5tOoMgOhgMOZhl9JYSoFFpNjU=",
        "pyodide.asm.wasm": "sha256-zDbjyrBP38mmP/E+tS6uK5Eb9GwCXMeygfOUvT3h1eY=",
        "python_stdlib.zip": "sha256-+hlX5XdwaPxPdDf5bYYK4vvpwZcyugbITgBOwW3X3Xo=",
        "pyodide-lock.json": "sha256-XcL8EZEIvBSMdFfchudnW1yH4cr9QgucNMHq73s2wBA=",
    },
}
"""Where Pyodide is if the site does not have it."""
PACKAGES = ("numpy", "scipy")
SOURCE = {
    "text": "These numbers were computed when the site was built.",
    "live": False,
    "command": "formulations walk",
}


def write_page(folder: Path, *, pyodide: Path | None = None) -> Path:
    """Write the page, the wheel and, if there is one, the runtime into a folder.

    Parameters
    ----------
    folder : Path
        Made if it does not exist.
    pyodide : Path, optional
        A folder with Pyodide's runtime and the packages that its lock file names.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ValueError
        If the page of the library has no line for the link to the documentation.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wheel = Path(next(WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])))
    runtime = CDN if pyodide is None else copy_runtime(pyodide, folder / "pyodide")
    options = {
        "provider": "pyodide",
        "source": SOURCE,
        "pyodide": {**runtime, "wheel": wheel.name, "wheelHash": _hash(wheel)},
    }
    story = fm.explain(backends=["hadamard", "sigma"])
    page = as_page(story.to_dict(), options, fallback=story.html(fragment=True))
    head, body, rest = page.partition("<body>\n")
    if not body:
        raise ValueError("the page of a walk must have a line <body>, after which the link to the site belongs.")
    written = folder / "index.html"
    written.write_text(f"{head}{body}{HOME}{rest}", encoding="utf-8")
    return written


def copy_runtime(pyodide: Path, folder: Path) -> dict[str, Any]:
    """Copy the runtime, NumPy, SciPy and what they depend on, and return the options of the page."""
    lock = json.loads((pyodide / "pyodide-lock.json").read_text(encoding="utf-8"))
    wanted, files = list(PACKAGES), []
    for name in wanted:
        package = lock["packages"][name]
        files.append(package["file_name"])
        wanted += [each for each in package["depends"] if each not in wanted]
    core = [path.name for path in pyodide.glob("pyodide.*") if path.suffix in (".js", ".mjs", ".wasm")]
    folder.mkdir(exist_ok=True)
    copied = [*core, "python_stdlib.zip", "pyodide-lock.json", *files]
    for name in copied:
        shutil.copyfile(pyodide / name, folder / name)
    size = sum((folder / name).stat().st_size for name in copied)
    return {"index": "pyodide/", "size": f"{size / 1e6:.0f} MB"}


def _hash(path: Path) -> str:
    return f"sha256-{b64encode(sha256(path.read_bytes()).digest()).decode()}"


def add_links(app: Sphinx, docname: str, source: list[str]) -> None:
    """Write a link to the page in place of the comment."""
    up = "../" * docname.count("/")
    link = f'<p><a class="sd-btn sd-btn-primary" href="{up}{PAGE}">Open the walk</a></p>'
    source[0] = source[0].replace("<!-- walk -->", link)


def write_walk(app: Sphinx, failure: Exception | None) -> None:
    """Write the page after the others."""
    if failure is None and app.builder.format == "html":
        path = app.config.walk_pyodide
        write_page(Path(app.outdir, PAGE).parent, pyodide=None if path is None else Path(path))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.add_config_value("walk_pyodide", None, "html")
    app.connect("source-read", add_links)
    app.connect("build-finished", write_walk)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
