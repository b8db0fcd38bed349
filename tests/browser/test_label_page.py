"""The labelling page in a real browser, by keyboard alone: nothing is lost, nothing is asked twice."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image, ImageDraw

from autoal.humans.answers import Desk
from autoal.humans.queries import Asked, Query, name_of
from autoal.rundir.predictions import Predictions
from tests.browser.test_report_page import driver as driver

pytestmark = pytest.mark.browser
pytest.importorskip("starlette")

CLASSES = ("circle", "square", "triangle")
N = 40


def draw_shape(path: Path, kind: str, seed: int) -> None:
    """Draw a picture that a person can tell the class of."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(214, 217, (240, 320, 3)).astype(np.uint8)
    image = Image.fromarray(noise)
    pen, colour = ImageDraw.Draw(image), tuple(int(c) for c in rng.integers(20, 140, 3))
    x, y, r = int(rng.integers(90, 230)), int(rng.integers(80, 160)), int(rng.integers(40, 70))
    if kind == "circle":
        pen.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    elif kind == "square":
        pen.rectangle((x - r, y - r, x + r, y + r), fill=colour)
    else:
        pen.polygon([(x, y - r), (x - r, y + r), (x + r, y + r)], fill=colour)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def make_query(folder: Path, overlap: int = 1) -> tuple[Path, dict[str, str]]:
    """A run that asks for forty labels and has four spares; returns it and the truth."""
    run_dir, truth, items = folder / "run", {}, []
    for i in range(N + 4):
        kind = CLASSES[i * 7 % 3]
        name = f"camera {i % 2}/{i:04d}.jpg"
        draw_shape(folder / "data" / "shapes" / name, kind, i)
        truth[name] = kind
        items.append(Asked(name, i, "query", "", i, 1.0, CLASSES[i % 3], 0.6, spare=i >= N))
    (run_dir / ".hydra").mkdir(parents=True)
    config = {
        "oracle": {"people": True},
        "dataset": {"path": "shapes"},
        "paths": {"data_dir": str(folder / "data")},
    }
    (run_dir / ".hydra" / "config.yaml").write_text(yaml.safe_dump(config))
    (run_dir / "summary.json").write_text(json.dumps({"status": "waiting"}))
    query = name_of("uuid", 1, items)
    Query("uuid", query, 1, "margin", CLASSES, {"query": N}, overlap, overlap, tuple(items)).write(run_dir)
    return run_dir, truth


class Server:
    """``autoal label`` in a process of its own, which a test may kill."""

    def __init__(self, run_dir: Path, *words: str) -> None:
        self.words = [sys.executable, "-m", "autoal", "label", str(run_dir), "--annotator", "ann", *words]
        self.address = ""
        self.start("0")

    def start(self, port: str) -> None:
        env = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen([*self.words, "--port", port], stdout=subprocess.PIPE, text=True, env=env)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if match := re.search(r"open (http://\S+)", line):
                self.address = match[1]
                return
        raise AssertionError("the server did not start")

    @property
    def port(self) -> str:
        match = re.search(r":(\d+)/", self.address)
        assert match
        return match[1]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> int:
        self.process.send_signal(signal.SIGINT)  # Ctrl-C, as the program says
        return self.process.wait(20)


@pytest.fixture
def serve() -> Iterator[Any]:
    servers: list[Server] = []

    def start(run_dir: Path, *words: str) -> Server:
        servers.append(Server(run_dir, *words))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.close()


def wait(driver: Any, script: str, limit: float = 30) -> Any:
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(driver, limit, poll_frequency=0.02).until(lambda d: d.execute_script(script))


def ready(driver: Any) -> str:
    """Wait until an image is on the screen; returns its name."""
    script = (
        "const i = document.getElementById('image');"
        "return document.body.dataset.loaded && !document.querySelector('main').hidden && i.complete "
        "&& i.naturalWidth > 0 && !document.body.classList.contains('busy') "
        "&& i.alt === document.getElementById('name').textContent && i.alt"
    )
    return str(wait(driver, script))


