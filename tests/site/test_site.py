"""The site in a real browser: `make test-site` builds it, then reads it at two widths in two themes."""

import functools
import gzip
import http.server
import json
import math
import posixpath
import re
import subprocess
import sys
import threading
import time
import zipfile
from xml.etree import ElementTree

import pytest

pytest.importorskip("axe_playwright_python", reason="make test-site has what this needs")
import build_site
import chromium
import nbformat
from axe_playwright_python.sync_playwright import Axe
from build_site import HERE, LESSONS, ROOT, SITE
from leaks import MACHINE_PATH, SECRET

NAMES = ["index", *(path.stem for path in LESSONS), "lectures", "glossary"]  # in reading order
WIDTHS, THEMES = (390, 1280), ("light", "dark")
RULES = {  # axe is slow: contrast is looked at in each theme once, and the rest at each width once
    (1280, "light"): {},
    (1280, "dark"): {"runOnly": ["color-contrast"]},
    (390, "light"): {"rules": {"color-contrast": {"enabled": False}}},
    (390, "dark"): None,
}
# myst-nb fades a cell in when it is unfolded: half-way it has half the contrast
FADED_IN = "Promise.all(document.getAnimations().map(motion => motion.finished))"
AXE = {"preload": False, "resultTypes": ["violations"]}  # neither loads nor lists what is not asked


@pytest.fixture(scope="session")
def address():
    """The site, built now, at an address of this machine."""
    begun = time.monotonic()
    subprocess.run([sys.executable, "tests/tools/build_site.py"], cwd=ROOT, check=True)
    print(f"built in {time.monotonic() - begun:.0f} s")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=SITE)
    handler.func.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="session")
def browser():
    with chromium.launched() as browser:
        yield browser


@pytest.fixture
def open_page(browser, address):
    """A function that opens a page; in the end nothing has gone wrong or left the machine."""
    troubles, contexts = [], []

    def open_it(name, width=1280, theme="light"):
        size = {"width": width, "height": 900}
        context = browser.new_context(viewport=size, color_scheme=theme)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda said: said.type == "error" and troubles.append(said.text))
        page.on("response", lambda got: got.status >= 400 and troubles.append(got.url))
        page.on("request", lambda asked: elsewhere(asked.url) and troubles.append(asked.url))
        page.goto(f"{address}{name}", wait_until="networkidle")
        return page

    def elsewhere(url):
        return not url.startswith((address, "data:", "blob:"))

    yield open_it
    for context in contexts:
        context.close()
    assert troubles == []


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", [*NAMES, "search"])
def test_a_page_has_no_barrier_and_nothing_scrolls_sideways(open_page, name, width, theme):
    page = open_page(f"{name}.html", width, theme)
    page.wait_for_function(f"document.documentElement.dataset.theme == '{theme}'")
    page.evaluate("document.querySelectorAll('article details').forEach(d => d.open = true)")
    page.evaluate(FADED_IN)
    assert barriers(page, name, width, theme) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def barriers(page, name, width, theme) -> list[tuple[str, str]]:
    """(rule, HTML) of what axe finds serious: on the first page with all of its rules."""
    rules = {} if name == "index" else RULES[width, theme]
    if rules is None:
        return []
    # the colours of code are many and the same on every page: once is enough
    skipped = [] if name.startswith("06") else [[".highlight span"]]
    found = Axe().run(page, {"exclude": skipped}, AXE | rules).response["violations"]
    return [
        (rule["id"], node["html"][:200])
        for rule in found
        for node in rule["nodes"]
        if rule["impact"] in ("serious", "critical")
    ]


PLANTED = """document.querySelector('article').insertAdjacentHTML('beforeend',
    '<p style="color: #aaa; background: #bbb">grey</p><img src="data:image/gif;base64,R0lGOD">')"""


def test_a_planted_barrier_is_found(open_page):
    page = open_page("glossary.html")
    page.evaluate(PLANTED)
    found = {rule for rule, _ in barriers(page, "glossary", 1280, "light")}
    assert found == {"color-contrast", "image-alt"}
    assert [rule for rule, _ in barriers(page, "glossary", 390, "light")] == ["image-alt"]


