"""The Pictures screen: photographs that say how they are turned, maps on demand, one file after the other."""

from __future__ import annotations

import io
from contextlib import closing
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from barriers import PHONE, barriers, keep
from mqtt_partners import wait_for
from page_device import go_to
from PIL import Image

from edge.cameras import open_camera
from edge.config import SimulatedConfig

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page
    from served import Served

ORIENTATION = 0x0112
UPSIDE_DOWN, ON_ITS_SIDE = 3, 6
MOST_OFF = 12.0
"""Of 255 on average: how much a crop may be off, by the scaling of the browser."""

PIXELS = """canvas => [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data]"""
TURNED = """const real = createImageBitmap;
  window.createImageBitmap = (file, how) => real(file, { ...how, resizeWidth: 480, resizeHeight: 640 });"""
"""A browser in which a picture of 640 x 480 pixels lies on its side all the same."""

BYTES = """async ([name, bytes]) => {
  const { unturned } = await import("/static/unturned.js");
  const file = new File([new Uint8Array(bytes)], name);
  return [...new Uint8Array(await (await unturned(file)).arrayBuffer())];
}"""


@pytest.fixture
def pictures(window) -> Page:
    found = window("OPE")
    found.goto("/pictures")
    return found


def photograph(folder: Path, orientation: int = 1) -> Path:
    """Return a drawn picture as a phone would write it that was held so."""
    with closing(open_camera(SimulatedConfig())) as camera:
        frame = camera.read()
    path = folder / f"turned-{orientation}.jpg"
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(frame.pixels).save(path, quality=95, exif=exif)
    return path


def looked_at(pictures: Page, path: Path) -> list[dict]:
    """Choose a file, and return what the device found in it, once it is shown."""
    with pictures.expect_response("**/api/v1/pictures") as answer:
        pictures.locator("#files").set_input_files(path)
    pictures.get_by_role("heading", name=path.name).wait_for()
    found = answer.value.json()["cells"]
    assert found
    return found


@pytest.mark.parametrize("orientation", [UPSIDE_DOWN, ON_ITS_SIDE])
def test_a_turned_photograph_shows_the_cells_that_were_found(
    orientation: int, pictures: Page, tmp_path: Path
) -> None:
    path = photograph(tmp_path, orientation)
    found = looked_at(pictures, path)
    held = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)[..., ::-1]
    shown = pictures.locator("canvas.cut").all()
    assert len(shown) == len(found)
    compared = 0
    for cell, canvas in zip(found, shown, strict=True):
        x, y, width, height = cell["crop"]
        if x < 0 or y < 0 or x + width > held.shape[1] or y + height > held.shape[0]:
            continue
        expected = cv2.resize(held[y : y + height, x : x + width], (160, 160), interpolation=cv2.INTER_LINEAR)
        pixels = np.array(canvas.evaluate(PIXELS), np.uint8).reshape(160, 160, 4)[..., :3]
        assert np.abs(pixels.astype(float) - expected).mean() < MOST_OFF
        compared += 1
    assert compared


def test_where_the_browser_has_it_in_another_size_no_wrong_cells_are_shown(window, tmp_path: Path) -> None:
    pictures = window("OPE")
    pictures.add_init_script(TURNED)
    pictures.goto("/pictures")
    looked_at(pictures, photograph(tmp_path))
    assert "cannot be shown here" in pictures.locator("section.card").inner_text()
    assert pictures.locator("canvas.cut").count() == 0
    assert pictures.locator("#results .cell").count()


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif"])
def test_what_would_turn_a_picture_is_gone_and_its_pixels_are_the_same(kind: str, pictures: Page) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = ON_ITS_SIDE
    drawn = Image.fromarray(np.random.default_rng(1).integers(0, 256, (9, 14, 3), np.uint8))
    file = io.BytesIO()
    drawn.save(file, {"jpg": "JPEG", "tif": "TIFF"}.get(kind, kind), exif=exif)
    held = Image.open(file)
    assert held.getexif()[ORIENTATION] == ON_ITS_SIDE
    if kind == "tif":
        held = drawn  # Pillow turns it as it reads it
    found = Image.open(io.BytesIO(bytes(pictures.evaluate(BYTES, [f"a.{kind}", list(file.getvalue())]))))
    assert found.getexif().get(ORIENTATION, 1) == 1
    assert np.array_equal(np.asarray(found), np.asarray(held))


def test_maps_are_shown_when_they_are_asked_for_also_by_keys(window, tmp_path: Path) -> None:
    pictures = window("OPE", width=PHONE)
    pictures.goto("/pictures")
    button = pictures.get_by_role("button", name="Maps")
    assert button.count() == 0, "there is nothing to show maps of"
    cells = looked_at(pictures, photograph(tmp_path))
    maps = pictures.locator("#results .map")
    assert maps.count() == sum(each["heatmap"] is not None for each in cells) > 0
    assert button.get_attribute("aria-pressed") == "false"
    assert not any(each.is_visible() for each in maps.all())
    assert barriers(pictures) == []
    go_to(pictures, "#maps")
    pictures.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"
    assert all(each.is_visible() for each in maps.all())
    keep(pictures, "en-phone-pictures-maps")
    pictures.keyboard.press("m")
    assert not any(each.is_visible() for each in maps.all())


def no_pictures(folder: Path, number: int) -> list[Path]:
    paths = [folder / f"{name}.jpg" for name in range(number)]
    for path in paths:
        path.write_bytes(bytes(1_000_000))
    return paths


def test_each_file_that_could_not_be_looked_at_is_named_with_its_reason(
    pictures: Page, tmp_path: Path
) -> None:
    chosen = no_pictures(tmp_path, 2)
    pictures.locator("#files").set_input_files(chosen)
    pictures.locator("#errors p").nth(1).wait_for()
    said = pictures.locator("#errors p").all_inner_texts()
    assert [each.partition(": ")[0] for each in said] == ["0.jpg", "1.jpg"]
    assert all("no picture that can be read" in each for each in said)
    assert pictures.locator("#files").evaluate("input => input.files.length") == 0, "to be chosen again"
    pictures.locator("#files").set_input_files(chosen[:1])
    pictures.locator("#errors p").nth(1).wait_for(state="detached")
    pictures.locator("#status:empty").wait_for(state="attached")
    assert len(pictures.locator("#errors p").all()) == 1, "what was said of those before is gone"


def test_where_the_device_is_busy_the_page_waits_as_long_as_it_says(
    page: Served, cookies: dict[str, str], pictures: Page, tmp_path: Path
) -> None:
    def status() -> int:
        return page.ask("POST", "/api/v1/pictures", raw=b"", cookie=cookies["OPE"]).status

    statuses = []
    wait_for(lambda: status() == 429, "the most pictures that are taken of an address", 60)
    pictures.on("response", lambda answer: statuses.append(answer.status))
    pictures.locator("#files").set_input_files(no_pictures(tmp_path, 2))
    pictures.get_by_text("0.jpg waits its turn").wait_for()
    pictures.locator("#errors p").nth(1).wait_for()
    said = pictures.locator("#errors p").all_inner_texts()
    assert [each.partition(": ")[0] for each in said] == ["0.jpg", "1.jpg"]
    assert all("no picture that can be read" in each for each in said)
    assert statuses.count(422) == 2
    assert statuses.count(429) <= 4, "asked again once it is its turn, or a moment too early"