def press(driver: Any, key: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(driver).send_keys(key).perform()


def label(driver: Any, truth: dict[str, str]) -> str:
    """Label the image on the screen by its key; returns its name once another one is shown."""
    name = ready(driver)
    # The page begins to take keys when the image's own event has come.
    time.sleep(0.03)
    before = count(driver)
    press(driver, str(CLASSES.index(truth[name]) + 1))
    wait(driver, f"return document.getElementById('count').textContent !== {json.dumps(before)}")
    return name


def count(driver: Any) -> str:
    return str(driver.find_element("id", "count").get_attribute("textContent"))


def given(run_dir: Path) -> dict[str, str]:
    standing = Desk(run_dir).latest()
    assert standing is not None
    return {asked.id: label for asked, label in standing.taken}


def severe(driver: Any) -> list[Any]:
    # What a killed server breaks off is an error of the network, which the browser logs by itself.
    return [e for e in driver.get_log("browser") if e["level"] == "SEVERE" and "net::ERR" not in e["message"]]


@pytest.mark.slow
def test_forty_images_by_keyboard_with_reloads_undo_skips_and_a_killed_server(
    driver: Any, tmp_path: Path, serve: Any
) -> None:
    from selenium.webdriver.common.keys import Keys

    run_dir, truth = make_query(tmp_path)
    server = serve(run_dir)
    driver.get(server.address)
    for _ in range(5):
        label(driver, truth)
    driver.refresh()
    ready(driver)
    assert count(driver) == "5 of 40"
    # A slip, taken back, and right the second time.
    wrong = ready(driver)
    time.sleep(0.03)
    press(driver, str((CLASSES.index(truth[wrong]) + 1) % 3 + 1))
    wait(driver, "return document.getElementById('count').textContent === '6 of 40'")
    ready(driver)
    press(driver, Keys.BACKSPACE)
    wait(driver, "return document.getElementById('count').textContent === '5 of 40'")
    assert ready(driver) == wrong
    assert label(driver, truth) == wrong
    # A skip with a reason lets a spare in.
    ready(driver)
    time.sleep(0.03)
    skipped = ready(driver)
    press(driver, " ")
    wait(driver, "return !document.getElementById('reasons').hidden")
    press(driver, "u")
    wait(driver, "return document.getElementById('count').textContent.startsWith('7 of 41')")
    # The server dies while the person works; the page says so, and the key press is not lost.
    name = ready(driver)
    time.sleep(0.03)
    server.kill()
    press(driver, str(CLASSES.index(truth[name]) + 1))
    wait(driver, "return document.getElementById('notice').textContent.includes('not saved')")
    assert len(given(run_dir)) == 6
    server.start(server.port)
    wait(driver, "return document.getElementById('count').textContent.startsWith('8 of 41')", limit=60)
    assert given(run_dir)[name] == truth[name]
    for _ in range(33):
        label(driver, truth)
    wait(driver, "return !document.getElementById('done').hidden")
    assert driver.find_element("id", "done-title").text == "All done"
    assert given(run_dir) == {k: v for k, v in truth.items() if k in given(run_dir)}
    assert len(given(run_dir)) == 40
    assert skipped not in given(run_dir)
    # Nobody was asked twice: one answer per image, but for the slip and its retraction.
    said = [a["id"] for a in Desk(run_dir).answers()]
    assert sorted(said) == sorted([*set(said), wrong, wrong])
    assert severe(driver) == []
    assert server.close() == 0


def test_two_windows_and_two_annotators(driver: Any, tmp_path: Path, serve: Any) -> None:
    run_dir, truth = make_query(tmp_path)
    server = serve(run_dir)
    driver.get(server.address)
    first = ready(driver)
    tab = driver.current_window_handle
    driver.switch_to.new_window("tab")
    driver.get(server.address)
    assert ready(driver) == first  # one annotator in two windows
    label(driver, truth)
    other = driver.current_window_handle
    driver.switch_to.window(tab)
    # Coming back shows what the other window did, so no second answer is given.
    wait(driver, "return document.getElementById('count').textContent === '1 of 40'")
    driver.switch_to.window(other)
    driver.get(server.address.replace("annotator=ann", "annotator=bob"))
    bob = ready(driver)
    driver.switch_to.window(tab)
    driver.get(server.address)
    assert ready(driver) != bob
    driver.switch_to.window(other)
    driver.close()
    driver.switch_to.window(tab)
    assert list(given(run_dir)) == [first]


@pytest.mark.slow
def test_it_fits_a_laptop_and_a_phone(driver: Any, tmp_path: Path, serve: Any) -> None:
    run_dir, truth = make_query(tmp_path)
    targets = np.arange(100) % 3
    measured = Predictions.none()
    for round_, right in enumerate((60, 72, 80, 84)):
        measured = measured.with_round(round_, np.where(np.arange(100) < right, targets, 0), targets, 0.9)
    measured.write(run_dir)
    server = serve(run_dir, "--suggest")
    folder = Path(os.environ.get("AUTOAL_SCREENSHOTS", str(tmp_path)))
    for name, width, height in (("laptop", 1280, 800), ("phone", 390, 844)):
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": name == "phone"},
        )
        driver.get(server.address)
        for _ in range(6):
            label(driver, truth)
        ready(driver)
        driver.save_screenshot(str(folder / f"label_{name}.png"))
        wide = driver.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
        assert wide, f"the page is wider than the {name}"
        for button in driver.find_elements("css selector", "#classes button"):
            assert button.is_displayed()
            assert button.rect["height"] >= 40
        stage = driver.find_element("id", "image").rect
        assert stage["height"] > height / 3
        assert "go on" in str(driver.find_element("css selector", "#advice p").get_attribute("textContent"))
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
