"""The report in a real browser: curves are drawn, the legend hides, tables sort, nothing is fetched."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoal.analysis.curves import labels_to_reach
from autoal.analysis.report import Options, make_report
from tests.analysis.trees import write_run, write_tree

pytestmark = pytest.mark.browser

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1000",
)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver")
    binary = shutil.which("chromium") or shutil.which("chromium-browser")
    service = shutil.which("chromedriver")
    if not binary or not service:
        pytest.skip("chromium or chromedriver is not installed (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in FLAGS:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(service))
    browser.set_script_timeout(30)
    yield browser
    browser.quit()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    write_tree(root, datasets=("digits", "fashion", "svhn"), rounds=6)
    write_run(root / "failed", seed=9, status="failed", summary={"message": "out of memory"})
    return make_report([root], tmp_path_factory.mktemp("report"), Options(figures=False, resamples=200)).page


@pytest.fixture
def opened(driver: Any, page: Path) -> Any:
    for kind in ("performance", "browser"):
        driver.get_log(kind)
    driver.get(page.as_uri())
    wait(driver, "return document.querySelectorAll('#chart-curves[data-drawn]').length === 1")
    return driver


def wait(driver: Any, script: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(driver, 30).until(lambda d: d.execute_script(script))


def shown_lines(driver: Any) -> int:
    return int(
        driver.execute_script("return document.querySelectorAll('#chart-curves .scatterlayer .js-line').length")
    )


def column(driver: Any, table: str, index: int) -> list[str]:
    script = (
        f"return [...document.querySelectorAll('#{table} tbody tr')].map((row) => row.cells[{index}].textContent)"
    )
    return list(driver.execute_script(script))


def test_curves_are_drawn_and_nothing_is_fetched(opened: Any) -> None:
    # Five strategies, each with a mean; the bands are filled areas.
    assert shown_lines(opened) >= 5
    assert (
        opened.execute_script("return document.querySelectorAll('#chart-curves .scatterlayer .js-fill').length")
        >= 5
    )
    names = [e.text for e in opened.find_elements("css selector", "#chart-curves .legendtext")]
    assert sorted(names) == ["autoal", "badge", "entropy", "margin", "random"]
    # Through the whole page, so that charts further down are drawn too.
    charts = opened.find_elements("css selector", ".chart")
    assert len(charts) == 10
    for chart in charts:
        opened.execute_script("arguments[0].scrollIntoView({behavior: 'instant'})", chart)
        wait(opened, f"return document.getElementById('{chart.get_attribute('id')}').hasAttribute('data-drawn')")
    requested = [
        message["params"]["request"]["url"]
        for message in (json.loads(entry["message"])["message"] for entry in opened.get_log("performance"))
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in requested if not url.startswith(("file:", "data:", "blob:"))] == []
    assert [entry for entry in opened.get_log("browser") if entry["level"] == "SEVERE"] == []
    assert opened.execute_script("return document.querySelectorAll('#cd-diagram svg').length") == 1


def test_a_legend_click_hides_a_strategy(opened: Any) -> None:
    before = shown_lines(opened)
    entry = opened.find_element("css selector", "#chart-curves .legend .traces .legendtoggle")
    hidden = opened.find_element("css selector", "#chart-curves .legendtext").text
    # The chart's own handler listens for mouse events; a click by script would bypass what a person does.
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(opened).move_to_element(entry).click().perform()
    script = (
        "return document.getElementById('chart-curves').data"
        ".filter((t) => t.meta !== 'seeds' && t.visible === 'legendonly').map((t) => t.name)"
    )
    wait(opened, f"return (() => {{ {script} }})().length === 2")
    assert set(opened.execute_script(script)) == {hidden}
    wait(opened, f"return document.querySelectorAll('#chart-curves .scatterlayer .js-line').length < {before}")


def test_every_seed_on_demand(opened: Any) -> None:
    script = (
        "return document.getElementById('chart-curves').data.filter((t) => t.meta === 'seeds' && t.visible).length"
    )
    assert opened.execute_script(script) == 0
    button = opened.find_element("css selector", "#curves button.switch")
    button.click()
    wait(opened, f"return (() => {{ {script} }})() === 5")
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    wait(opened, f"return (() => {{ {script} }})() === 0")


def test_tables_sort(opened: Any) -> None:
    header = opened.find_elements("css selector", "#results-table th button")
    labels = [button.text for button in header]
    name, area = labels.index("Strategy"), next(i for i, label in enumerate(labels) if label.startswith("AUBC"))
    opened.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", header[name])
    header[name].click()
    assert column(opened, "results-table", name) == ["autoal", "badge", "entropy", "margin", "random"]
    header[name].click()
    assert column(opened, "results-table", name) == ["random", "margin", "entropy", "badge", "autoal"]
    header[area].click()
    values = [float(text) for text in column(opened, "results-table", area)]
    assert values == sorted(values, reverse=True)
    assert header[area].find_element("xpath", "..").get_attribute("aria-sort") == "descending"
    header[area].click()
    assert [float(text) for text in column(opened, "results-table", area)] == sorted(values)


def test_labels_for_an_accuracy_that_the_reader_types_in(opened: Any) -> None:
    field = opened.find_element("id", "reach")
    opened.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", field)

    def wanted(text: str) -> dict[str, str]:
        field.clear()
        field.send_keys(text)
        return dict(zip(column(opened, "reach-table", 0), column(opened, "reach-table", 1), strict=True))

    assert set(wanted("99.9").values()) == {"not reached"}
    assert set(wanted("1").values()) == {"10"}, "the first size that was measured"
    some = wanted("60")
    assert list(some.values()) == sorted(some.values(), key=int), "who needs the fewest stands first"
    data = opened.execute_script("return JSON.parse(document.getElementById('data').textContent)")
    items = next(s for s in data["settings"][0]["sections"] if s["id"] == "results")["items"]
    curves = {c["name"]: c for c in next(i for i in items if i["type"] == "reach")["curves"]}
    for name, text in some.items():
        exact = labels_to_reach(curves[name]["sizes"], curves[name]["acc"], 0.6)
        assert int(text) == math.ceil(exact)


def test_another_setting_is_one_choice_away(opened: Any) -> None:
    from selenium.webdriver.support.ui import Select

    choice = Select(opened.find_element("id", "setting"))
    assert [option.text for option in choice.options] == ["digits / mlp", "fashion / mlp", "svhn / mlp"]
    before = column(opened, "results-table", 2)
    choice.select_by_visible_text("svhn / mlp")
    wait(opened, "return document.querySelectorAll('#chart-curves[data-drawn]').length === 1")
    assert column(opened, "results-table", 2) != before
    assert opened.find_element("css selector", "#chosen .band-title").text == "svhn / mlp"


def test_problems_are_on_the_page(opened: Any) -> None:
    assert "out of memory" in opened.find_element("id", "problems").text
