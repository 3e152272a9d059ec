"""What an attacker would try against the page: each has its status, nothing changes, nothing leaks."""

from __future__ import annotations

import http.client
import socket
import sqlite3
import ssl
import struct
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from served import PATIENCE_S, PEOPLE, PIN, Served, free_port

from edge.people import People, people_file
from edge.people.people import GUESSES_OF_PERSON

CERTIFICATES = Path(__file__).parents[3] / "firmware_config/certificates.sh"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def _nothing_breaks(page):
    yield
    assert page.process.poll() is None
    assert b"Traceback" not in page.log.read_bytes()


def bomb(width=60_000, height=60_000):
    """Return a PNG of very many pixels and few bytes."""

    def part(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1_000_000))
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", rows) + part(b"IEND", b"")


def form(content, name="picture.png", field="picture"):
    """Return the body of a form with one file, and its content type."""
    head = f'--b\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'
    return head.encode() + content + b"\r\n--b--\r\n", {"Content-Type": "multipart/form-data; boundary=b"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/specimens"),
        ("GET", "/api/v1/people"),
        ("GET", "/api/v1/audit"),
        ("GET", "/api/v1/live"),
        ("GET", "/api/v1/openapi.json"),
        ("GET", "/events"),
        ("GET", "/live.jpg"),
        ("POST", "/api/v1/people"),
        ("POST", "/api/v1/pictures"),
        ("DELETE", "/api/v1/people/ADA"),
        ("GET", "/api/v1/no-such-thing"),
    ],
)
@pytest.mark.parametrize("cookie", [None, "forged", "x" * 63, '"', "../../etc/passwd", "' OR 1=1 --"])
def test_without_a_session_there_is_nothing(page, method, path, cookie):
    answer = page.ask(method, path, {} if method == "POST" else None, cookie=cookie)
    assert (answer.status, answer.json) == (401, {"error": "sign in first"})


def test_a_page_without_a_session_leads_to_the_sign_in(page):
    answer = page.ask("GET", "/specimens/S-1")
    assert (answer.status, answer.headers["location"]) == (303, "/sign-in?next=/specimens/S-1")


@pytest.mark.parametrize(
    ("code", "method", "path", "body", "status"),
    [
        ("OPE", "GET", "/people", None, 403),
        ("REV", "GET", "/people", None, 403),
        ("ADA", "GET", "/people", None, 200),
        ("OPE", "GET", "/audit", None, 403),
        ("OPE", "POST", "/people", {"code": "EVE", "role": "administrator", "pin": PIN}, 403),
        ("REV", "DELETE", "/people/OPE", None, 403),
        ("OPE", "POST", "/people/ADA/pin", {"pin": "822640", "own_pin": PIN}, 403),
        ("OPE", "POST", "/people/OPE/pin", {"pin": "822640", "own_pin": "wrong"}, 403),
    ],
)
def test_a_role_is_held_to(page, cookies, code, method, path, body, status):
    assert page.ask(method, f"/api/v1{path}", body, cookie=cookies[code]).status == status
    assert {person.code for person in page.people.all()} == {"ADA", "REV", "OPE"}
    assert page.people.session(cookies[code]) is not None


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 422),  # no browser: it has the cookie from nowhere else
        ({"Sec-Fetch-Site": "same-origin"}, 422),
        ({"Origin": "http://127.0.0.1:{port}"}, 422),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://127.0.0.1:{port}"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
    ],
)
def test_a_page_of_another_site_orders_nothing(page, cookies, headers, status):
    sent = {name: value.format(port=page.port) for name, value in headers.items()}
    answer = page.ask("POST", "/api/v1/people", {"code": "EVE"}, cookie=cookies["ADA"], headers=sent)
    assert answer.status == status, answer