@pytest.mark.parametrize("name", NAMES)
def test_every_picture_has_a_sentence_as_its_alternative(open_page, name):
    page = open_page(f"{name}.html")
    alts = page.eval_on_selector_all(
        "article img:not(.film img)", "found => found.map(img => img.alt)"
    )
    alts = [alt for alt in alts if alt != "Open In Colab"]
    assert all(re.match(r"[A-Z0-9](\S* ){5,}", alt) for alt in alts), alts  # no name of a file
    loaded = "found => found.every(img => img.complete && img.naturalWidth > 0)"
    assert page.eval_on_selector_all("article img", loaded)
    if path := next((path for path in LESSONS if path.stem == name), None):
        wanted = [
            output.metadata["image/png"]["alt"]
            for cell in nbformat.read(path, as_version=4).cells
            for output in cell.get("outputs", [])
            if "image/png" in output.get("data", {})
        ]
        assert alts == wanted


def test_every_page_is_reached_by_next_and_the_way_back_by_previous(open_page):
    page = open_page("index.html")
    for click, names in (("a.right-next", NAMES), ("a.left-prev", NAMES[::-1])):
        for here, there in zip(names, names[1:], strict=False):
            assert page.url.endswith(f"/{here}.html")
            page.click(click)
            page.wait_for_url(f"**/{there}.html")
        assert page.query_selector(click) is None


def test_every_page_is_in_the_sidebar(open_page):
    page = open_page("glossary.html")
    hrefs = "found => found.map(a => a.getAttribute('href'))"
    listed = page.eval_on_selector_all(".bd-sidebar-primary nav a", hrefs)
    assert [href.partition(".")[0].strip("#") for href in listed] == [*NAMES[1:-1], ""]


@pytest.mark.parametrize(
    "words, wanted",
    [("LoRA", "LoRA’s parameter count"), ("損失", "Glossary"), ("손실", "Glossary")],
)
def test_the_search_finds(open_page, words, wanted):
    page = open_page("index.html")
    page.click("button.search-button-field")
    page.fill("dialog input[name=q]", words)
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=*")
    page.wait_for_selector(".pagefind-ui__result")
    titles = page.locator(".pagefind-ui__result-title").all_text_contents()
    assert any(wanted in title for title in titles), titles
    excerpts = page.locator(".pagefind-ui__result-excerpt").all_text_contents()
    assert any(words in excerpt for excerpt in excerpts), excerpts


def test_the_search_does_not_find_what_is_not_there(open_page):
    page = open_page("search.html?q=쀍쀍")
    page.wait_for_selector(".pagefind-ui__message >> text=No results")


def test_the_theme_is_switched_and_kept(open_page):
    page = open_page("index.html")
    page.click("button.theme-switch-button")
    page.click("button.theme-change-button[data-mode=dark]")
    page.wait_for_function("document.documentElement.dataset.theme == 'dark'")
    page.goto(page.url.replace("index", "01_tensors"))
    page.wait_for_function("document.documentElement.dataset.theme == 'dark'")


def test_a_term_says_what_it_means_and_leads_to_the_glossary(open_page):
    page = open_page("06_lora_parameter_count.html")
    term = page.locator("article a:has-text('low-rank adaptation')").first
    row = next(row for row in build_site.terms() if row["term"] == "low-rank adaptation")
    hint = term.get_attribute("title")
    assert hint == f"{row['meaning']} {row['japanese']} · {row['korean']}"
    term.click()
    page.wait_for_url("**/glossary.html#term-low-rank-adaptation")
    assert page.locator("span[lang=ko]", has_text=row["korean"]).count() >= 1


def test_a_quiz_folds_out_each_option_s_own_reason(open_page):
    page = open_page("04_next_token_loss.html")
    asked = build_site.questions.load()["04"]
    for option in (option for question in asked for option in question.options):
        folded = page.locator(".quiz details", has=page.get_by_text(option.text, exact=True))
        assert not folded.locator("p").is_visible()
        folded.locator("summary").click()
        verdict = "✓ Right." if option.right else "✗ Wrong."
        assert folded.locator("p").text_content() == f"{verdict} {option.reason}"


