"""The documentation site: Sphinx over the pages that a forge shows as they are.

Build it with ``sphinx-build -W --keep-going docs site``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import formulations

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

project = "formulations"
author = "The formulations developers"
project_copyright = author
version = release = formulations.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_nb",
    "sphinx_design",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "api",
    "glossary",
    "mathml",
    "navigation",
    "records",
    "repository",
    "symbols",
    "walk",
]
# A folder with Pyodide's runtime and its wheels of NumPy and SciPy, for "Run live" without another host.
walk_pyodide = os.environ.get("FORMULATIONS_PYODIDE")
contents_pages = [
    "index",
    "how-to/index",
    "how-to/notebooks",
    "backends/index",
    "reference/index",
    "explanation/index",
    "project/index",
]
root_doc = "index"
exclude_patterns = [
    "_build",
    "_templates",
    "assignment/*.py",
    "conftest.py",
    "examples/*.ipynb",
    "examples/*.json",
    "examples/*.md5",
    "examples/*.py",
    "examples/*.zip",
    "gallery/*",
]
templates_path = ["_templates"]
nitpicky = True
pygments_style = "default"

# The notebooks are committed with their outputs; tests/docs/test_notebooks.py executes them and compares.
nb_execution_mode = "off"
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "dollarmath"]
# ```math is an equation on a forge, too.
myst_fence_as_directive = ["math"]
html_math_renderer = "mathml"

# The lists of names in reference/api.md; an autosummary makes the page of each in reference/api/.
autosummary_generate = ["reference/api.md"]
numpydoc_show_class_members = False
numpydoc_xref_param_type = True
# Only what api.py lists is linked.
numpydoc_xref_ignore = "all"
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css", "math.css", "api.css", "gallery.css"]
html_favicon = "_static/logo.svg"
html_show_sourcelink = False
html_copy_source = False
html_context = {"default_mode": "auto"}
html_sidebars = {"404": [], "examples/*": []}
html_theme_options = {
    "logo": {"image_light": "_static/logo.svg", "image_dark": "_static/logo.svg", "text": project},
    "header_links_before_dropdown": 8,
    "collapse_navigation": True,
    "show_toc_level": 2,
    "secondary_sidebar_items": {"**": ["page-toc"], "index": [], "404": []},
    "article_footer_items": [],
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
}

# The gallery's programs are in docs/gallery/; their pages are made in docs/examples/.
contents_elsewhere = {"gallery/README": "examples/index"}
sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "examples",
    "filename_pattern": "/plot_",
    "within_subsection_order": "gallery.Order",
    "reset_modules": ("matplotlib", "gallery.apply_style"),
    "plot_gallery": "True",
    # A page of the API shows the programs that use the name.
    "doc_module": ("formulations",),
    "backreferences_dir": "examples/backreferences",
    "abort_on_example_error": True,
    "capture_repr": (),
    "remove_config_comments": True,
    # 5 : 3, as the pictures are.
    "thumbnail_size": (700, 420),
    "download_all_examples": False,
    # A page is the same in each build.
    "min_reported_time": float("inf"),
    "write_computation_times": False,
    "show_memory": False,
    "show_signature": False,
}