def test_a_page_of_another_site_sees_nothing(page, cookies):
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    for path in ("/live.jpg", "/api/v1/people"):
        assert page.ask("GET", path, cookie=cookies["ADA"], headers=headers).status == 403
    headers["Sec-Fetch-Mode"] = "navigate"  # a link may be followed
    assert page.ask("GET", "/", cookie=cookies["ADA"], headers=headers).status == 200


@pytest.mark.parametrize(
    ("path", "method"),
    [("/", "GET"), ("/api/v1/people", "GET"), ("/none", "GET"), ("/api/v1/session", "POST")],
)
def test_every_answer_has_the_headers_that_close_a_browser(page, cookies, path, method):
    headers = page.ask(method, path, cookie=cookies["ADA"]).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert not {"server", "x-powered-by", "access-control-allow-origin"} & headers.keys()


def test_the_cookie_is_for_this_page_and_no_script(page):
    answer = page.ask("POST", "/api/v1/session", {"code": "OPE", "pin": PIN})
    name_and_token, *attributes = answer.headers["set-cookie"].split("; ")
    assert len(name_and_token.partition("=")[2]) >= 43, "32 random bytes"
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(attributes)
    assert not any(each.startswith("Domain") for each in attributes)


def test_a_session_is_another_after_each_sign_in_and_ends_with_the_sign_out(page):
    first = page.sign_in("OPE")
    answer = page.ask("POST", "/api/v1/session", {"code": "OPE", "pin": PIN}, cookie=first)
    second = answer.headers["set-cookie"].partition("=")[2].partition(";")[0]
    assert second != first
    assert page.ask("GET", "/api/v1/session", cookie=first).status == 401
    assert page.ask("DELETE", "/api/v1/session", cookie=second).status == 200
    assert page.ask("GET", "/api/v1/session", cookie=second).status == 401


def test_a_guessed_pin_is_noted_and_guessing_ended(page):
    page.people.add("GUE", "", "operator", PIN)
    try:
        wrong = [
            page.ask("POST", "/api/v1/session", {"code": "GUE", "pin": f"guess{number}"})
            for number in range(GUESSES_OF_PERSON)
        ]
        assert {each.status for each in wrong} == {401}
        assert {each.body for each in wrong} == {b'{"error":"wrong code or PIN"}'}
        answer = page.ask("POST", "/api/v1/session", {"code": "GUE", "pin": PIN})
        assert answer.status == 429
        assert int(answer.headers["retry-after"]) > 0
        assert sum(each.outcome == "wrong code or PIN" for each in page.people.trail()) >= GUESSES_OF_PERSON
        page.people.reset("GUE", PIN)
        assert page.sign_in("GUE")
    finally:
        page.people.remove("GUE")


def test_nobody_learns_which_codes_there_are(page):
    known = page.ask("POST", "/api/v1/session", {"code": "REV", "pin": "wrong-1"})
    unknown = page.ask("POST", "/api/v1/session", {"code": "NOBODY", "pin": "wrong-1"})
    assert (known.status, known.body) == (unknown.status, unknown.body) == (401, unknown.body)


PATHS = [
    "/static/../app.py",
    "/static/..%2fapp.py",
    "/static/%2e%2e/app.py",
    "/static/....//app.py",
    "/static//etc/passwd",
    "/static/%00",
    "/../../../../etc/passwd",
    "/api/v1/../../etc/passwd",
    "/api/v1/people/..%2f..%2fetc",
    "/api/v1/cells/..%2f..%2fpeople.db/picture.jpg",
    "/api/v1/cells/%3Cscript%3E/picture.jpg",
    "/api/v1/specimens/%3Cscript%3Ealert(1)%3C%2Fscript%3E",
    "/api/v1/specimens/%00",
    "/api/v1/specimens/%0d%0aSet-Cookie:%20x=1",
    "/api/v1/specimens/" + "x" * 5000,
    "/people.db",
    "/leukoscope.toml",
    "/.git/config",
    "/%ff%fe",
]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_leads_to_no_file_and_is_no_markup(page, cookies, path):
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=PATIENCE_S)
    connection.request("GET", path, headers={"Cookie": f"leukoscope={cookies['ADA']}"})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status in {400, 404}, (answer.status, body)
    assert b"root:" not in body
    assert b"import " not in body
    if answer.getheader("content-type", "").startswith("text/html"):
        assert b"<script>alert" not in body
    assert answer.getheader("set-cookie") is None


