"""The API over a real process and a real store: it says what the command line says, and orders the same."""

from __future__ import annotations

import csv
import http.client
import io
import json
import subprocess
import sys
import threading
import time
from contextlib import closing

import cv2
import jsonschema
import msgspec
import numpy as np
import pytest
from samples import cell, field
from served import PATIENCE_S, PIN, Served
from stored import count_into, jpeg

from edge.cameras import open_camera
from edge.config import SimulatedConfig
from edge.messages import Alignment
from edge.messages.live import PICTURE, STATE, WANTED, LiveCell, LiveFrame
from edge.slide.contribution import standing
from edge.store.fields import Store
from edge.web.api.openapi import document
from edge.web.api.table import ENDPOINTS


@pytest.fixture(scope="module")
def cells(page):
    """Return the ids of the cells of the specimen S-1, which waits for its signature."""
    return count_into(page.store, "S-1", 40)


@pytest.fixture(scope="module")
def ask(page, cookies):
    def asked(method, path, body=None, *, who="REV"):
        return page.ask(method, f"/api/v1{path}", body, cookie=cookies[who])

    return asked


def shown(page, specimen_id):
    """What the command line says of a specimen."""
    command = [sys.executable, "-m", "edge.cli", "specimen", "show", specimen_id, "--json", "--config"]
    done = subprocess.run([*command, page.config], capture_output=True, text=True, timeout=120, check=True)
    return json.loads(done.stdout)


def test_before_the_first_specimen_there_is_none(tmp_path):
    served = Served(tmp_path)
    try:
        assert served.ask("GET", "/api/v1/specimens").json == []
        answer = served.ask("GET", "/api/v1/specimens/S-1")
        assert (answer.status, answer.json) == (404, {"error": "there is no specimen S-1"})
        assert not served.store.exists(), "who only looks makes no store"
    finally:
        served.close()


@pytest.mark.usefixtures("cells")
def test_specimens_and_differential_are_those_of_the_command_line(page, ask):
    assert [each["specimen_id"] for each in ask("GET", "/specimens").json] == ["S-1"]
    found = ask("GET", "/specimens/S-1").json
    assert found.pop("summary")["cells"] == 40
    assert found.pop("was_signed") is False
    told = shown(page, "S-1")
    for moment in ("updated_at", "clock_synced"):
        del found[moment], told[moment]
    assert found == told


def test_cells_come_in_pages_each_once_with_picture_and_map(ask, cells):
    found, after = [], 0
    while after is not None:
        answer = ask("GET", f"/specimens/S-1/cells?after={after}&limit=10").json
        found += answer["cells"]
        after = answer["next"]
    assert [each["cell_id"] for each in found] == cells
    one = found[1]
    assert (one["label"], one["model_label"], one["person_label"]) == ("lymphocyte", "lymphocyte", None)
    picture = ask("GET", f"/cells/{cells[1]}/picture.jpg")
    assert (picture.headers["content-type"], picture.body) == ("image/jpeg", jpeg(40))
    assert "immutable" in picture.headers["cache-control"]
    png = np.frombuffer(ask("GET", f"/cells/{cells[1]}/map.png").body, np.uint8)
    drawn = cv2.imdecode(png, cv2.IMREAD_UNCHANGED)
    assert drawn.shape == (80, 80, 4)
    assert drawn[..., 3].max() > 0
    assert ask("GET", f"/cells/{cells[1]}").json["found"]["label"] == "lymphocyte"


@pytest.mark.usefixtures("cells")
@pytest.mark.parametrize(
    "path", ["/cells/none", "/cells/none/picture.jpg", "/cells/none/map.png", "/specimens/S-9"]
)
@pytest.mark.parametrize("rest", ["", "/"])
def test_what_is_not_there_is_not_found(ask, path, rest):
    answer = ask("GET", path + rest)
    assert answer.status == 404
    assert answer.json["error"]


