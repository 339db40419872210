"""The walk in a browser, with the local server behind it: what the page shows is what the library computes."""

import threading

import numpy as np
import pytest

import formulations as fm
from formulations.explanation import walk_server

pytestmark = pytest.mark.slow


class Walked:
    """A page and the server behind it, with the last document that the server sent, and all that nobody should see."""

    def __init__(self, browser, document):
        self.server = walk_server(document)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()
        self.noise = []
        self.document, self.policy = document, None
        self.inner, self.server.answer = self.server.answer, self.answer
        self.context = browser.new_context(viewport={"width": 1300, "height": 900})
        self.page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.page.on("console", lambda message: self.noise.append(message.text))
        self.page.on("pageerror", lambda error: self.noise.append(str(error)))
        self.page.on("request", self.note)
        self.page.on("response", self.keep)

    def note(self, request):
        if not request.url.startswith(f"http://{self.server.host}/") or self.server.token in request.url:
            self.noise.append(request.url)

    def keep(self, response):
        if response.url.endswith("/"):
            self.policy = response.headers["content-security-policy"]

    def answer(self, request):
        answered = self.inner(request)
        if "error" not in answered:
            self.document = answered
        return answered

    def open(self, address=None):
        self.page.goto(address or self.server.address)
        return self

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @property
    def alert(self):
        return self.page.locator("[role=alert]:visible")

    def settle(self):
        """Wait until the page has sent what it wants to know, and got the answers."""
        self.page.wait_for_selector(".walk:not([aria-busy=true])")

    def tab(self, name):
        self.page.click(f"[data-tab={name}]")
        return self.page.locator(f"[data-panel={name}]")

    def choose(self, what, value):
        self.page.select_option(f"[data-choose={what}]", value)
        self.settle()

    def do(self, what):
        self.page.click(f"[data-do={what}]")
        self.settle()

    def go(self, symbol):
        """Go to the step that computes a quantity, such as δ²."""
        self.page.locator("[data-step]", has_text=symbol).first.click()

    def entry(self, name, layer, *index, pane="network"):
        where = f"[data-name={name}][data-layer='{layer}'][data-index='{','.join(map(str, index))}'][data-value]"
        return self.page.locator(f"[data-pane={pane}] {where}").first

    def value(self, name, layer, *index, pane="network"):
        return float(self.entry(name, layer, *index, pane=pane).get_attribute("data-value"))

    def drag(self, entry, up):
        """Drag an entry upwards by so many pixels."""
        box = entry.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        for part in (0.3, 0.6, 1):
            self.page.mouse.move(x, y - part * up)
        self.settle()
        self.page.mouse.up()

    def compare(self):
        """Assert that the page shows its parameters, and the numbers that the library computes from them."""
        scene = self.document["scene"]
        net = fm.Network(scene["weights"], scene["biases"], scene["activations"])
        gradient = fm.gradient(net, scene["X"], scene["Y"], cost=scene["cost"])
        assert self.document["cost"] == gradient.cost
        for l in range(2, len(net.sizes) + 1):
            w, b, delta = net.weights[l - 2], net.biases[l - 2], gradient.errors[l - 2]
            for j in range(net.sizes[l - 1]):
                assert self.value("b", l, j + 1) == b[j]
                assert self.value("delta", l, j + 1) == delta[0, j]
                for k in range(net.sizes[l - 2]):
                    assert self.value("w", l, j + 1, k + 1) == w[j, k]
        self.go("∂C/∂w²")
        for j, k in np.ndindex(gradient.weights[0].shape):
            assert self.value("dw", 2, j + 1, k + 1, pane="matrices") == gradient.weights[0][j, k]
        return net, gradient


@pytest.fixture
def walked(browser):
    """Open the page of an explanation. Afterwards no other host was asked, and the console has nothing."""
    opened = []

    def start(**choices):
        found = Walked(browser, fm.explain(**choices).to_dict())
        opened.append(found)
        return found

    yield start
    for found in opened:
        found.context.close()
        found.stop()
    assert [found.noise for found in opened] == [[] for _ in opened]


def test_the_page_runs_under_its_policy_and_shows_the_first_document(walked):
    walk = walked(backends=["hadamard", "sigma"]).open()
    walk.page.wait_for_selector("[data-pane=matrices] td")
    assert "unsafe" not in walk.policy and "default-src 'none'" in walk.policy
    walk.compare()
    assert "computer" in walk.page.inner_text("[data-source]")
    assert walk.page.locator("[role=alert]:visible").count() == 0


