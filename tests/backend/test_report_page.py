# SPDX-License-Identifier: GPL-3.0-or-later
"""The report in a real browser: sliders are moved by its keys and its mouse, and what is seen changes."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from frames import Scene, write_frame_4
from image_files import save
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from test_cli import sabi, steel

from sabi.backend.items import Engine, Settings, weather_item
from sabi.backend.picture import data_address, picture_of
from sabi.backend.protocol.errors import BadFile
from sabi.backend.protocol.recipe import Effect, Layer, Recipe
from sabi.backend.report import Exhibit, Picture, Showing, exhibits, failures
from sabi.backend.report_page import write_page

HOSTILE = "\"><script>document.title='owned'<script> & 錆 '{$x}\u202e.png"


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=900,1600"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def weathered(tmp_path_factory):
    """A batch of one image whose name is hostile, by the real painter, and its page."""
    folder = tmp_path_factory.mktemp("batch")
    (folder / "in").mkdir()
    steel(folder / "in" / HOSTILE, size=160)
    (folder / "in" / "broken.png").write_bytes(b"no image")
    look = ["--effect", "rust", "--age", "0.8", "--size", "0.3"]
    done = sabi("batch", folder / "in", "--out", folder / "out", *look, status=1)
    (folder / "lines.jsonl").write_text(done.stdout)
    sabi("report", folder / "out", "--lines", folder / "lines.jsonl", "--ages", "3")
    return folder / "out" / "report.html"


def seen(browser, what=".stage") -> np.ndarray:
    png = browser.find_element(By.CSS_SELECTOR, what).screenshot_as_png
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), np.float32)[:, 4:-4] / 255  # without the line between


def press(browser, slider: str, *keys: str) -> None:
    browser.find_element(By.CSS_SELECTOR, slider).send_keys(*keys)


def halves(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    middle = picture.shape[1] // 2
    return picture[:, : middle - 8], picture[:, middle + 8 :]


def test_the_slider_between_before_and_after_uncovers_the_picture(browser, weathered):
    browser.get(weathered.as_uri())
    press(browser, ".wipe", Keys.END)
    after = seen(browser)
    press(browser, ".wipe", Keys.HOME)
    before = seen(browser)
    assert np.abs(after - before).mean() > 0.03, "rust at 0.8 is seen"
    wipe = browser.find_element(By.CSS_SELECTOR, ".wipe")
    ActionChains(browser).move_to_element(wipe).click().perform()
    left, right = halves(seen(browser))
    assert np.abs(left - halves(after)[0]).max() < 0.02
    assert np.abs(right - halves(before)[1]).max() < 0.02


def test_the_slider_of_age_grows_the_rust_from_nothing(browser, weathered):
    browser.get(weathered.as_uri())
    press(browser, ".wipe", Keys.HOME)
    before = seen(browser)
    press(browser, ".wipe", Keys.END)
    away, said = [], []
    for key in (Keys.HOME, Keys.PAGE_UP, Keys.END):
        press(browser, ".age", key)
        away.append(float(np.abs(seen(browser) - before).mean()))
        said.append(browser.find_element(By.CSS_SELECTOR, "output").text)
    assert away[0] < 1e-3
    assert away[0] < away[1] < away[2]
    assert (said[0], said[2]) == ("0.00", "0.80")


def test_the_page_loads_nothing_and_no_name_is_markup(browser, weathered):
    browser.get_log("performance")
    browser.get(weathered.as_uri())
    assert browser.title == "Sabi: out"
    assert browser.find_element(By.CSS_SELECTOR, "section h2").text == HOSTILE.replace("\u202e", "\ufffd")
    assert "broken.png" in browser.find_element(By.CSS_SELECTOR, "body > table").text
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith("data:")] == [weathered.as_uri()]
    assert not [line for line in browser.get_log("browser") if line["level"] == "SEVERE"]
    blocked = "const i = new Image(); i.onerror = () => done('refused'); i.onload = () => done('loaded'); i.src = arguments[0];"
    file = next(weathered.parent.glob("*.png")).as_uri()
    assert browser.execute_async_script("const done = arguments[1];" + blocked, file) == "refused"


def test_links_lead_to_the_files_beside_the_page(browser, weathered):
    browser.get(weathered.as_uri())
    link = browser.find_element(By.CSS_SELECTOR, "td a")
    assert link.text.endswith("_weathered.png")
    link.click()
    assert browser.current_url.startswith(weathered.parent.as_uri())
    assert browser.execute_script("return document.images.length") == 1


def test_missing_and_huge_images(browser, tmp_path):
    steel(tmp_path / "wide.png", size=64)
    save(tmp_path / "wide_weathered.png", np.full((500, 4000, 3), 90, np.uint8))
    sabi("weather", tmp_path / "wide.png", "--out", tmp_path / "out.png")
    sidecar = tmp_path / "out.png.sabi.json"
    said = json.loads(sidecar.read_text())
    for name, files in (("a", ["wide_weathered.png"]), ("b", ["gone.png"]), ("c", ["../../etc/passwd.png"])):
        (tmp_path / f"{name}.sabi.json").write_text(json.dumps({**said, "files": files}))
    sidecar.write_text("[[[")
    sabi("report", tmp_path, "--out", tmp_path / "page.html", "--ages", "0", "--side", "256")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert len(page) < 200_000
    browser.get((tmp_path / "page.html").as_uri())
    sections = browser.find_elements(By.CSS_SELECTOR, "section")
    assert len(sections) == 4
    wide = sections[0].find_element(By.CSS_SELECTOR, ".stage > img")
    assert browser.execute_script("return [arguments[0].naturalWidth, arguments[0].naturalHeight]", wide) == [256, 32]
    assert "gone.png is missing" in sections[1].text
    assert "does not lie in its folder" in sections[2].text
    assert "cannot be read" in sections[3].text


def test_what_cannot_be_shown(tmp_path):
    assert "no results" in sabi("report", tmp_path, status=1).stderr
    assert not list(tmp_path.iterdir())
    assert "is missing" in sabi("report", tmp_path / "x", status=1).stderr
    assert "no page" in sabi("report", tmp_path, "--out", "x.png", status=1).stderr
    (tmp_path / "lines").write_text("[1]")
    with pytest.raises(BadFile, match="does not hold"):
        failures(tmp_path / "lines")


def test_an_input_that_changed_is_not_shown_as_before(networks_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("SABI_NETWORKS", str(networks_folder))
    steel(tmp_path / "steel.png")
    sabi("weather", tmp_path / "steel.png", SABI_NETWORKS=str(networks_folder))
    (shown,) = exhibits([tmp_path], Showing(), None)
    assert shown.before.address
    steel(tmp_path / "steel.png", size=100)
    (shown,) = exhibits([tmp_path], Showing(), None)
    assert shown.before is None
    assert any("has changed" in note for note in shown.notes)
    os.remove(tmp_path / "steel.png")
    (shown,) = exhibits([tmp_path], Showing(), None)
    assert any("--inputs" in note for note in shown.notes)


def test_ages_between_keep_to_masks_of_materials(networks_folder, monkeypatch, tmp_path):
    """Only the left half of the maps is metal: the right looks the same at every age."""
    monkeypatch.setenv("SABI_NETWORKS", str(networks_folder))
    (tmp_path / "door").mkdir()
    steel(tmp_path / "door" / "door_basecolor.png")
    metallic = np.zeros((96, 96, 1), np.uint8)
    metallic[:, :48] = 255
    save(tmp_path / "door" / "door_metallic.png", metallic)
    settings = Settings(out=tmp_path / "out", threads=1)
    engine = Engine(settings)
    recipe = Recipe((Layer(Effect.RUST, age=1.0, seed=3, feature_size=0.3, mask="material:metal"),))
    weather_item(tmp_path / "door", recipe, settings, engine, lambda *_: None)
    (shown,) = exhibits([tmp_path / "out"], Showing(ages=4, inputs=(tmp_path,)), engine)
    assert (len(shown.frames), shown.notes) == (4, ())
    first, *_, between, _ = (decoded(picture) for _, picture in shown.frames)
    assert np.abs(between - first)[:, :40].max() > 20
    assert np.abs(between - first)[:, 56:].max() < 8, "no more than JPEG loses"


def test_ages_of_a_frame_are_painted_in_the_units_that_it_was_weathered_in(tmp_path):
    write_frame_4(tmp_path / "frame.exr", Scene().passes())
    settings = Settings(unit=0.1, threads=1)
    engine = Engine(settings)
    recipe = Recipe((Layer(Effect.RUST, age=1.0, feature_size=0.02),))
    weather_item(tmp_path / "frame.exr", recipe, settings, engine, lambda *_: None)
    half = replace(recipe, layers=(replace(recipe.layers[0], age=0.5),))
    right = replace(settings, out=tmp_path / "half.exr")
    weather_item(tmp_path / "frame.exr", half, right, engine, lambda *_: None)
    (tmp_path / "half.exr.sabi.json").unlink()
    (shown,) = exhibits([tmp_path], Showing(ages=3), engine)
    between = decoded(shown.frames[1][1])
    expected = decoded(Picture(data_address(picture_of(tmp_path / "half.exr", 768))))
    assert np.abs(expected - decoded(shown.frames[0][1])).mean() > 2
    assert np.abs(between - expected).mean() < 0.5


def decoded(picture: Picture) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(picture.address.partition(",")[2]))), np.float32)


def test_a_timelapse_is_shown_by_its_frames(networks_folder, tmp_path):
    steel(tmp_path / "steel.png")
    sabi("timelapse", tmp_path / "steel.png", "--frames", "12", "--to", "0.6", SABI_NETWORKS=str(networks_folder))
    os.remove(tmp_path / "steel_timelapse" / "steel.0003.png")
    (shown,) = exhibits([tmp_path], Showing(), None)
    ages = [age for age, _ in shown.frames]
    assert len(ages) == 9
    assert (ages[0], ages[-1]) == (0.0, pytest.approx(0.6))
    assert "1 of 12 frames are missing." in shown.notes


def test_names_that_are_no_text(tmp_path):
    name = os.fsdecode(b"rust\xff.png")
    write_page(tmp_path / "p.html", tmp_path / "p.html", name, [Exhibit(name, frames=((0.5, Picture(missing=name)),))])
    assert "rust?.png" in Path(tmp_path / "p.html").read_text(encoding="utf-8")