def test_a_specimen_is_started_looked_at_named_and_signed(page, ask):
    assert ask("POST", "/specimens", {"specimen_id": "S-2", "target": 100}, who="OPE").json["state"] == "open"
    assert ask("POST", "/specimens", {"specimen_id": "S-3"}).status == 409
    assert ask("POST", "/specimens/S-2/stop", {}, who="OPE").json["state"] == "stopped"
    ids = count_into(page.store, "S-4", 8)
    body = {"cell_ids": ids[:2], "action": "relabel", "label": "monocyte"}
    noted = ask("POST", "/specimens/S-4/review", body, who="OPE").json
    found = ask("GET", "/specimens/S-4").json
    assert (found["reviewed"], found["renamed"], found["revision"]) == (2, 2, noted["revision"])
    assert {each["label"]: each["count"] for each in found["classes"]}["monocyte"] == 4
    words = ask("GET", "/specimens/S-4/words").json
    assert {(each["operator"], each["label"]) for each in words} == {("OPE", "monocyte")}
    body = {"pin": PIN, "reason": "few cells", "revision": noted["revision"]}
    assert ask("POST", "/specimens/S-4/sign", body).json["state"] == "final"
    told = shown(page, "S-4")
    assert (told["signature"]["operator"], told["renamed"]) == ("REV", 2)
    assert [each["kind"] for each in ask("GET", "/specimens/S-4/history").json][-1] == "signed"
    assert ask("POST", "/specimens/S-4/wbc-count", {"wbc_count": "6.8"}).status == 409
    assert ask("POST", "/specimens/S-2/wbc-count", {"wbc_count": "6800 /uL"}, who="OPE").status == 200
    assert ask("GET", "/specimens/S-2").json["wbc_count"] == 6.8
    assert ask("GET", "/specimens/S-2/history").json[-1]["operator"] == "OPE"
    assert ask("POST", "/specimens/S-2/rename", {"new_id": "S-5"}).json["specimen_id"] == "S-5"
    assert ask("POST", "/specimens/S-5/discard", {"reason": "clotted"}).json["state"] == "discarded"


def test_a_signature_takes_the_signers_own_pin(page, ask):
    count_into(page.store, "S-6", 4)
    for body, status in (
        ({"reason": "few"}, 403),
        ({"reason": "few", "pin": "000000"}, 403),
        ({"reason": "few", "pin": PIN, "code": "ADA"}, 403),
        ({"reason": "few", "pin": PIN, "operator": "ADA"}, 200),
    ):
        assert ask("POST", "/specimens/S-6/sign", body).status == status, body
    assert shown(page, "S-6")["signature"]["operator"] == "REV"
    wrong = [each for each in page.people.trail() if each.outcome == "wrong code or PIN"]
    assert {(each.action, each.code) for each in wrong} == {("signature", "REV")}


def test_an_order_is_of_who_is_signed_in_whatever_it_says(page, ask):
    ids = count_into(page.store, "S-7", 4)
    body = {"cell_ids": ids, "action": "confirm", "operator": "ADA"}
    assert ask("POST", "/specimens/S-7/review", body, who="OPE").status == 200
    assert {each["operator"] for each in ask("GET", "/specimens/S-7/words").json} == {"OPE"}
    body = {"pin": PIN, "reason": "few"}
    assert ask("POST", "/specimens/S-7/sign", body, who="OPE").status == 403, "operators do not sign"