def test_the_policy_stops_what_the_page_did_not_bring(walked):
    walk = walked().open()
    walk.page.wait_for_selector("[data-pane]")
    ran = walk.page.evaluate(
        """async () => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
            return [window.ran ?? false, await fetch("http://127.0.0.1:9/").then(() => true, () => false)];
        }"""
    )
    assert ran == [False, False]
    # The browser says so in the console, and asks nobody.
    said, walk.noise = walk.noise, []
    assert said and all("Content Security Policy" in line for line in said)


@pytest.mark.parametrize(
    ("name", "layer", "index", "up"),
    [
        ("w", 2, (1, 2), 60),
        ("w", 3, (2, 1), -80),
        ("b", 2, (3,), 50),
        ("a", 1, (1,), -40),
        ("y", 3, (2,), 30),
        ("z", 2, (1,), 90),
    ],
)
def test_dragging_changes_the_numbers_as_the_library_computes_them(walked, name, layer, index, up):
    walk = walked(backends=["hadamard", "sigma"]).open()
    before, cost = walk.value(name, layer, *index), walk.document["cost"]
    walk.drag(walk.entry(name, layer, *index), up)
    after = walk.value(name, layer, *index)
    assert abs(after - (before + up / 100)) < 0.02 and walk.document["cost"] != cost
    net, _ = walk.compare()
    scene = walk.document["scene"]
    held = {"w": net.weights[layer - 2], "b": net.biases[layer - 2], "a": scene["X"][0], "y": scene["Y"][0]}
    if name != "z":
        assert np.asarray(held[name])[tuple(i - 1 for i in index)] == after
    walk.do("undo")
    assert walk.value(name, layer, *index) == before


def test_activations_cost_and_backends_are_chosen(walked):
    walk = walked(backends=["hadamard", "sigma"]).open()
    walk.tab("change")
    walk.choose("activation-2", "tanh")
    walk.compare()
    walk.choose("cost", "binary_cross_entropy")
    walk.compare()
    walk.choose("backend-2", "path_sum")
    walk.choose("backend-1", "product")
    assert walk.document["scene"]["backends"] == ["product", "path_sum"]
    assert (walk.document["scene"]["activations"], walk.document["scene"]["cost"]) == (
        ["tanh", "sigmoid"],
        "binary_cross_entropy",
    )
    walk.compare()
    # What the library refuses is a sentence, and the page goes on from where it was.
    walk.choose("activation-3", "relu")
    assert "must be finite" in walk.alert.inner_text()
    assert walk.page.locator("[data-choose=activation-3]").input_value() == "sigmoid"
    walk.choose("activation-3", "sigmoid")
    walk.choose("activation-2", "relu")
    assert walk.alert.count() == 0
    walk.compare()


def test_a_step_of_descent_lowers_the_cost_shown(walked):
    walk = walked().open()
    _, gradient = walk.compare()
    start = fm.Network(*(walk.document["scene"][name] for name in ("weights", "biases", "activations")))
    walk.tab("descend")
    shown = [float(walk.page.inner_text(".cost-now"))]
    walk.page.fill("[data-choose=rate]", "2")
    for _ in range(3):
        walk.do("step")
        shown.append(float(walk.page.inner_text(".cost-now")))
        if len(shown) == 2:
            net, _ = walk.compare()
            assert np.array_equal(net.vector, start.vector - 2 * gradient.vector)
    assert shown == sorted(shown, reverse=True) and len(set(shown)) == 4
    walk.compare()


def test_a_saturated_neuron_has_no_slope_and_no_error(walked):
    walk = walked().open()
    slope, delta = walk.value("slope", 2, 1), walk.value("delta", 2, 1)
    for _ in range(2):
        walk.drag(walk.entry("z", 2, 1), 50 * (8 - walk.value("z", 2, 1)) + 1)
    while walk.value("z", 2, 1) < 8:
        walk.entry("z", 2, 1).press("ArrowUp")
        walk.settle()
    walk.compare()
    # σ′(8) = 0.000335 for the sigmoid function.
    assert walk.value("slope", 2, 1) < 0.00034 < 0.1 < slope
    assert abs(walk.value("delta", 2, 1)) < abs(delta) / 100
    walk.go("δ²")
    assert walk.value("delta", 2, 1, pane="matrices") == walk.value("delta", 2, 1)