@pytest.mark.parametrize(
    "code", ["<b>x</b>", "a\r\nSet-Cookie: x=1", "\x00", "\u202e", "' OR '1'='1", "{{7*7}}", "=1+1", "a" * 33]
)
def test_a_code_is_letters_and_digits_and_nothing_that_acts(page, cookies, code):
    body = {"code": code, "role": "operator", "pin": "8264031"}
    answer = page.ask("POST", "/api/v1/people", body, cookie=cookies["ADA"])
    assert answer.status in {409, 422}, answer
    assert "x" not in answer.headers.get("set-cookie", "")


@pytest.mark.parametrize(
    ("raw", "headers", "status"),
    [
        (b"{", JSON, 400),
        (b"\xff\xfe", JSON, 400),
        (b"[" * 100_000, JSON, 422),
        (b'{"code": 1}', JSON, 422),
        (b'{"code": "X", "pin": "826403", "role": "king"}', JSON, 422),
        (b'{"code": "X", "pin": "826403", "role": "operator", "admin": true}', JSON, 422),
        (b"code=X", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b"x" * 200_000, JSON, 413),
        ([b"x" * 10_000] * 20, JSON, 413),
        (b"{}", {**JSON, "Content-Length": "99999999999999999999"}, 413),
    ],
    ids=[
        "cut",
        "no text",
        "nested",
        "wrong kind",
        "no role",
        "more",
        "form",
        "text",
        "large",
        "chunked",
        "lie",
    ],
)
def test_a_body_that_is_not_meant_changes_nothing(page, cookies, raw, headers, status):
    before = page.people.all()
    body = iter(raw) if isinstance(raw, list) else raw
    answer = page.ask("POST", "/api/v1/people", raw=body, headers=headers, cookie=cookies["ADA"])
    assert answer.status == status, answer
    assert set(answer.json) == {"error"}
    assert page.people.all() == before


@pytest.mark.parametrize(
    ("content", "name", "status"),
    [
        (b"this is no picture", "x.png", 422),
        (b"", "x.png", 422),
        (bomb(), "bomb.png", 413),
        (bomb(1_000_000, 1), "wide.png", 413),
        (b"\xff\xd8\xff\xe0" + bytes(1000), "cut.jpg", 422),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "x.svg", 422),
        (b"\x89PNG\r\n\x1a\n", "../../etc/cron.d/x", 422),
    ],
    ids=["text", "empty", "bomb", "wide", "cut", "svg", "path"],
)
def test_a_picture_that_is_none_is_refused(page, cookies, content, name, status):
    before = page.memory_mb()
    raw, headers = form(content, name)
    answer = page.ask("POST", "/api/v1/pictures", raw=raw, headers=headers, cookie=cookies["OPE"])
    assert answer.status == status, answer
    assert "../" not in answer.json["error"]
    assert page.memory_mb() < before + 20


def test_an_upload_that_is_too_large_is_ended(page, cookies):
    before = page.memory_mb()
    headers = form(b"")[1]
    pieces = iter([form(b"")[0].partition(b"\r\n--b--")[0], *([bytes(1_000_000)] * 30)])
    answer = page.ask("POST", "/api/v1/pictures", raw=pieces, headers=headers, cookie=cookies["OPE"])
    assert answer.status == 413
    assert page.memory_mb() < before + 20


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: <script>\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 400_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40) + b"\r\n\r\n",
        b"G\x00T / HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    ids=["no host", "two", "space", "markup", "lengths", "negative", "long", "tls", "zero"],
)
def test_a_request_that_is_none_is_refused_and_the_connection_ended(page, request_):
    try:
        answer = page.bytes_back(request_)
    except ConnectionError:
        return
    assert b" 400 " in answer.partition(b"\r\n")[0] or answer == b"", answer[:200]


