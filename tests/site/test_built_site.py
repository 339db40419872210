"""The built site: every link leads somewhere, nothing comes from another host, and no raw TeX is left."""

from __future__ import annotations

import os
import re
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from browser import served, watched
from built import BUILT, DOCS, SITE

import formulations as fm

PAGES = sorted(str(path.relative_to(SITE)) for path in SITE.rglob("*.html") if "_static" not in path.parts)

pytestmark = [pytest.mark.slow, BUILT]

PARTS = 4
WIDTHS = (1280, 390, 320)
# What the right edge of the window cuts off, and no scroll bar of its own brings back.
CUT_OFF = """() => {
  const inside = (element) => element.getBoundingClientRect().right <= innerWidth + 1;
  const cutOff = (element) => {
    if (inside(element) || !element.checkVisibility() || element.closest("dialog, svg, math")) return false;
    // The theme lets the whole article scroll.
    for (let each = element.parentElement; each && !each.matches(".bd-article-container"); each = each.parentElement)
      if (["auto", "scroll"].includes(getComputedStyle(each).overflowX) && inside(each)) return false;
    return true;
  };
  const shown = [...document.querySelectorAll(".bd-header *, .bd-article *, footer *, .walk *")];
  return shown.filter(cutOff).map((element) => element.outerHTML.slice(0, 80));
}"""
LOADED = re.compile(
    r"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\bsrc=\"([^\"]*)\"|<link\b[^>]*?\bhref=\"([^\"]*)\""
)
LINK = re.compile(r"<a\b[^>]*?\bhref=\"([^\"]*)\"")
NO_PROSE = re.compile(r"<(script|style|pre|code|math|head)\b.*?</\1>", re.DOTALL)
TEX = re.compile(r"\\[a-zA-Z]{2,}|\\[()\[\]]|\$[^$\s][^$]*\$|[\^_]\{")


def loaded(text):
    """Return the addresses of what a page loads."""
    return [address for pair in LOADED.findall(text) for address in pair if address and not address.startswith("data:")]


@pytest.fixture(scope="module")
def texts():
    return {page: (SITE / page).read_text(encoding="utf-8") for page in PAGES}


@pytest.fixture(scope="module")
def anchors(texts):
    return {page: set(re.findall(r"\bid=\"([^\"]*)\"", text)) for page, text in texts.items()}


def test_it_has_its_pages():
    wanted = [
        "index.html",
        "404.html",
        "search.html",
        "tutorial.html",
        "backends/hadamard.html",
        "reference/glossary.html",
    ]
    wanted += [f"{page.relative_to(DOCS).with_suffix('.html')}" for page in DOCS.glob("*/*.md")]
    assert [page for page in wanted if page not in PAGES] == []


def test_every_link_and_anchor_leads_somewhere(texts, anchors):
    dead = []
    for page, text in texts.items():
        for href in {*LINK.findall(text), *loaded(text)}:
            url = urlsplit(unescape(href))
            if not href or url.scheme or url.netloc:
                continue
            target = os.path.normpath(Path(page).parent / unquote(url.path)) if url.path else page
            anchor = unquote(url.fragment)
            if not (SITE / target).is_file() or (anchor and anchor not in anchors.get(target, {anchor})):
                dead.append(f"{page} -> {href}")
    assert dead == []


@pytest.mark.parametrize("name", fm.list_backends())
def test_the_page_of_a_backend_links_to_its_source(texts, name):
    assert re.search(rf'href="[^"]*formulations/backends/{name}\.py(\.html)?"', texts[f"backends/{name}.html"])


def test_nothing_is_loaded_from_another_host(texts):
    foreign = [f"{page}: {address}" for page, text in texts.items() for address in loaded(text) if "//" in address]
    styles = {path: path.read_text(encoding="utf-8") for path in SITE.rglob("*.css")}
    foreign += [
        f"{path}: {address}"
        for path, text in styles.items()
        for address in re.findall(r"(?:url\(|@import )[\"']?((?:https?:)?//[^\"')]*)", text)
    ]
    assert styles
    assert foreign == []


def test_no_raw_tex_is_left(texts):
    left = [f"{page}: {tex}" for page, text in texts.items() for tex in TEX.findall(unescape(NO_PROSE.sub("", text)))]
    assert left == []


@pytest.fixture(scope="module")
def address():
    with served(SITE) as url:
        yield url


@pytest.mark.parametrize("part", range(PARTS))  # for processes that share the pages
def test_no_page_asks_another_host_logs_an_error_or_scrolls_sideways(browser, address, part):
    wide = []
    with watched(browser, address) as page:
        for name in PAGES[part::PARTS]:
            page.goto(address + name, wait_until="load")
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 800})
                wide += [f"{name} at {width}: {element}" for element in page.evaluate(CUT_OFF)]
    assert wide == []


def test_search_finds_the_hadamard_product_without_a_network(browser, address):
    with watched(browser, address) as page:
        page.goto(address + "search.html?q=hadamard")
        page.wait_for_selector("#search-results ul.search li")
        found = page.locator("#search-results ul.search li a").all_inner_texts()
    assert "hadamard" in found
