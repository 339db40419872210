"""The walk as a widget: the kernel answers its messages, and its module draws in a browser."""

import json
import sys

import pytest

import formulations as fm
from formulations.explanation.walk import answer, bundle, stylesheet
from formulations.explanation.walk import widget as module


@pytest.fixture
def widget(monkeypatch):
    """A widget, and what it sends."""
    pytest.importorskip("anywidget", reason="a widget needs anywidget")
    made = fm.explain(backends=["hadamard", "sigma"]).widget()
    sent = []
    monkeypatch.setattr(type(made), "send", lambda _, content: sent.append(content))
    return made, sent


def receive(widget, content):
    """Deliver a message of the page, as a notebook does."""
    widget._handle_msg({"content": {"data": {"method": "custom", "content": content}}, "buffers": []})


def test_the_kernel_answers_as_the_library_does(widget):
    made, sent = widget
    request = {"version": 1, "scene": made.document["scene"], "action": {"name": "step", "rate": 0.5}}
    receive(made, {"id": "a-1", "request": request})
    receive(made, {"id": "a-2", "request": {"version": 1}})
    assert sent[0] == {"id": "a-1", "answer": answer(request)}
    assert sent[0]["answer"]["cost"] < made.document["cost"]
    assert sent[1]["id"] == "a-2" and "lacks scene" in sent[1]["answer"]["error"]["message"]


def test_it_has_the_document_the_module_and_the_style(widget):
    made, _ = widget
    assert made.document == fm.explain(backends=["hadamard", "sigma"]).to_dict()
    assert made._esm == bundle("widget.js") and made._css == stylesheet()
    state = made.get_state()
    assert {"document", "_esm", "_css"} <= set(state)


def test_without_anywidget_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    module._widget_class.cache_clear()
    with pytest.raises(fm.exceptions.MissingExtra, match=r"a widget needs anywidget.*extra 'notebook'"):
        fm.explain().widget()


HOST = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>A notebook</title>
<style>{style}</style></head><body><div id="first"></div><div id="second"></div><div id="again"></div>
<script type="module">
const { default: widget } = await import(URL.createObjectURL(new Blob([{module}], { type: "text/javascript" })));
const modelOf = (document) => {
  const listeners = new Set();
  return {
    get: (name) => ({ document })[name],
    send: async ({ id, request }) => {
      const answer = await window.compute(request);
      for (const listener of listeners) listener({ id, answer }, []);
    },
    on: (event, listener) => event === "msg:custom" && listeners.add(listener),
    off: (event, listener) => listeners.delete(listener),
    listeners,
  };
};
window.models = [modelOf({first}), modelOf({second})];
window.ends = [];
for (const [model, id] of [[models[0], "first"], [models[1], "second"], [models[0], "again"]]) {
  ends.push(widget.render({ model, el: document.getElementById(id) }));
}
</script></body></html>"""


@pytest.fixture
def notebook(browser, tmp_path):
    """A page with two widgets, of which the first is shown twice."""
    noise = []
    context = browser.new_context(viewport={"width": 1300, "height": 900})
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.on("console", lambda message: noise.append(message.text))
    page.on("pageerror", lambda error: noise.append(str(error)))
    page.expose_function("compute", answer)
    content = HOST.replace("{style}", stylesheet())
    parts = {
        "{module}": bundle("widget.js"),
        "{first}": fm.explain(backends=["hadamard", "sigma"]).to_dict(),
        "{second}": fm.explain(fm.Network.random([3, 2, 1], seed=0), [[0.1, 0.2, 0.3]], [[1.0]]).to_dict(),
    }
    for mark, plain in parts.items():
        content = content.replace(mark, json.dumps(plain).replace("<", "\\u003c"))
    file = tmp_path / "notebook.html"
    file.write_text(content, encoding="utf-8")
    page.goto(file.as_uri())
    page.wait_for_selector("#again .walk [data-pane]")
    yield page
    context.close()
    assert noise == []


def weight(page, where):
    shown = page.locator(f"{where} [data-pane=network] [data-name=w][data-layer='2'][data-index='1,1'][data-value]")
    return float(shown.first.get_attribute("data-value"))


@pytest.mark.slow
def test_widgets_are_live_and_independent(notebook):
    cells = ("#first", "#second", "#again")
    assert all("kernel" in notebook.inner_text(f"{cell} [data-source]") for cell in cells)
    before = [weight(notebook, cell) for cell in cells]
    notebook.click("#first [data-tab=descend]")
    notebook.click("#first [data-do=step]")
    notebook.wait_for_selector("#first .walk[aria-busy=false]")
    after = [weight(notebook, cell) for cell in cells]
    assert [one != other for one, other in zip(before, after, strict=True)] == [True, False, False]
    ids = notebook.evaluate("[...document.querySelectorAll('[id]')].map(({ id }) => id)")
    assert len(ids) == len(set(ids))


@pytest.mark.slow
def test_a_view_that_is_closed_listens_no_more(notebook):
    assert notebook.evaluate("models.map(({ listeners }) => listeners.size)") == [2, 1]
    notebook.evaluate("ends.forEach((end) => end())")
    assert notebook.evaluate("models.map(({ listeners }) => listeners.size)") == [0, 0]


@pytest.mark.slow
def test_a_kernel_that_is_gone_is_told(notebook):
    notebook.clock.install()
    notebook.evaluate("models[1].send = () => {}")
    notebook.click("#second [data-tab=descend]")
    notebook.click("#second [data-do=step]")
    notebook.clock.fast_forward(31_000)
    assert "kernel is busy or has gone" in notebook.inner_text("#second [role=alert]:visible")