def test_of_two_who_change_the_same_revision_at_once_one_is_told_so(page, ask):
    ids = count_into(page.store, "S-8", 4)
    revision = ask("GET", "/specimens/S-8").json["revision"]
    statuses = []

    def name(label, who):
        body = {"cell_ids": ids[:1], "action": "relabel", "label": label, "revision": revision}
        statuses.append(ask("POST", "/specimens/S-8/review", body, who=who).status)

    threads = [
        threading.Thread(target=name, args=("monocyte", "OPE")),
        threading.Thread(target=name, args=("eosinophil", "REV")),
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(statuses) == [200, 409]
    assert len(ask("GET", "/specimens/S-8/words").json) == 1


def test_who_confirms_a_name_that_the_cell_has_no_longer_is_told_so_and_nothing_changes(page, ask):
    ids = count_into(page.store, "S-9a", 4)
    labels = {each["cell_id"]: each["label"] for each in ask("GET", "/specimens/S-9a/cells").json["cells"]}

    def confirm(*cell_ids, shown):
        body = {"cell_ids": cell_ids, "action": "confirm", "shown": shown}
        return ask("POST", "/specimens/S-9a/review", body, who="OPE")

    body = {"cell_ids": ids[1:2], "action": "relabel", "label": "basophil"}
    assert ask("POST", "/specimens/S-9a/review", body).status == 200
    assert ask("POST", "/specimens/S-9a/review", {"cell_ids": ids[2:3], "action": "exclude"}).status == 200
    before = ask("GET", "/specimens/S-9a/words").json
    refused = confirm(*ids[:2], shown=[labels[ids[0]], labels[ids[1]]])
    assert refused.status == 409
    assert refused.json["error"] == f"a cell is called basophil by now, not {labels[ids[1]]}: look again"
    assert confirm(ids[2], shown=[labels[ids[2]]]).status == 409
    assert confirm(*ids[:2], shown=[labels[ids[0]]]).status == 409, "a name for each of them"
    assert ask("GET", "/specimens/S-9a/words").json == before
    assert confirm(*ids[:3], shown=[labels[ids[0]], "basophil", "not a white cell"]).status == 200


def test_a_sighting_that_a_better_one_took_the_place_of_is_not_confirmed_by_its_own_name(page, ask):
    first, better = cell("neutrophil"), cell("monocyte")
    with Store.open(page.store) as store:
        store.ledger.start("S-9b", target=1, wbc_count=None, resume=False)
        store.add(field(store.next_sequence(), first, specimen_id="S-9b"), cells=[standing(first)])
        seen_again = standing(first)._replace(same_as=better.cell_id)
        store.add(
            field(store.next_sequence(), better, specimen_id="S-9b"), cells=[standing(better), seen_again]
        )
        store.ledger.stop("S-9b")
    for shown, status in (("neutrophil", 409), ("monocyte", 200)):
        body = {"cell_ids": [first.cell_id], "action": "confirm", "shown": [shown]}
        assert ask("POST", "/specimens/S-9b/review", body).status == status


@pytest.mark.usefixtures("cells")
@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/specimens", {"specimen_id": "Amina Hassan"}, 422),
        ("/specimens", {"specimen_id": ".."}, 422),
        ("/specimens", {"specimen_id": "<b>"}, 422),
        ("/specimens", {"specimen_id": "S-20", "target": 0}, 422),
        ("/specimens", {"specimen_id": "S-20", "wbc_count": "many"}, 409),
        ("/specimens/S-1/review", {"cell_ids": [], "action": "confirm"}, 422),
        ("/specimens/S-1/review", {"cell_ids": ["none"], "action": "confirm"}, 409),
        ("/specimens/S-1/review", {"cell_ids": ["<b>"], "action": "confirm"}, 422),
        ("/specimens/S-1/review", {"cell_ids": ["none"], "action": "delete"}, 422),
        ("/specimens/S-9/sign", {"pin": PIN}, 404),
        ("/specimens/S-1/stop", {}, 409),
        ("/specimens/S-1/rename", {"new_id": "a b"}, 422),
        ("/specimens/S-1/wbc-count", {}, 422),
        ("/specimens/S-1/wbc-count", {"wbc_count": "many"}, 409),
        ("/specimens/S-1/discard", {}, 422),
        ("/specimens/S-1/discard", {"reason": "a\nb"}, 422),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(ask, path, body, status):
    answer = ask("POST", path, body)
    assert answer.status == status, answer
    assert set(answer.json) == {"error"}
    known = {each["specimen_id"]: each for each in ask("GET", "/specimens").json}
    assert "S-20" not in known
    assert (known["S-1"]["state"], known["S-1"]["reviewed"]) == ("stopped", 0)


def test_tables_for_spreadsheets_have_a_row_a_class_and_a_row_a_cell(ask, cells):
    answer = ask("GET", "/specimens/S-1/report.csv")
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''S-1-report.csv"
    rows = list(csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig"))))
    told = {each["label"]: each for each in ask("GET", "/specimens/S-1").json["classes"]}
    counted = [row for row in rows if row["cells"]]
    assert {row["class"]: int(row["cells"]) for row in counted} == {k: v["count"] for k, v in told.items()}
    assert all(float(row["percent"]) == told[row["class"]]["percent"] for row in counted)
    rows = list(csv.DictReader(io.StringIO(ask("GET", "/specimens/S-1/cells.csv").body.decode("utf-8-sig"))))
    assert [row["cell"] for row in rows] == cells


def test_pictures_are_answered_as_analyze_does_cell_for_cell(page, cookies, ask, tmp_path):
    path = tmp_path / "smear.png"
    with closing(open_camera(SimulatedConfig())) as camera:
        cv2.imwrite(str(path), camera.read().pixels[..., ::-1])
    before = ask("GET", "/specimens").json
    head = b'--b\r\nContent-Disposition: form-data; name="picture"; filename="smear.png"\r\n\r\n'
    answer = page.ask(
        "POST",
        "/api/v1/pictures",
        raw=head + path.read_bytes() + b"\r\n--b--\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=b"},
        cookie=cookies["OPE"],
    )
    assert answer.status == 200, answer
    command = [sys.executable, "-m", "edge.cli", "analyze", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    expected = json.loads(done.stdout)
    found = answer.json
    for each in found["cells"]:
        assert {each.pop("second_label"), each.pop("second_probability")} - {None}
    assert found["cells"], "the picture has cells"
    for what in ("cells", "width", "height", "quality", "scale", "red_cells", "platelets"):
        assert found[what] == expected[what]
    assert ask("GET", "/specimens").json == before, "counted into nothing"


def test_a_model_is_adapted_by_an_administrator_and_told_why_where_it_cannot_be(page, ask):
    assert ask("POST", "/adapt", {}, who="REV").status == 403
    answer = ask("POST", "/adapt", {}, who="ADA")
    assert answer.status == 409, answer
    assert "Traceback" not in answer.json["error"]
    state = ask("GET", "/adapt", who="ADA").json
    assert state["state"] == "refused"
    assert state["sentence"][1:] == answer.json["error"][1:]
    entry = next(each for each in page.people.trail() if each.action == "adapt the model")
    assert (entry.code, entry.outcome) == ("ADA", f"refused: 409: {answer.json['error']}"[:200])


def test_a_camera_is_calibrated_by_a_reviewer_and_nothing_happens_where_no_counter_runs(page, ask):
    for what in ("measure", "use", "discard"):
        body = None if what == "measure" else {"calibration_id": "0123456789abcdef"}
        assert ask("POST", f"/calibration/{what}", body, who="OPE").status == 403
    answer = ask("POST", "/calibration/measure")
    assert (answer.status, answer.json["error"][:28]) == (409, "the counter does not answer:")
    answer = ask("POST", "/calibration/use", {"calibration_id": "0123456789abcdef"})
    assert (answer.status, answer.json["error"][:35]) == (409, "this measurement is no longer there")
    assert ask("POST", "/calibration/use", {"calibration_id": "../../etc/passwd"}).status == 422
    assert ask("GET", "/calibration/before.jpg").status == 404
    state = ask("GET", "/calibration").json
    assert (state["why_not"], state["in_use"], state["measurement"]["state"]) == (None, None, "idle")
    entry = next(
        each for each in page.people.trail() if each.action == "measure the light" and each.code == "REV"
    )
    assert entry.outcome.startswith("refused: 409: the counter does not answer")


@pytest.mark.parametrize(
    ("camera", "sentence"),
    [
        (
            'kind = "replay"\npaths = ["slides"]',
            "this device shows image files: there is no camera to calibrate",
        ),
        (
            'kind = "simulated"',
            "one specimen from its start to its end: stop the counter and use leukoscope camera",
        ),
        ('kind = "usb"\ncalibration = "/nowhere/camera.json"', "/nowhere/camera.json cannot be written"),
    ],
)
def test_a_source_that_cannot_be_calibrated_says_so_on_the_page(tmp_path, camera, sentence):
    served = Served(tmp_path, camera=camera)
    try:
        html = served.ask("GET", "/microscope").body.decode()
        said = html.replace("&#39;", "'")
        as_a_sentence = sentence[:1].upper() + sentence[1:]  # where it stands alone
        assert sentence in said or as_a_sentence in said
        assert 'id="measure"' not in html
        answer = served.ask("POST", "/api/v1/calibration/measure")
        assert answer.status == 409
        assert sentence in answer.json["error"]
    finally:
        served.close()


@pytest.mark.parametrize(
    ("settled", "sentence"),
    [
        (False, "The scores are being corrected for this microscope; cells seen so far: 60."),
        (True, "The scores are corrected for this microscope, by the first 60 cells of the specimen."),
    ],
)
def test_the_microscope_says_by_how_many_cells_its_scores_are_corrected(tmp_path, settled, sentence):
    served = Served(tmp_path)
    try:
        assert "scores are" not in served.ask("GET", "/microscope").body.decode()
        count_into(served.store, "S-1", 4)
        assert "scores are" not in served.ask("GET", "/microscope").body.decode()
        with Store.open(served.store) as store:
            made = field(store.next_sequence(), cell("monocyte"), specimen_id="S-1")
            told = Alignment(cells=60, logits={"monocyte": 0.5}, settled=settled)
            assert store.add(msgspec.structs.replace(made, alignment=told))
        assert sentence in served.ask("GET", "/microscope").body.decode()
        french = served.ask("GET", "/microscope", headers={"Accept-Language": "fr"}).body.decode()
        assert "pour ce microscope" in french
        assert "60" in french
    finally:
        served.close()


def live(number, **more):
    given = {"sequence": number, "specimen_id": "S-1", "refused": None, "simulated": False, **more}
    cell = LiveCell((1, 2, 30, 40), "monocyte", 0.9, None)
    return LiveFrame(run_id="r", number=number, width=640, height=480, cells=(cell,), focus=3.5, **given)


def show(folder, frame, picture=b"\xff\xd8picture"):
    for name, content in ((PICTURE, picture), (STATE, msgspec.json.encode(frame))):
        new = folder / f"{name}.new"
        new.write_bytes(content)
        new.replace(folder / name)


def test_the_live_picture_is_shown_while_it_is_one_of_now(page, cookies, ask):
    folder = page.folder / "run"
    assert page.ask("GET", "/live.jpg", cookie=cookies["OPE"]).status == 404
    assert (folder / WANTED).exists(), "the daemon learns that somebody looks"
    show(folder, live(1))
    answer = page.ask("GET", "/live.jpg", cookie=cookies["OPE"])
    assert (answer.status, answer.body) == (200, b"\xff\xd8picture")
    show(folder, live(2))
    state = ask("GET", "/live").json
    assert (state["number"], state["focus"], state["cells"][0]["label"]) == (2, 3.5, "monocyte")
    time.sleep(5.5)
    assert page.ask("GET", "/live.jpg", cookie=cookies["OPE"]).status == 404, "an old picture is not live"
    assert ask("GET", "/live").json["number"] is None


def test_events_have_ids_and_who_comes_back_hears_only_what_is_new(page, cookies):
    folder = page.folder / "run"

    def events(last=None):
        headers = {"Cookie": f"leukoscope={cookies['OPE']}"}
        headers |= {} if last is None else {"Last-Event-ID": last}
        connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=PATIENCE_S)
        connection.request("GET", "/events", headers=headers)
        answer = connection.getresponse()
        assert answer.getheader("content-type").startswith("text/event-stream")
        try:
            found = {}
            while True:
                line = answer.readline().decode().rstrip("\n")
                name, _, value = line.partition(": ")
                if name in {"id", "event", "data"}:
                    found[name] = value
                elif not line and "data" in found:
                    yield found
                    found = {}
        finally:
            answer.close()
            connection.close()

    def heard(stream, number):
        for each in stream:
            show(folder, live(number))  # it stays one of now, however slow this machine is
            if json.loads(each["data"])["number"] == number:
                return each
        raise AssertionError

    show(folder, live(11))
    stream = events()
    assert next(stream)["event"] == "live"
    show(folder, live(12))
    second = heard(stream, 12)
    stream.close()
    again = events(second["id"])
    show(folder, live(13))
    assert json.loads(next(again)["data"])["number"] in {13, None}, "what was heard is not said again"
    again.close()


def test_the_document_describes_every_route_and_each_answer_is_as_it_says(ask, cells):
    whole = json.loads(document(ENDPOINTS))
    assert ask("GET", "/openapi.json").json == whole
    looked = 0
    for path, operations in whole["paths"].items():
        if "get" not in operations or "openapi" in path:
            continue
        content = operations["get"]["responses"]["200"]["content"].get("application/json")
        if content is None:
            continue
        filled = path.removeprefix("/api/v1").format(specimen_id="S-1", cell_id=cells[0], code="ADA")
        answer = ask("GET", filled, who="ADA")
        assert answer.status == 200, (path, answer)
        jsonschema.validate(answer.json, {**content["schema"], "components": whole["components"]})
        looked += 1
    assert looked >= 10