@pytest.mark.parametrize("name", [path.stem for path in LESSONS])
def test_a_lesson_shows_nothing_that_only_a_run_needs(open_page, name):
    page = open_page(f"{name}.html")
    printed = " ".join(page.locator(".cell_output").all_text_contents())
    for noise in ("not done yet", "no guess typed", "Box(children", "exercises 0 of"):
        assert noise not in printed, noise
    typed = " ".join(page.locator(".cell_input").all_text_contents())
    for noise in ("COURSE, REF", "progress.Progress(", "quiz.show("):
        assert noise not in typed, noise
    assert "import" in typed and printed
    badge = page.locator("article a[href^='https://colab']")
    assert badge.get_attribute("href").endswith(f"/notebooks/{name}.ipynb")
    assert page.locator("article section section").count() > 5


def outputs_of(lesson, cell_id):
    [path] = [path for path in LESSONS if path.stem.startswith(lesson)]
    [cell] = [cell for cell in nbformat.read(path, as_version=4).cells if cell.id == cell_id]
    return cell.outputs


@pytest.mark.parametrize("name", ["index", "05_hyperparameters"])
def test_the_valley_walks_as_lesson_5_does(open_page, name):
    page = open_page(f"{name}.html")
    valley = page.locator("[data-course=valley]")
    said = outputs_of("05", "l05c07")[0].metadata["image/png"]["alt"]
    walks = re.findall(r"rate ([\d.]+): (loss [\d.]+ to [\d.]+\d)", said)
    printed = outputs_of("05", "l05c09")[0].text
    factors = re.findall(r"rate (\S+) +w0 × (\S+)  w1 × (\S+)", printed)
    assert len(walks) == len(factors) == 4
    for (rate, loss), (again, a, b) in zip(walks, factors, strict=True):
        assert rate == again
        valley.locator("input").fill(rate)
        assert valley.get_by_role("status").text_content() == f"rate {rate}: {loss} in 20 steps"
        factors_said = valley.locator("p").last.text_content()
        assert f"along the valley by {a}, and across it by {b}." in factors_said
        assert valley.locator("circle").count() == 21
        assert loss in valley.locator("svg").get_attribute("aria-label")


def test_the_valley_is_moved_with_the_keyboard(open_page):
    page = open_page("index.html")
    slider = page.get_by_role("slider", name="learning rate")
    before = page.get_by_role("status").text_content()
    slider.press("ArrowRight")
    assert page.get_by_role("status").text_content() != before


def test_the_calculator_counts_as_lesson_6_does(open_page):
    page = open_page("06_lora_parameter_count.html")
    calculator = page.locator("[data-course=calculator]")
    said = calculator.get_by_role("status")
    committed = outputs_of("06", "0631996f")[-1].data["text/plain"].splitlines()
    assert f"Llama 3.1 8B: {said.text_content()}" == committed[1]
    cells = calculator.locator("tbody td").all_text_contents()
    assert "  ".join(cells).split() == " ".join(committed[3:]).split()

    families = re.findall(
        r"(?m)^(.+?) +([\d,]+) of +([\d,]+) weights$", outputs_of("06", "508a5a7e")[0].text
    )
    assert len(families) == 5
    for name, total, base in families:
        calculator.get_by_label("model").select_option(name)
        for tick in calculator.get_by_role("checkbox").all():
            tick.check()
        assert said.text_content().startswith(f"{total} weights: ")
        assert said.text_content().endswith(f"of the base's {base}")
    calculator.get_by_label("rank r").select_option("64")
    double = 2 * int(families[-1][1].replace(",", ""))
    assert said.text_content().startswith(f"{double:,} weights: ")
    for tick in calculator.get_by_role("checkbox").all():
        tick.uncheck()
    assert said.text_content() == "✗ no target module chosen: tick at least one"


def read(nats, temperature):
    """What a belief says at a temperature, (most likely, median, mean), without NumPy or torch."""
    raised = [math.exp(-n / 10_000 / temperature) for n in nats]
    belief = [p / math.fsum(raised) for p in raised]
    median = next(n for n in range(1000) if math.fsum(belief[: n + 1]) >= 0.5)
    mean = math.fsum(price * p for price, p in enumerate(belief))
    return max(range(1000), key=belief.__getitem__), median, mean


