"""The walk as a page of the site, where the library runs in the browser: by Pyodide, or by a stand-in for it."""

import functools
import http.server
import json
import os
import threading
import zipfile
from pathlib import Path

import pytest

from formulations.explanation.walk import answer

pytest.importorskip("hatchling", reason="the site's build makes a wheel with hatchling")

from walk import write_page

pytestmark = pytest.mark.slow

# Python is where the test is; the rest of the provider is as on the site.
STAND_IN = """
export async function loadPyodide({ indexURL }) {
  let unpacked = null;
  const loadedPackages = {};
  const has = async (name) => (await fetch(new URL(`${name}.whl`, indexURL))).ok;
  return {
    loadedPackages,
    loadPackage: async (names) => { for (const name of names) if (await has(name)) loadedPackages[name] = "default"; },
    unpackArchive: (bytes, kind) => { unpacked = [kind, bytes.byteLength]; },
    runPython: (text) => {
      if (text.includes("platform")) return "3.99";
      if (!unpacked || unpacked[0] !== "wheel" || unpacked[1] < 1e5) throw new Error("no wheel");
      return (request) => {
        if (request.includes('"rate":13')) throw new Error("Traceback:\\n  somewhere\\nValueError: it went wrong");
        const sent = new XMLHttpRequest();
        sent.open("POST", new URL("/answer", indexURL), false);
        sent.send(request);
        return sent.responseText;
      };
    },
  };
}
"""


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files, and answers as the library does."""

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps(answer(request)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def stand_in(folder):
    """A folder like one with Pyodide, its runtime, NumPy and SciPy."""
    folder.mkdir()
    lock = {"numpy": [], "scipy": ["numpy", "blas"], "blas": [], "pandas": ["numpy"]}
    packages = {name: {"file_name": f"{name}.whl", "depends": depends} for name, depends in lock.items()}
    (folder / "pyodide-lock.json").write_text(json.dumps({"packages": packages}))
    (folder / "pyodide.mjs").write_text(STAND_IN)
    for name in ("pyodide.asm.wasm", "python_stdlib.zip", *(f"{name}.whl" for name in lock)):
        (folder / name).write_bytes(b"x")
    return folder


@pytest.fixture
def opened(browser, tmp_path):
    """Open the page of a site with a runtime; return it and what it asked for."""
    servers, contexts, noise, asked = [], [], [], []

    def start(pyodide, change=lambda page: page):
        written = write_page(tmp_path / "site/walk", pyodide=pyodide)
        written.write_text(change(written.read_text(encoding="utf-8")), encoding="utf-8")
        handler = functools.partial(Handler, directory=str(tmp_path / "site"))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        host = f"http://127.0.0.1:{server.server_port}"
        context = browser.new_context(viewport={"width": 1300, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", lambda message: noise.append(message.text))
        page.on("pageerror", lambda error: noise.append(str(error)))
        page.on("request", lambda request: asked.append(request.url.removeprefix(host)))
        page.goto(f"{host}/walk/index.html")
        page.wait_for_selector("[data-pane=network] [data-value]")
        return page, asked, noise

    yield start
    for context in contexts:
        context.close()
    for server in servers:
        server.shutdown()
        server.server_close()


def step(page):
    """Take a step of descent, and return the cost before and after."""
    page.click("[data-tab=descend]")
    before = float(page.inner_text(".cost-now"))
    page.click("[data-do=step]")
    page.wait_for_selector(".walk:not([aria-busy=true])")
    return before, float(page.inner_text(".cost-now"))


def test_nothing_is_loaded_until_it_is_asked_for(opened, tmp_path):
    page, asked, noise = opened(stand_in(tmp_path / "pyodide"))
    assert asked == ["/walk/index.html"] and noise == []
    said = page.inner_text(".walk")
    assert "when the site was built" in said and "Run live" in said and "from this site" in said
    assert page.locator("[data-do=step]").is_disabled()
    # Dependencies of NumPy and SciPy are copied, and nothing else.
    copied = {path.name for path in (tmp_path / "site/walk/pyodide").iterdir()}
    assert {"numpy.whl", "scipy.whl", "blas.whl", "pyodide.mjs"} < copied and "pandas.whl" not in copied


def test_run_live_makes_the_page_live(opened, tmp_path):
    page, asked, noise = opened(stand_in(tmp_path / "pyodide"))
    page.click("[data-do=forward]")
    page.click("[data-do=live]")
    page.wait_for_selector("[data-source=live]")
    assert "in this browser (Python 3.99)" in page.inner_text("[data-source]")
    # The reader stays at the same step.
    assert page.locator("[data-do=live]").count() == 0
    assert page.get_attribute("[aria-current=step]", "data-step") == "1"
    before, after = step(page)
    assert after < before
    assert all(address.startswith(("/", "blob:")) for address in asked) and noise == []


def test_a_failure_of_the_library_is_one_sentence(opened, tmp_path):
    page, _, noise = opened(stand_in(tmp_path / "pyodide"))
    page.click("[data-do=live]")
    page.wait_for_selector("[data-source=live]")
    page.click("[data-tab=descend]")
    page.fill("[data-choose=rate]", "13")
    page.click("[data-do=step]")
    said = page.inner_text("[role=alert]:visible")
    assert "it went wrong" in said and "Traceback" not in said
    page.fill("[data-choose=rate]", "1")
    before, after = step(page)
    assert after < before and noise == []


@pytest.mark.parametrize("name", ["pyodide.mjs", "scipy.whl"])
def test_a_runtime_that_cannot_be_loaded_is_told_and_can_be_tried_again(opened, tmp_path, name):
    page, _, _ = opened(stand_in(tmp_path / "pyodide"))
    file = tmp_path / "site/walk/pyodide" / name
    content = file.read_bytes()
    file.unlink()
    page.click("[data-do=live]")
    page.wait_for_selector(f"[role=status]:has-text('It cannot run here'):has-text('{name.split('.')[0]}')")
    file.write_bytes(content)
    page.click("[data-do=live]")
    page.wait_for_selector("[data-source=live]")


@pytest.mark.parametrize("which", ["wheelHash", "hashes"])
def test_a_file_with_another_hash_is_refused(opened, tmp_path, which):
    wrong = f"sha256-{'A' * 43}="
    added = {"wheelHash": f'"wheelHash":"{wrong}"', "hashes": f'"hashes":{{"pyodide.mjs":"{wrong}"}},"wheelHash":""'}

    def change(page):
        start = page.index('"wheelHash"')
        return page[:start] + added[which] + page[page.index('"', start + len('"wheelHash":"')) + 1 :]

    page, _, _ = opened(stand_in(tmp_path / "pyodide"), change)
    page.click("[data-do=live]")
    page.wait_for_selector("[role=status]:has-text('It cannot run here')")
    assert page.locator("[data-source=live]").count() == 0


def test_without_a_runtime_of_its_own_the_site_names_the_host(opened):
    page, asked, _ = opened(None)
    assert "cdn.jsdelivr.net" in page.inner_text(".masthead") and asked == ["/walk/index.html"]


def test_the_wheel_has_what_the_walk_needs(tmp_path):
    write_page(tmp_path)
    [wheel] = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "formulations/explanation/walk/assets/walk.js" in names
    assert not [name for name in names if name.startswith(("tests/", "docs/"))]


def test_pyodide_runs_the_library(opened):
    folder = os.environ.get("FORMULATIONS_PYODIDE")
    if folder is None:
        pytest.skip("FORMULATIONS_PYODIDE names no folder with Pyodide's runtime and its wheels of NumPy and SciPy")
    page, asked, noise = opened(Path(folder))
    page.click("[data-do=live]")
    page.wait_for_selector("[data-source=live]", timeout=300_000)
    before, after = step(page)
    assert after < before
    page.click("[data-tab=break]")
    page.select_option("[data-choose=mistake]", "sign")
    page.click("[data-do=plant]")
    page.click("[data-do=reveal]")
    assert "(BP1)" in page.inner_text("[data-panel=break] .verdict")
    assert all(address.startswith(("/walk/", "blob:")) for address in asked) and noise == []