def test_headers_and_addresses_have_an_end(page):
    assert page.ask("GET", "/", headers={"X": "y" * 15_000, "Y": "y" * 15_000}).status in {400, 431}
    assert page.ask("GET", "/" + "x" * 9000).status in {400, 414}


@pytest.fixture(scope="module")
def slow(page, cookies):
    """What those get who stop before their request is whole, and after how many seconds: all wait at once."""
    requests = {
        "headers": [b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "],
        "nothing": [],
        "body": [
            f"POST /api/v1/people HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: leukoscope={cookies['ADA']}\r\n"
            "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{".encode()
        ],
    }

    def send(pieces):
        began = time.monotonic()
        return page.bytes_back(*pieces), time.monotonic() - began

    with ThreadPoolExecutor(len(requests)) as clients:
        return dict(zip(requests, clients.map(send, requests.values()), strict=True))


@pytest.mark.parametrize("what", ["headers", "nothing"])
def test_who_sends_headers_too_slowly_is_ended(slow, what):
    answer, took_s = slow[what]
    assert answer == b""
    assert took_s < 40


def test_who_sends_a_body_too_slowly_is_told_so(slow):
    answer, _ = slow["body"]
    assert answer.startswith(b"HTTP/1.1 408"), answer


def test_many_connections_leave_room_for_others(page):
    held = []
    try:
        held += [socket.create_connection(("127.0.0.1", page.port), 10) for _ in range(60)]
        time.sleep(1)
        ended = 0
        for each in held:
            each.setblocking(False)
            try:
                ended += each.recv(1) == b""
            except BlockingIOError:
                continue
            except ConnectionError:
                ended += 1
        assert 5 <= ended < 60, "those above the limit of an address"
    finally:
        for each in held:
            each.close()
    deadline = time.monotonic() + 30
    while True:
        try:
            assert page.ask("GET", "/sign-in").status == 200
            break
        except (ConnectionError, http.client.HTTPException):
            assert time.monotonic() < deadline


def test_streams_are_bounded(page, cookies):
    held = []
    statuses = []
    try:
        for _ in range(10):
            connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=PATIENCE_S)
            held.append(connection)
            connection.request("GET", "/events", headers={"Cookie": f"leukoscope={cookies['OPE']}"})
            statuses.append(connection.getresponse().status)
    finally:
        for each in held:
            each.close()
    assert statuses == [200] * 8 + [429] * 2


def test_what_an_error_says_has_no_inside(page, cookies):
    for path in (
        "/api/v1/none",
        "/api/v1/people/%F0%9F%98%80",
        "/api/v1/audit?limit=x",
        "/api/v1/audit?limit=-1",
    ):
        answer = page.ask("GET", path, cookie=cookies["ADA"])
        assert answer.status in {404, 405, 422}
        for word in (b"Traceback", b"/edge/", b".py", b"sqlite", b"msgspec", str(page.folder).encode()):
            assert word not in answer.body


def test_every_order_is_in_the_trail_with_who_and_from_where(page, cookies):
    page.ask("DELETE", "/api/v1/people/NOBODY", cookie=cookies["ADA"])
    entry = next(each for each in page.people.trail() if each.action == "remove person")
    assert (entry.code, entry.address, entry.about) == ("ADA", "127.0.0.1", "NOBODY")
    assert entry.outcome == "refused: there is no person NOBODY"


