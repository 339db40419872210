"""The page of the walk in a browser: stepping, pointing, keys, small screens, and changes that the library answers."""

import json
import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import formulations as fm
from formulations.explanation.walk import answer
from formulations.explanation.walk.page import bundle, stylesheet

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright drives the browser (extra browser)")
pytestmark = pytest.mark.slow

HOST = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>A walk</title><style>{style}</style></head>
<body><main id="walk"></main><script type="module">{script}
const request = (body) => window.sent(body) ?? window.compute(body);
const first = {document};
walk(document.getElementById("walk"), {{ document: first, request: {request}, source: {source} }});
</script></body></html>"""
NETWORK = {
    "activations": ["sigmoid", "sigmoid"],
    "cost": "quadratic",
    "weights": [[[0.5, -0.25], [1.0, 0.75], [-0.5, 0.25]], [[0.5, -1.0, 0.25], [-0.75, 0.5, 1.0]]],
    "biases": [[0.25, -0.5, 0.1], [0.2, -0.3]],
    "X": [[0.5, 1.0]],
    "Y": [[0.0, 1.0]],
    "backends": ["hadamard", "sigma"],
    "fault": None,
}


@pytest.fixture
def visit(browser, tmp_path) -> Iterator[Callable[..., Any]]:
    """Open a page; afterwards, nothing was asked of another host and nothing was written to the console."""
    noise: list[str] = []
    contexts = []

    def open_page(content: str, *, script: str = "", **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(5000)
        file = tmp_path / f"page{len(contexts)}.html"
        file.write_text(content, encoding="utf-8")
        page.on("console", lambda message: noise.append(message.text))
        page.on("pageerror", lambda error: noise.append(str(error)))
        page.on("request", lambda request: None if request.url == file.as_uri() else noise.append(request.url))
        page.expose_function("compute", answer)
        page.add_init_script("window.bodies = []; window.sent = (body) => { bodies.push(body); };" + script)
        page.goto(file.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert noise == []


def document_of(**changes: Any) -> dict[str, Any]:
    found = answer({"version": 1, "scene": NETWORK | changes, "action": None})
    assert "error" not in found, found
    return found


def static(document: dict[str, Any]) -> str:
    source = {"text": "From a file.", "live": False, "command": "formulations walk"}
    return host(document, "null", source)


def live(document: dict[str, Any]) -> str:
    return host(document, "request", {"text": "From the library.", "live": True, "command": None})


def host(document: dict[str, Any], request: str, source: dict[str, Any]) -> str:
    plain = (json.dumps(each).replace("<", "\\u003c") for each in (document, source))
    shown, told = plain
    return HOST.format(style=stylesheet(), script=bundle("walk.js"), document=shown, request=request, source=told)


def go(page: Any, stop: int) -> None:
    page.locator("[data-step]").nth(stop).click()


def stop_of(page: Any, equation: str, mark: str) -> int:
    """Return the number of the stop with an equation and a symbol such as δ²."""
    texts = page.locator("[data-step]").all_inner_texts()
    return next(i for i, text in enumerate(texts) if text.split() == [mark, equation])


def lit(page: Any, pane: str, *, exact: bool = False) -> set[tuple[str, str, str]]:
    kind = ".exact" if exact else ".lit"
    found = page.locator(f"[data-pane={pane}] {kind}[data-name]").evaluate_all(
        "all => all.map(({ dataset: d }) => [d.name, d.layer ?? '', d.index ?? ''])"
    )
    return {tuple(each) for each in found}


def overflow(page: Any) -> float:
    return float(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def violations(page: Any) -> list[str]:
    axe = pytest.importorskip("axe_playwright_python", reason="accessibility is checked by axe-core")
    page.evaluate(Path(axe.__file__).with_name("axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
    return [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]


# Stepping and pointing


def test_the_buttons_keys_and_timeline_step(visit):
    page = visit(static(document_of()))
    count = page.locator("[data-step]").count()

    def current() -> int:
        return int(page.locator("[aria-current=step]").get_attribute("data-step"))

    assert current() == 0
    assert page.locator("[data-do=back]").get_attribute("aria-disabled") == "true"
    page.keyboard.press("ArrowLeft")
    assert current() == 0
    page.click("[data-do=forward]")
    assert current() == 1
    page.keyboard.press("ArrowRight")
    assert current() == 2
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("p")
    assert current() == 0
    page.click("[data-do=last]")
    assert current() == count - 1
    page.click("[data-do=first]")
    assert current() == 0
    go(page, 4)
    assert current() == 4
    # The focus follows the stops, of which the current one alone is in its order.
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.dataset.step") == "5"
    assert page.locator("[data-step][tabindex='0']").count() == 1
    page.keyboard.press("ArrowLeft")
    assert "Step 5 of" in page.inner_text("[data-pane=equation]")


def test_the_stops_go_from_the_forward_pass_through_bp1_to_bp4(visit):
    page = visit(static(document_of()))
    marks = [tuple(text.split()) for text in page.locator("[data-step]").all_inner_texts()]
    assert marks == [
        ("a²", "25"), ("a³", "25"), ("C", "27"), ("δ³", "BP1a"), ("δ²", "BP2"),
        ("∂C/∂b²", "BP3"), ("∂C/∂w²", "BP4"), ("∂C/∂b³", "BP3"), ("∂C/∂w³", "BP4"),
    ]  # fmt: skip


def test_the_page_that_the_library_writes_is_a_walk(visit):
    page = visit(fm.explain(backends=["hadamard", "sigma"]).html())
    assert page.locator("[data-pane]").count() == 3
    go(page, stop_of(page, "BP2", "δ²"))
    assert "(34)" in page.inner_text("[data-pane=equation]")
    text = f"formulations {fm.__version__} computed these numbers when it wrote the page."
    assert page.inner_text("[data-source]") == text


def test_two_walks_on_one_page_are_independent(visit):
    walks = 'walk(document.body.appendChild(document.createElement("div")), {'
    page = visit(
        static(document_of()).replace("</script></body>", walks + "document: first, source: {} });</script></body>")
    )
    assert page.locator("h1").count() == 1
    page.locator(".walk").nth(1).locator("[data-do=forward]").click()
    current = page.locator("[aria-current=step]")
    assert [current.nth(i).get_attribute("data-step") for i in range(2)] == ["0", "1"]
    page.locator(".walk").nth(1).locator("[data-colour=z]").check()
    assert page.locator("[data-colour]:checked").evaluate_all("all => all.map((e) => e.value)") == ["step", "z"]
    # The second one stands in no landmark of this page.
    assert [each for each in violations(page) if not each.startswith("region")] == []


@pytest.mark.parametrize("pane", ["network", "matrices"])
def test_pointing_at_an_error_lights_its_row_its_symbol_and_its_edges(visit, pane):
    page = visit(static(document_of()))
    go(page, stop_of(page, "BP2", "δ²"))
    page.locator(f"[data-pane={pane}] [data-name=delta][data-layer='2'][data-index='3']").last.hover()
    network = lit(page, "network")
    assert {("w", "3", "1,3"), ("w", "3", "2,3")} == {each for each in network if each[0] == "w"}
    assert lit(page, "network", exact=True) == {("delta", "2", "3")}
    assert lit(page, "equation") == {("delta", "2", "")}
    assert lit(page, "matrices") == {
        ("delta", "2", ""), ("delta", "2", "3"), ("slope", "2", "3"), ("w", "3", "1,3"), ("w", "3", "2,3"),
        ("Sigma", "2", "3,1"), ("Sigma", "2", "3,2"),
    }  # fmt: skip
    assert "error of neuron 3 in layer 2" in page.inner_text(".readout")
    page.mouse.move(1, 1)
    assert not lit(page, "network") and not lit(page, "equation") and not lit(page, "matrices")


def test_pointing_at_a_symbol_lights_it_everywhere_and_a_click_keeps_it(visit):
    page = visit(static(document_of()))
    go(page, stop_of(page, "BP4", "∂C/∂w²"))
    page.locator("[data-pane=network] [data-edge].hit[data-layer='2'][data-index='3,1']").dispatch_event("click")
    assert ("w", "2", "3,1") in lit(page, "network", exact=True)
    assert lit(page, "equation") == {("dw", "2", "")}
    near = page.locator("[data-pane=matrices] td.near").evaluate_all(
        "all => all.map((e) => e.dataset.name + e.dataset.index)"
    )
    assert near == ["delta3", "a1"]
    page.keyboard.press("Escape")
    assert not lit(page, "network")
    page.locator("[data-pane=equation] mrow[data-name=a]").hover()
    assert ("a", "1", "") in lit(page, "equation")


def test_the_readout_tells_the_number_of_the_entry_that_is_pointed_at(visit):
    document = document_of(
        fault={"name": "sign_in_layer", "layer": 2}, X=[[0.5, 1.0], [0.25, -1.0]], Y=[[0, 1], [1, 0]]
    )
    page = visit(static(document))
    go(page, stop_of(page, "BP2", "δ²"))
    cells = page.locator("[data-pane=matrices] td[data-name=delta][data-layer='2'][data-index='1']")
    values = cells.evaluate_all("all => all.map((cell) => cell.dataset.value)")
    # Two columns, each with two examples.
    assert len(set(values)) == 4
    for cell, value in zip(cells.all(), values, strict=True):
        cell.hover()
        assert f"= {value} ·".replace("-", "−") in page.inner_text(".readout")


def test_the_zeros_of_sigma_are_visible_and_faint(visit):
    page = visit(static(document_of()))
    go(page, stop_of(page, "BP2", "δ²"))
    zeros = page.locator("[data-pane=matrices] td.zero")
    assert zeros.all_inner_texts() == ["0"] * 6
    colour = "element => getComputedStyle(element).color"
    others = page.locator("[data-pane=matrices] td:not(.zero)").first
    assert zeros.first.evaluate(colour) != others.evaluate(colour)


def test_the_paths_and_the_moved_weights_light_one_by_one(visit):
    page = visit(static(document_of(backends=["path_sum", "finite_difference"])))
    stops = page.locator("[data-step]").all_inner_texts()
    go(page, next(i for i, text in enumerate(stops) if "53" in text.split()))
    page.click("[data-do=line]")
    assert {each for each in lit(page, "network") if each[0] == "w"} == {("w", "2", "1,1"), ("w", "3", "1,1")}
    page.click("[data-do=line]")
    assert {each for each in lit(page, "network") if each[0] == "w"} == {("w", "2", "1,1"), ("w", "3", "2,1")}
    go(page, next(i for i, text in enumerate(stops) if "46" in text.split()))
    for index in ("1,1", "1,2", "2,1"):
        page.click("[data-do=line]")
        assert page.locator("[data-pane=network] .edge.moved").get_attribute("data-index") == index


# Numbers


PAIRS = [
    ("hadamard", "sigma"),
    ("product", "per_neuron"),
    ("path_sum", "finite_difference"),
    ("homogeneous", "tangent"),
]


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_the_numbers_on_the_page_are_those_of_the_document(visit, pair):
    document = document_of(backends=list(pair))
    page = visit(static(document))
    shown = []
    for _ in range(page.locator("[data-step]").count()):
        shown += page.locator("[data-pane=matrices] td").evaluate_all(
            "all => all.map((e) => [Number(e.dataset.value), e.textContent])"
        )
        page.keyboard.press("ArrowRight")
    expected = [
        entry
        for stage in document["stages"]
        for column in (stage["columns"][:1] if stage["shared"] else stage["columns"])
        for step in column
        for row in step["rows"]
        for piece in row[1:]
        if piece.get("value") and piece["kind"] != "scalar"
        for line in piece["value"]
        for entry in line
    ]
    assert sorted(value for value, _ in shown) == sorted(expected)
    for value, text in shown:
        assert text.replace("−", "-") == f"{value:.4g}", value
    drawn = page.locator("[data-pane=network] [data-entry]").evaluate_all(
        "all => all.map(({ dataset: d }) => [d.name, Number(d.layer), d.index.split(',').map(Number), Number(d.value)])"
    )
    for name, layer, index, value in drawn:
        values = np.array(document["scene"]["Y"]).T if name == "y" else np.array(document["layers"][layer - 1][name])
        assert value == values[(index[0] - 1, index[1] - 1 if len(index) > 1 else 0)], (name, layer, index)


SMALL = {
    "weights": [[[0.5, -0.25], [1.0, 0.75], [-0.5, 0.25]], [[-0.0123456, -1.0, 0.25], [-0.75, 0.5, 1.0]]],
    "biases": [[9.1, -7.5, 25.3], [0.2, -0.3]],
}


@pytest.mark.parametrize("changes", [{}, SMALL, SMALL | {"X": [[-0.000321, 0.00021]]}])
def test_no_number_leaves_its_node_and_no_two_labels_overlap(visit, changes):
    page = visit(static(document_of(**changes)))
    go(page, stop_of(page, "BP4", "∂C/∂w³"))
    outside, crossed = page.evaluate(
        """() => {
            const box = (element) => element.getBoundingClientRect();
            const outside = [...document.querySelectorAll("[data-neuron]")].flatMap((node) => {
                const body = box(node.querySelector(".body"));
                return [...node.querySelectorAll(".number")].filter((number) =>
                    box(number).right > body.right - 4 || box(number).left < body.left + 4);
            });
            const labels = [...document.querySelectorAll(".tag:not(.quiet) .number")].map((each) => [each, box(each)]);
            // Letters reach neither the top nor the bottom of the box of their line.
            const crossed = labels.flatMap(([one, first], i) => labels.slice(i + 1).filter(([, other]) =>
                first.left < other.right && other.left < first.right
                && first.top + 3 < other.bottom - 3 && other.top + 3 < first.bottom - 3,
            ).map(([other]) => `${one.textContent} ${other.textContent}`));
            return [outside.map((each) => each.textContent), crossed];
        }"""
    )
    assert outside == []
    assert crossed == []
    assert page.locator(".tag:not(.quiet) .number.dw").count() == 6


def test_a_full_number_stands_in_the_title(visit):
    document = document_of()
    page = visit(static(document))
    cell = page.locator("[data-pane=matrices] td[data-name=a][data-layer='2'][data-index='1']")
    value = document["layers"][1]["a"][0][0]
    assert cell.get_attribute("title") == f"a²₁ = {value!r}"


# Keyboard, screens, colours, accessibility


def test_the_keyboard_alone_reaches_everything(visit):
    page = visit(static(document_of()))
    go(page, stop_of(page, "BP2", "δ²"))
    page.locator("[data-colour=step]").focus()
    page.keyboard.press("Tab")
    focused = "() => [document.activeElement.dataset.name, document.activeElement.dataset.index]"
    assert page.evaluate(focused) == ["a", "1"]
    page.keyboard.press("End")
    assert page.evaluate(focused) == ["y", "2"]
    page.keyboard.press("Home")
    for _ in range(40):
        if page.evaluate('document.activeElement.matches(\'[data-name=delta][data-layer="2"][data-index="3"]\')'):
            break
        page.keyboard.press("ArrowRight")
    assert lit(page, "network", exact=True) == {("delta", "2", "3")}
    assert lit(page, "equation") == {("delta", "2", "")}
    page.keyboard.press("n")
    assert page.locator("[aria-current=step]").inner_text().split() == ["∂C/∂b²", "BP3"]
    page.locator("[data-pane=matrices] td").first.focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == ["db", "2"]
    page.locator("[role=tab]").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("[role=tabpanel]:visible").get_attribute("data-panel") == "descend"


@pytest.mark.parametrize("changes", [{}, {"backends": ["path_sum", "finite_difference"]}], ids=["2-3-2", "paths"])
def test_a_screen_of_320_pixels_is_enough(visit, changes):
    page = visit(static(document_of(**changes)), viewport={"width": 320, "height": 640})
    for _ in range(page.locator("[data-step]").count()):
        assert overflow(page) <= 0
        page.keyboard.press("ArrowRight")
    boxes = [page.locator(f"[data-pane={name}]").bounding_box() for name in ("network", "equation", "matrices")]
    assert boxes[0]["y"] + boxes[0]["height"] <= boxes[1]["y"] < boxes[2]["y"]
    for name in ("change", "break", "descend"):
        page.click(f"[data-tab={name}]")
        assert overflow(page) <= 0
    small = page.locator(".walk button:visible").evaluate_all(
        "all => all.map((e) => e.getBoundingClientRect()).filter((r) => Math.min(r.width, r.height) < 24).length"
    )
    assert small == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", [static, live])
def test_axe_finds_nothing(visit, scheme, kind):
    page = visit(kind(document_of()), color_scheme=scheme, reduced_motion="reduce")
    go(page, stop_of(page, "BP2", "δ²"))
    page.evaluate("document.querySelectorAll('[role=tabpanel]').forEach((panel) => { panel.hidden = false; })")
    page.locator("[data-pane=matrices] td[data-name=delta]").last.hover()
    assert violations(page) == []


def test_the_colours_follow_the_scheme_of_the_reader_and_of_the_page(visit):
    content = static(document_of())
    colour = "getComputedStyle(document.querySelector('.walk')).backgroundColor"
    light = visit(content).evaluate(colour)
    page = visit(content, color_scheme="dark")
    dark = page.evaluate(colour)
    assert light != dark
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    assert page.evaluate(colour) == light


def test_reduced_motion_stops_every_animation(visit):
    content = static(document_of())
    moving = "document.getAnimations().filter((each) => each instanceof CSSAnimation).length"
    assert visit(content).evaluate(moving) > 0
    assert visit(content, reduced_motion="reduce").evaluate(moving) == 0


# What a page cannot show


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "version 1 .* got version 2"),
        ({"format": "other"}, 'format formulations-walk, and got "other"'),
    ],
)
def test_another_version_is_refused_in_one_sentence(visit, change, said):
    page = visit(static(document_of() | change))
    sync_api.expect(page.locator("[role=alert]")).to_contain_text(re.compile(said))
    assert page.locator("[data-pane]").count() == 0


KEYS = [*json.loads(files("formulations.explanation.walk").joinpath("assets", "schema.json").read_text())["required"]]


def test_a_document_without_a_part_is_refused_by_name(visit):
    document = document_of()
    page = visit(static(document))
    page.add_script_tag(content=f"{bundle('walk.js')}; window.show = walk;", type="module")
    page.wait_for_function("Boolean(window.show)")
    for key in KEYS[2:]:
        damaged = {name: value for name, value in document.items() if name != key}
        page.evaluate(
            """(found) => {
            document.body.innerHTML = "<main></main>";
            show(document.querySelector("main"), { document: found });
        }""",
            damaged,
        )
        said = page.locator("[role=alert]").all_inner_texts()
        assert len(said) == 1 and f"has no {key};" in said[0] and "formulations explain --html" in said[0]
        assert page.locator("main > *").count() == 1


def cut_off(at: str) -> Callable[[str], str]:
    return lambda page: page[: page.index(at) + len(at)]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda page: page.replace('"cost":', '"cost":NaN,"price":'), "not JSON"),
        (cut_off('"stages":[{"title"'), "not JSON"),
        (cut_off("<noscript>"), "cut off"),
        (lambda page: page.replace('"stages":[', '"stages":[{"columns":null},'), "cannot be drawn"),
        (lambda page: page.replace('"layers":[', '"layers":null,"other":['), "cannot be drawn"),
    ],
    ids=["NaN", "cut in the document", "cut before it", "a stage", "layers"],
)
def test_a_damaged_page_says_so_and_nothing_else(browser, tmp_path, damage, said):
    file = tmp_path / "page.html"
    file.write_text(damage(fm.explain().html()), encoding="utf-8")
    page = browser.new_page()
    page.goto(file.as_uri())
    (alert,) = page.locator("[role=alert]").all_inner_texts()
    assert said in alert and "write the page again with “formulations explain --html”" in alert
    assert page.locator("main > *").count() == 1
    page.close()


def test_a_browser_without_mathml_gets_text(visit):
    page = visit(static(document_of()), script="delete window.MathMLElement;")
    go(page, stop_of(page, "BP2", "δ²"))
    assert "This browser does not show MathML" in page.inner_text(".masthead")
    assert page.locator("math").count() == 0
    assert "δ² = ((w³)ᵀ δ³) ⊙ σ′(z²)" in " ".join(
        page.inner_text("[data-pane=equation]").replace("( ", "(").replace(" )", ")").split()
    )


def test_a_large_network_is_drawn_by_layer_with_the_reason(visit):
    random = np.random.default_rng(0)
    net = fm.Network.random([784, 30, 10], seed=0)
    document = fm.explain(net, random.random((2, 784)), random.random((2, 10)), ["hadamard", "sigma"]).to_dict()
    page = visit(static(document), viewport={"width": 320, "height": 640})
    assert page.locator("[data-pane=network] .block").all_text_contents() == ["784", "30", "10"]
    assert "784 neurons" in page.inner_text(".readout")
    go(page, stop_of(page, "BP2", "δ²"))
    assert "30 × 10" in page.inner_text("[data-pane=matrices]")
    assert overflow(page) <= 0
    assert violations(page) == []


def test_a_name_with_markup_is_text(visit):
    bad = "<script>window.bad = 1</script><img src='x' onerror='window.bad = 1'/>"
    document = document_of()
    document["title"] = document["notes"][0] = document["scene"]["activations"][0] = bad
    document["layers"][1]["activation"] = document["curves"][0]["activation"] = bad
    for stage in document["stages"]:
        for step in (step for column in stage["columns"] for step in column):
            step["says"] = bad
            step["symbols"][0] |= {"mathml": f"<mi onclick='window.bad = 1'>x</mi>{bad}", "symbol": bad}
    page = visit(static(document))
    assert page.inner_text("h1") == bad
    for _ in range(page.locator("[data-step]").count()):
        page.keyboard.press("ArrowRight")
    assert page.evaluate("window.bad") is None
    assert page.locator(".walk :is(script, img, [onclick])").count() == 0


# What is disabled, and what the library answers


def test_a_page_without_a_library_says_by_which_command_it_gets_one(visit):
    page = visit(static(document_of()))
    assert "run formulations walk" in page.inner_text(".readout")
    assert page.locator("[data-move], [role=spinbutton], [role=slider]").count() == 0
    page.click("[data-tab=change]")
    assert page.locator("[data-panel=change] :enabled:is(select, input, button)").count() == 0
    assert page.inner_text("[data-source]") == "From a file."
    assert page.locator("[data-do=undo]").is_hidden()


def actions(page: Any) -> list[Any]:
    return page.evaluate("bodies.map(({ action }) => action)")


def entry(page: Any, name: str, layer: int, index: str) -> Any:
    return page.locator(
        f"[data-pane=network] [data-entry][data-name={name}][data-layer='{layer}'][data-index='{index}']"
    )


MOVABLE = [("w", "w", 2, "3,1"), ("b", "b", 2, "1"), ("z", "z", 3, "2"), ("a", "x", 1, "2"), ("y", "y", 3, "1")]


def test_dragging_moves_a_number(visit):
    page = visit(live(document_of()))
    for name, quantity, layer, index in MOVABLE:
        moved = entry(page, name, layer, index)
        before = float(moved.get_attribute("data-value"))
        box = moved.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 40, y, steps=3)
        page.mouse.up()
        value = round(before + 0.4, 3)
        sync_api.expect(moved).to_have_attribute("aria-valuenow", re.compile(f"^{value:g}"))
        place = {"quantity": quantity, "layer": layer, "index": [int(i) for i in index.split(",")]}
        assert actions(page)[-1] == {"name": "move", **place, "value": value}
        # All moves of one drag are one scene to undo.
        page.click("[data-do=undo]")
        assert float(moved.get_attribute("data-value")) == before
        assert page.locator("[data-do=undo]").is_disabled()


def test_dragging_an_edge_moves_its_weight(visit):
    page = visit(live(document_of()))
    box = page.locator("[data-edge].hit[data-layer='2'][data-index='3,1']").bounding_box()
    # The edge falls from its first end to its last; its weight is written farther on.
    x, y = box["x"] + box["width"] / 10, box["y"] + box["height"] / 10
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - 30, steps=3)
    page.mouse.up()
    sync_api.expect(entry(page, "w", 2, "3,1")).to_have_attribute("data-value", "-0.2")
    assert actions(page)[-1]["index"] == [3, 1]


def test_keys_move_a_number_and_stay_on_it(visit):
    page = visit(live(document_of()))
    weight = entry(page, "w", 2, "3,1")
    weight.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("PageDown")
    sync_api.expect(weight).to_have_attribute("aria-valuenow", "-1.3")
    assert weight.evaluate("element => element === document.activeElement")
    assert weight.get_attribute("role") == "spinbutton"


def test_a_neuron_dies_when_its_z_is_dragged_out(visit):
    page = visit(live(document_of()))
    handle = page.locator(".handle")
    box = handle.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 900, box["y"] + box["height"] / 2, steps=3)
    page.mouse.up()
    page.check("[data-colour=delta]")
    delta = entry(page, "delta", 2, "1")
    page.wait_for_function("document.querySelector('[data-entry][data-name=z][data-layer=\"2\"]').dataset.value > 5")
    value = float(delta.get_attribute("data-value"))
    slope = float(entry(page, "slope", 2, "1").get_attribute("data-value"))
    # δ²₁ is σ′(z²₁) Σ_j w³_j1 δ³_j with |δ³_j| = |a − y| σ′(z³_j), where |a − y| is at most 1, and σ′ at most ¼.
    assert abs(value) <= slope * sum(abs(row[0]) for row in document_of()["scene"]["weights"][1]) / 4
    z = float(entry(page, "z", 2, "1").get_attribute("data-value"))
    assert slope <= np.exp(-z)
    assert "dead" in page.locator("[data-neuron][data-layer='2'][data-index='1']").get_attribute("class")
    handle.focus()
    page.keyboard.press("ArrowLeft")
    sync_api.expect(page.locator(".handle")).to_be_focused()
    assert actions(page)[-1]["quantity"] == "z"


def test_the_newest_request_wins_and_the_page_stays_usable(visit):
    hold = "window.held = []; window.sent = (body) => (bodies.push(body), new Promise((done) => held.push(done)));"
    page = visit(live(document_of()), script=hold)
    weight = entry(page, "w", 2, "1,1")
    weight.focus()
    for _ in range(3):
        page.keyboard.press("ArrowUp")
    assert [action["value"] for action in actions(page)] == [0.6]
    assert page.locator(".walk").get_attribute("aria-busy") == "true"
    page.keyboard.press("n")
    assert page.locator("[aria-current=step]").get_attribute("data-step") == "1"
    page.evaluate("async () => held.shift()(await compute(bodies[0]))")
    page.wait_for_function("held.length === 1")
    assert [action["value"] for action in actions(page)] == [0.6, 0.8]
    page.evaluate("async () => held.shift()(await compute(bodies[1]))")
    sync_api.expect(weight).to_have_attribute("data-value", "0.8")
    assert page.locator(".walk").get_attribute("aria-busy") == "false"
    assert page.locator("[aria-current=step]").get_attribute("data-step") == "1"


def test_an_error_is_said_and_the_last_numbers_stay(visit):
    page = visit(live(document_of()))
    page.click("[data-tab=descend]")
    page.fill("[data-choose=rate]", "-1")
    page.click("[data-do=step]")
    sync_api.expect(page.locator("[role=alert]:visible")).to_contain_text("Rate must be")
    assert entry(page, "w", 2, "1,1").get_attribute("data-value") == "0.5"
    page.fill("[data-choose=rate]", "1")
    page.click("[data-do=step]")
    sync_api.expect(page.locator("[role=alert]")).to_be_hidden()
    page.evaluate("() => { window.sent = () => Promise.reject(new Error('the server has stopped')); }")
    page.click("[data-do=step]")
    sync_api.expect(page.locator("[role=alert]")).to_contain_text("the server has stopped")


def test_a_network_drawn_by_layers_can_be_changed(visit):
    page = visit(live(document_of()))
    page.click("[data-tab=change]")
    page.fill("[data-choose=sizes]", "2-10-2")
    page.click("[data-do=random]")
    sync_api.expect(page.locator("[data-pane=network] .block")).to_have_count(3)
    assert page.locator("[data-move]").count() == 0
    page.click("[data-tab=descend]")
    page.click("[data-do=step]")
    sync_api.expect(page.locator(".history circle")).to_have_count(2)
    page.click("[data-tab=break]")
    page.select_option("[data-choose=mistake]", "sign_in_layer")
    page.click("[data-do=plant]")
    page.click("[data-do=reveal]")
    assert "(BP2)" in page.inner_text(".verdict")
    page.click("[data-panel=break] [data-do=see]")
    page.click("[data-tab=change]")
    page.fill("[data-choose=sizes]", "2-3-2")
    page.click("[data-do=random]")
    sync_api.expect(page.locator("[data-pane=network] [data-neuron]")).to_have_count(7)


def test_softmax_is_refused_with_what_to_choose_first(visit):
    page = visit(live(document_of()))
    page.click("[data-tab=change]")
    page.select_option("[data-choose=activation-3]", "softmax")
    alert = page.locator("[role=alert]:visible")
    sync_api.expect(alert).to_contain_text("first choose the cost log_likelihood or another backend, such as sigma.")
    assert alert.inner_text().startswith("Hadamard cannot serve this network")
    page.select_option("[data-choose=cost]", "log_likelihood")
    sync_api.expect(alert).to_be_hidden()
    page.select_option("[data-choose=activation-3]", "softmax")
    sync_api.expect(page.locator("[data-pane=network] .role").nth(2)).to_have_text("softmax")


def test_steps_of_descent_draw_the_history_of_the_cost(visit):
    first = document_of()
    page = visit(live(first))
    page.click("[data-tab=descend]")
    for count in (2, 3, 4):
        page.click("[data-do=step]")
        sync_api.expect(page.locator(".history circle")).to_have_count(count)
    scene = NETWORK
    for _ in range(3):
        found = answer({"version": 1, "scene": scene, "action": {"name": "step", "rate": 1}})
        scene = found["scene"]
    assert found["cost"] < first["cost"]
    assert page.inner_text(".cost-now") == f"{found['cost']:.4g}"
    page.click("[data-do=undo]")
    sync_api.expect(page.locator(".history circle")).to_have_count(3)
    page.click("[data-do=reset]")
    sync_api.expect(page.locator(".history circle")).to_have_count(1)


def test_activation_cost_backends_and_network_can_be_chosen(visit):
    page = visit(live(document_of()))
    page.click("[data-tab=change]")
    page.select_option("[data-choose=activation-2]", "tanh")
    sync_api.expect(page.locator("[data-pane=network] .role").nth(1)).to_have_text("tanh")
    go(page, stop_of(page, "BP2", "δ²"))
    page.select_option("[data-choose=backend-1]", "product")
    sync_api.expect(page.locator("[data-choose=backend-1]")).to_have_value("product")
    # Other backends have other stops: the page stays at the quantity.
    assert page.locator("[aria-current=step]").inner_text().split() == ["δ²", "35"]
    page.select_option("[data-choose=backend-2]", "")
    sync_api.expect(page.locator("[data-choose=backend-2]")).to_have_value("")
    page.select_option("[data-choose=cost]", "binary_cross_entropy")
    sync_api.expect(page.locator("h1")).to_contain_text("binary_cross_entropy")
    page.fill("[data-choose=sizes]", "3-4-4-2")
    page.click("[data-do=random]")
    sync_api.expect(page.locator("[data-pane=network] [data-neuron]")).to_have_count(13)
    assert actions(page)[-1] == {"name": "random", "seed": 1, "sizes": [3, 4, 4, 2]}


@pytest.mark.parametrize("written", ["2--3", "2,x,3", "abc", "", "2-3-"])
def test_layers_that_are_no_list_of_numbers_are_refused(visit, written):
    page = visit(live(document_of()))
    page.click("[data-tab=change]")
    page.fill("[data-choose=sizes]", written)
    page.click("[data-do=random]")
    assert "such as 2-3-2" in page.inner_text("[role=alert]") and f"“{written}”" in page.inner_text("[role=alert]")
    assert page.evaluate("bodies") == []
    page.fill("[data-choose=sizes]", " 3, 4 – 2 ")
    page.click("[data-do=random]")
    sync_api.expect(page.locator("[data-pane=network] [data-neuron]")).to_have_count(9)
    assert page.locator("[role=alert]:visible").count() == 0


# Break it


def test_a_planted_mistake_is_shown_and_certify_says_where_it_is(visit):
    page = visit(live(document_of()))
    page.click("[data-tab=break]")
    page.select_option("[data-choose=mistake]", "sign_in_layer")
    page.click("[data-do=plant]")
    sync_api.expect(page.locator(".planted-what")).to_contain_text("(BP2), layer 2")
    go(page, stop_of(page, "BP2", "δ²"))
    assert page.locator("[data-pane=equation] .backend").all_inner_texts() == ["hadamard", "your program"]
    assert page.locator("[data-pane=matrices] .planted").count() == 1
    page.click("[data-do=reveal]")
    verdict = answer({"version": 1, "scene": NETWORK | {"fault": {"name": "sign_in_layer", "layer": 2}}})["verdict"]
    assert verdict["says"] in page.inner_text(".verdict")
    page.click("[data-do=remove]")
    sync_api.expect(page.locator("[data-do=plant]")).to_be_visible()


def test_the_graph_says_whose_numbers_it_shows(visit):
    document = document_of(fault={"name": "sign_in_layer", "layer": 2})
    page = visit(live(document))
    delta = entry(page, "delta", 2, "1")
    right, wrong = (each["layers"][1]["delta"][0][0] for each in (document, document["program"]))
    assert right == -wrong
    sources = page.locator(".sources")
    assert sources.inner_text().split("\n") == ["Numbers of", "hadamard", "your program"]
    assert page.locator("[data-numbersof]:checked + span").inner_text() == "your program"
    assert float(delta.get_attribute("data-value")) == wrong
    page.check("[data-numbersof='0']")
    assert float(delta.get_attribute("data-value")) == right
    page.click("[data-do=forward]")
    assert page.locator("[data-numbersof]:checked + span").inner_text() == "hadamard"
    page.click("[data-tab=break]")
    page.click("[data-do=remove]")
    sync_api.expect(sources).to_be_hidden()
    assert float(delta.get_attribute("data-value")) == right


def test_a_known_mistake_is_marked_on_the_timeline_and_stands_in_its_column(visit):
    document = document_of(fault={"name": "sign_in_layer", "layer": 2})
    page = visit(static(document))
    planted = page.locator("[data-step].planted")
    assert planted.inner_text().split() == ["δ²", "BP2"]
    assert planted.get_attribute("aria-label").endswith(": the mistake")
    reached = page.locator("[data-step].reached").all_inner_texts()
    assert [text.split()[0] for text in reached] == ["∂C/∂b²", "∂C/∂w²"]
    page.click("[data-tab=break]")
    page.click("[data-panel=break] [data-do=see]")
    assert page.locator("[aria-current=step]").inner_text().split() == ["δ²", "BP2"]
    right, wrong = page.locator("[data-pane=equation] .column").all()
    assert wrong.locator(".planted .says").inner_text() == f"Here {document['fault']['title']}."
    assert "−" in wrong.locator("math").first.text_content()
    assert "−" not in right.locator("math").first.text_content()


def test_a_column_without_a_step_says_so(visit):
    page = visit(static(document_of(backends=["hadamard", "path_sum"])))
    for stop in range(page.locator("[data-step]").count()):
        go(page, stop)
        columns = page.locator("[data-pane=equation] .column")
        if columns.count() == 2 and columns.first.locator("math").count() == 0:
            break
    assert columns.first.locator(".says").inner_text() == "hadamard has no such step."


def test_the_saturation_leads_to_the_step_of_the_error(visit):
    page = visit(static(document_of()))
    page.select_option("[data-choose=neuron]", "2,3")
    page.click("[data-panel=saturate] [data-do=see]")
    assert page.locator("[aria-current=step]").inner_text().split() == ["δ²", "BP2"]


def test_one_drag_is_one_point_of_the_history(visit):
    page = visit(live(document_of()))
    box = page.locator(".handle").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for far in (20, 40, 60):
        count = page.evaluate("bodies.length")
        page.mouse.move(x + far, y)
        page.wait_for_function(f"bodies.length > {count}")
        sync_api.expect(page.locator(".walk")).to_have_attribute("aria-busy", "false")
    page.mouse.up()
    page.click("[data-tab=descend]")
    assert page.locator(".history circle").count() == 2


def test_the_certificate_keeps_its_lines(visit):
    document = document_of(fault={"name": "sign_in_layer", "layer": 2})
    page = visit(static(document))
    page.click("[data-tab=break]")
    assert page.locator(".certificate").is_hidden()
    page.click("[data-do=reveal]")
    text = page.locator("pre")
    lines = document["verdict"]["text"].rstrip().splitlines()
    assert text.inner_text().rstrip().splitlines() == lines
    sizes = "e => [e.scrollWidth - e.clientWidth, e.scrollHeight / parseFloat(getComputedStyle(e).lineHeight)]"
    hidden, height = text.evaluate(sizes)
    assert hidden <= 0 and round(height) == len(lines)
    page.set_viewport_size({"width": 320, "height": 800})
    hidden, height = text.evaluate(sizes)
    assert hidden > 0 and round(height) == len(lines)
    assert overflow(page) <= 0


def test_a_hidden_mistake_is_guessed(visit):
    page = visit(live(document_of()), script="Math.random = () => 0;")
    page.click("[data-tab=break]")
    page.click("[data-do=plant]")
    sync_api.expect(page.locator("[data-do=guess]")).to_be_visible()
    fault = page.evaluate("bodies.at(-1).scene.fault")
    truth = answer({"version": 1, "scene": NETWORK | {"fault": fault}})["fault"]
    assert truth["title"] not in page.inner_text(".walk .told, .walk .planted-what, .walk .note")
    assert page.locator("[data-pane=matrices] .planted, [data-pane=equation] .planted").count() == 0
    assert page.locator("[data-step].planted, [data-step].reached").count() == 0
    right = {"layer": str(truth["layer"]), "equation": truth["equation"], "mistake": truth["name"]}
    wrong = {"layer": "2", "equation": "BP4", "mistake": "biases_lost"}
    for part in wrong:
        for name, value in (right | {part: wrong[part]}).items():
            page.select_option(f"[data-choose=guess-{name}]", value)
        page.click("[data-do=guess]")
        assert page.inner_text(".told").startswith(f"Not yet: the {part} is wrong")
    for name, value in right.items():
        page.select_option(f"[data-choose=guess-{name}]", value)
    page.click("[data-do=guess]")
    assert page.inner_text(".told").startswith("Right")
    sync_api.expect(page.locator(".planted-what")).to_contain_text(truth["title"])


# Every backend


def test_the_steps_of_every_backend_can_be_walked(visit):
    documents = [
        document_of(backends=[choice["name"]])
        for choice in document_of()["choices"]["backends"]
        if choice["why"] is None and not choice["name"].startswith("autodiff")
    ]
    assert len(documents) > 10
    page = visit(static(documents[0]).replace("const first", "window.walk = walk; const first"))
    walked = page.evaluate(
        """(documents) => documents.map((document_) => {
            const root = document.body.appendChild(document.createElement("div"));
            window.walk(root, { document: document_, source: {} });
            const count = root.querySelectorAll("[data-step]").length;
            for (let i = 0; i < count; i += 1) {
                for (const entry of root.querySelectorAll("td:first-child, mrow[data-name], .one-of-many")) {
                    entry.dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
                }
                root.querySelector("[data-do=forward]").click();
            }
            const last = root.querySelector("[aria-current=step]").dataset.step;
            root.remove();
            return [count, Number(last)];
        })""",
        documents,
    )
    assert all(count >= 5 and last == count - 1 for count, last in walked)