def test_the_beliefs_say_what_lesson_4_says(open_page):
    page = open_page("04_next_token_loss.html")
    box = page.locator("[data-course=beliefs]")
    first, second = box.get_by_label("first text"), box.get_by_label("second text")
    said, slider = box.get_by_role("status"), box.get_by_role("slider")
    _, *rows = outputs_of("04", "try04-cell")[-1].data["text/plain"].splitlines()[1:]
    committed = {float(T): prices for T, *prices in map(str.split, rows)}
    assert set(committed) == {0.5, 1.0, 2.0}
    for temperature, (mode, median, mean) in committed.items():
        slider.fill(str(temperature))
        words = f"First: most likely ${mode}, median ${median}, mean ${mean}."
        assert said.text_content().startswith(words)

    texts = json.loads((HERE / "beliefs.json").read_text(encoding="utf-8"))
    for n, text in enumerate(texts):
        other = texts[n - 1]
        first.select_option(text["name"])
        second.select_option(other["name"])
        assert box.locator("p.first").text_content().strip() == text["text"]
        assert box.locator("p.second").text_content().strip() == other["text"]
        for temperature in ("0.1", "1", "3"):
            slider.fill(temperature)
            found = [read(row["nats"], float(temperature)) for row in (text, other)]
            words = [f"most likely ${a}, median ${b}, mean ${c:.0f}." for a, b, c in found]
            moved = found[1][1] - found[0][1]
            moves = f"The median moves by {'−' if moved < 0 else '+'}${abs(moved)}."
            wanted = f"First: {words[0]} Second: {words[1]} {moves}"
            assert said.text_content() == wanted
            assert box.locator("svg").get_attribute("aria-label").endswith(wanted)


def test_the_beliefs_are_drawn_over_each_other_and_the_words_that_differ_stand_out(open_page):
    page = open_page("04_next_token_loss.html", width=390)
    box = page.locator("[data-course=beliefs]")
    assert box.locator("p.first b").all_text_contents() == ["Brand", "new,", "sealed."]
    assert box.locator("p.second b").all_text_contents() == ["Well", "used."]
    places = {}
    for which in ("first", "second"):
        x = re.findall(r"([\d.]+) 100 V 0", box.locator(f"path.{which}.median").get_attribute("d"))
        places[which] = float(x[0])
        line = box.locator(f"path.{which}:not(.median)").get_attribute("d")
        points = [tuple(map(float, point.split())) for point in line[2:].split(" L ")]
        assert len(points) == 1000 and min(y for _, y in points) >= 5
        peak = min(points, key=lambda point: point[1])[0]
        assert abs(peak - places[which]) < 10
    assert 0 < places["second"] < places["first"] < 100
    assert box.locator(".axis span").count() >= 3
    for control in [*box.locator("select").all(), box.get_by_role("slider")]:
        edges = control.bounding_box()
        assert edges["x"] >= 0 and edges["x"] + edges["width"] <= 390


def test_the_beliefs_are_moved_with_the_keyboard(open_page):
    page = open_page("04_next_token_loss.html")
    box = page.locator("[data-course=beliefs]")
    box.get_by_label("first text").focus()
    heard = [box.get_by_role("status").text_content()]
    for keys in (["ArrowDown"], ["Tab", "ArrowDown"], ["Tab", "ArrowRight"]):
        for key in keys:
            page.keyboard.press(key)
        heard.append(box.get_by_role("status").text_content())
    assert len(set(heard)) == 4


def test_the_film_of_lesson_2_can_be_stopped_and_is_not_shown_to_who_wants_no_motion(open_page):
    page = open_page("02_autograd.html")
    film = page.locator(".film img")
    film.scroll_into_view_if_needed()
    assert film.evaluate("img => img.decode().then(() => img.naturalWidth)") > 360
    assert re.match(r"[A-Z](\S+\s){10,}", film.get_attribute("alt"))
    page.locator(".film summary").press("Enter")
    assert not film.is_visible()
    page.locator(".film summary").press("Enter")
    assert film.is_visible()
    page.emulate_media(reduced_motion="reduce")
    assert not film.is_visible()