def test_without_people_only_this_machine_is_served_and_by_its_own_names(tmp_path):
    alone = Served(tmp_path, host="0.0.0.0")  # noqa: S104 (which it must not do)
    try:
        listening = subprocess.run(["ss", "-ltn"], capture_output=True, text=True, check=False).stdout
        if listening:
            assert f"127.0.0.1:{alone.port}" in listening
            assert f"0.0.0.0:{alone.port}" not in listening
        assert alone.ask("GET", "/api/v1/session").status == 200
        # A name of another site that points here (DNS rebinding) is not one of ours.
        for name in ("evil.example", "192.0.2.1", "127.0.0.1.evil.example"):
            assert alone.ask("GET", "/api/v1/session", headers={"Host": name}).status == 403
        People(tmp_path / "people.db").add("ADA", "", "administrator", PIN)
        ends = time.monotonic() + 30
        while True:  # it listens to the network from now on, and asks who it is
            try:
                if alone.ask("GET", "/api/v1/specimens").status == 401:
                    break
            except (ConnectionError, http.client.HTTPException):
                pass
            assert time.monotonic() < ends
            time.sleep(0.2)
    finally:
        alone.close()


def test_with_a_certificate_it_is_encrypted_and_the_cookie_stays_so(tmp_path):
    authority = tmp_path / "ca"
    for arguments in (("init", authority), ("page", authority, "localhost", "127.0.0.1")):
        subprocess.run([CERTIFICATES, *arguments], check=True, capture_output=True, timeout=PATIENCE_S)
    more = (
        f'certificate_file = "{authority}/page-localhost.crt"\nkey_file = "{authority}/page-localhost.key"\n'
    )
    served = Served(tmp_path, PEOPLE[:1], more=more)
    try:
        trusted = ssl.create_default_context(cafile=authority / "ca.crt")
        connection = http.client.HTTPSConnection(
            "localhost", served.port, context=trusted, timeout=PATIENCE_S
        )
        body = b'{"code": "ADA", "pin": "%s"}' % PIN.encode()
        connection.request("POST", "/api/v1/session", body, JSON)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        cookie = answer.getheader("set-cookie")
        assert cookie.startswith("__Host-leukoscope=")
        assert "; Secure" in cookie
        assert answer.getheader("strict-transport-security")
        connection.close()
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        with socket.create_connection(("127.0.0.1", served.port), 10) as raw, pytest.raises(ssl.SSLError):
            old.wrap_socket(raw)
    finally:
        served.close()


def test_a_port_that_is_taken_is_said(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        config = tmp_path / "leukoscope.toml"
        config.write_text('[camera]\nkind = "usb"\n', encoding="utf-8")
        command = [sys.executable, "-m", "edge.cli", "web", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(
            [*command, "--config", config], capture_output=True, text=True, timeout=120, check=False
        )
    assert done.returncode == 1
    assert "Address already in use; give another address" in done.stderr


@pytest.mark.parametrize(
    ("path", "used"),
    [("/live.jpg", False), ("/api/v1/specimens", False), ("/api/v1/session", True), ("/specimens", True)],
)
def test_only_what_a_person_does_keeps_a_session_alive(page, cookies, path, used):
    """A tablet on the bench that shows Live does not stay signed in for a shift."""
    ago = time.time() - 1000
    with closing(sqlite3.connect(people_file(page.store))) as db, db:
        db.execute("UPDATE sessions SET used_s = ?", (ago,))
    page.ask("GET", path, cookie=cookies["OPE"])
    with closing(sqlite3.connect(people_file(page.store))) as db:
        latest = db.execute("SELECT max(used_s) FROM sessions").fetchone()[0]
    assert (latest > ago) == used


def test_what_is_refused_before_it_is_read_is_refused_in_the_readers_language(page, cookies):
    headers = {**form(b"")[1], "Content-Length": "99999999", "Accept-Language": "fr"}
    answer = page.ask("POST", "/api/v1/pictures", raw=b"", headers=headers, cookie=cookies["OPE"])
    assert answer.status == 413
    assert answer.json["error"].startswith("trop ")