def test_each_mistake_of_the_table_is_planted_and_found(walked):
    net = fm.Network.random([3, 3, 3], seed=0, init="book")
    rng = np.random.default_rng(0)
    walk = walked(net=net, X=rng.random((2, 3)), Y=rng.random((2, 3))).open()
    faults = walk.document["choices"]["faults"]
    assert [fault["name"] for fault in faults if not fault["layers"]] == []
    panel = walk.tab("break")
    for fault in faults:
        for layer in {fault["layers"][0], fault["layers"][-1]}:
            walk.page.select_option("[data-choose=mistake]", fault["name"])
            walk.page.select_option("[data-choose=layer]", str(layer))
            walk.do("plant")
            planted, verdict = walk.document["fault"], walk.document["verdict"]
            assert (planted["name"], planted["layer"]) == (fault["name"], layer)
            assert verdict["status"] == "different" and fault["title"] in panel.inner_text()
            walk.page.click("[data-do=reveal]")
            assert verdict["says"] in panel.inner_text()
            assert f"layer {verdict['layer']}" in verdict["says"]
            walk.do("remove")
            assert walk.document["fault"] is None


def test_a_server_that_has_gone_is_told(walked):
    walk = walked().open()
    before = walk.value("w", 2, 1, 1)
    walk.page.route("**/answer", lambda route: route.abort("connectionrefused"))
    walk.drag(walk.entry("w", 2, 1, 1), 60)
    assert "start formulations walk again" in walk.alert.inner_text()
    assert walk.value("w", 2, 1, 1) == before
    said, walk.noise = walk.noise, []
    assert all("ERR_" in line for line in said)


@pytest.mark.parametrize("fragment", ["", "#", "#wrong"])
def test_an_address_without_its_token_is_told(walked, fragment):
    walk = walked()
    walk.open(f"http://{walk.server.host}/{fragment}")
    assert "open the address that the command prints" in walk.alert.inner_text()
    said, walk.noise = walk.noise, []
    assert all("403" in line for line in said)
    # The right one in the same window is a change of the fragment alone.
    walk.open()
    walk.page.wait_for_selector("[data-pane]")
    walk.compare()


def test_a_turn_that_another_window_took_is_taken_again(walked):
    walk = walked().open()
    refused = []

    def refuse_once(route):
        if refused:
            route.continue_()
        else:
            refused.append(route.request.url)
            route.fulfill(status=409, content_type="application/json", body='{"error": {"message": "replaced."}}')

    walk.page.route("**/answer", refuse_once)
    walk.tab("descend")
    cost = walk.document["cost"]
    walk.do("step")
    assert refused and walk.document["cost"] < cost and walk.alert.count() == 0
    said, walk.noise = walk.noise, []
    assert all("409" in line for line in said)


def test_a_turn_is_taken_again_after_a_pause_alone(walked):
    walk = walked()
    walk.page.clock.install(time=0)
    walk.open()
    walk.page.wait_for_selector("[data-pane]")
    walk.page.clock.pause_at(3_600_000)
    refused = []

    def refuse(route):
        refused.append(route.request.url)
        route.fulfill(status=409, content_type="application/json", body='{"error": {"message": "replaced."}}')

    walk.page.route("**/answer", refuse)
    walk.tab("descend")
    for count in (1, 2, 3):
        with walk.page.expect_response("**/answer"):
            if count == 1:
                walk.page.click("[data-do=step]")
            else:
                walk.page.clock.run_for(200)
        # Another answer from the server comes after all that the page asked at once.
        walk.page.evaluate("fetch('/').then((response) => response.text())")
        assert len(refused) == count
    walk.page.unroute("**/answer")
    walk.page.clock.run_for(200)
    walk.settle()
    assert walk.alert.count() == 0
    said, walk.noise = walk.noise, []
    assert all("409" in line for line in said)


def test_a_network_too_large_to_draw_is_drawn_by_layers(walked):
    walk = walked(net=fm.Network.random([64, 30, 10], seed=0), X=np.zeros((1, 64)), Y=np.zeros((1, 10))).open()
    walk.page.wait_for_selector("[data-pane=network]")
    assert walk.document["why"] in walk.page.inner_text(".walk")


def test_two_pages_of_one_server_do_not_disturb_each_other(walked):
    walk = walked().open()
    other = walk.context.new_page()
    other.goto(walk.server.address)
    other.wait_for_selector("[data-pane=network] [data-value]")
    before = walk.document
    walk.drag(walk.entry("w", 2, 1, 1), 60)
    walk.compare()
    shown = other.locator("[data-pane=network] [data-name=w][data-layer='2'][data-index='1,1'][data-value]").first
    assert float(shown.get_attribute("data-value")) == before["scene"]["weights"][0][0][0]