def test_the_two_formulas_are_mathml(open_page):
    for name in ("01_tensors", "09_evaluate"):
        page = open_page(f"{name}.html")
        [formula] = page.locator("article math").all()
        assert formula.bounding_box()["height"] > 15
        assert "\\sum" not in page.locator("article").text_content()


def test_every_link_within_the_site_leads_somewhere():
    pages = {path.name: path.read_text(encoding="utf-8") for path in SITE.glob("*.html")}
    n_links = 0
    for name, text in pages.items():
        for target in re.findall(r'href="([^"]*)"', text):
            if not re.match(r"https?:|data:", target):
                file, _, anchor = target.partition("#")
                assert (SITE / file.partition("?")[0]).exists(), (name, target)
                n_links += 1
                if anchor:
                    assert f'id="{anchor}"' in pages[file or name], (name, target)
    assert n_links > 500


OPF, XHTML = "{http://www.idpf.org/2007/opf}", "{http://www.w3.org/1999/xhtml}"


@pytest.fixture
def book(address):
    with zipfile.ZipFile(SITE / "course.epub") as file:
        assert file.testzip() is None
        yield {name: file.read(name) for name in file.namelist()}


def test_the_book_lists_every_page_in_reading_order(book):
    assert list(book)[0] == "mimetype" and book["mimetype"].strip() == b"application/epub+zip"
    package = ElementTree.fromstring(book["content.opf"])
    files = {item.get("id"): item.get("href") for item in package.iter(f"{OPF}item")}
    assert {*files.values()} == {*book} - {"mimetype", "content.opf", "META-INF/container.xml"}
    spine = [files[ref.get("idref")] for ref in package.iter(f"{OPF}itemref")]
    assert spine == [f"{name}.xhtml" for name in NAMES]
    contents = ElementTree.fromstring(book["nav.xhtml"])
    listed = [link.get("href").partition("#")[0] for link in contents.iter(f"{XHTML}a")]
    assert list(dict.fromkeys(listed)) == spine


def test_a_page_of_the_book_is_xml_whose_links_and_pictures_are_in_the_book(book):
    pages = {
        name: ElementTree.fromstring(text) for name, text in book.items() if name.endswith(".xhtml")
    }
    ids = {name: {node.get("id") for node in page.iter()} for name, page in pages.items()}
    n_pictures = n_links = 0
    for name, page in pages.items():
        assert "data-course" not in book[name].decode() and "closing.gif" not in book[name].decode()
        for node in page.iter():
            target = node.get("src") or node.get("href") or ""
            if target and not re.match(r"https?:", target):
                file, _, anchor = target.partition("#")
                file = posixpath.normpath(file or name)
                assert file in book, (name, target)
                assert not anchor or anchor in ids[file], (name, target)
                n_links += 1
        alts = [image.get("alt") for image in page.iter(f"{XHTML}img")]
        n_pictures += len(alts)
        assert all(alt == "Open In Colab" or len(alt) > 30 for alt in alts)
    assert n_pictures > 60 and n_links > 500


def test_the_book_has_a_still_for_what_moves(book):
    lesson_4, lesson_6 = (
        next(book[f"{path.stem}.xhtml"].decode() for path in LESSONS if path.stem[:2] == number)
        for number in ("04", "06")
    )
    assert "<td>93</td><td>113</td><td>174</td>" in lesson_4
    assert "<td>8,388,608</td>" in lesson_6


def test_nothing_that_is_published_has_a_token_or_a_path_of_a_machine(book):
    files = {f"course.epub: {name}": data for name, data in book.items()}
    for path in SITE.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            files[path.name] = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    assert len(files) > 200
    binary = (".png", ".gif", "wasm.unknown.pagefind")  # the last has its own makers' paths
    texts = {name: data for name, data in files.items() if not name.endswith(binary)}
    assert any(name.endswith(".pf_fragment") and b"tensor" in texts[name] for name in texts)
    assert [name for name, data in files.items() if SECRET.search(data)] == []
    assert [name for name, data in texts.items() if MACHINE_PATH.search(data)] == []
    assert MACHINE_PATH.search(b"in /home/" + b"me/") and MACHINE_PATH.search(b"C:" + rb"\Users")
