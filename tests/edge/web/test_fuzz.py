"""Requests that nobody would think of: none is answered with an error of the page's own, and none is kept.

A few in the suite; ten thousand, and more of schemathesis, in `make soak`.
"""

from __future__ import annotations

import json
import os
import random
import socket

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import checks
from served import Served
from stored import count_into

from edge.web.api.openapi import document
from edge.web.api.table import ENDPOINTS

SOAK = bool(os.environ.get("LEUKOSCOPE_SOAK"))
REQUESTS = 10_000 if SOAK else 300
EXAMPLES = 100 if SOAK else 3
PEOPLE = (("ADA", "administrator"),)

SCHEMA = schemathesis.openapi.from_dict(json.loads(document(ENDPOINTS)))
# Its own session would end, its PIN be locked; a picture takes a process of its own, and measuring a counter.
API = SCHEMA.exclude(path_regex="session|/adapt|/measure$|/pin$|/sign$|/pictures|/people/")
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]

WORDS = [
    *("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW", "\x00"),
    *("/", "/api/v1/specimens", "/api/v1/specimens/S-1/cells", "/api/v1/cells/x/map.png", "/specimens/S-1"),
    *("/live.jpg", "/static/", "/%2e%2e/", "?after=", "?limit=", "-1", "99999999999999999999", "%00", "%ff"),
    *("HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "Content-Length: ", "Transfer-Encoding: chunked", "Host: a"),
    *("Cookie: leukoscope=", "Origin: null", "Expect: 100-continue", "Range: bytes=0-", "Upgrade: websocket"),
    *("Connection: close", "Content-Type: application/json", "multipart/form-data; boundary=", "{", "}", '"'),
    *("5\r\nhello\r\n0\r\n\r\n", "\r\n", "\r\n\r\n", "\n", " ", ":", "\xff", "A" * 300),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    served = Served(tmp_path_factory.mktemp("page"), PEOPLE)
    count_into(served.store, "S-1", 8)
    yield served
    served.close()


@pytest.fixture(scope="module")
def cookie(page):
    return page.sign_in("ADA")


@API.parametrize()
@settings(
    max_examples=EXAMPLES,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
def test_the_api_keeps_to_its_document(case, page, cookie):
    case.headers = {**(case.headers or {}), "Cookie": f"leukoscope={cookie}"}
    answer = case.call(base_url=f"http://127.0.0.1:{page.port}", timeout=60)
    case.validate_response(answer, checks=CHECKS)


def one_of(rng, cookie):
    """Return the bytes of a request: rightly begun and spoilt, or of nothing but words."""
    if rng.random() < 0.5:
        path = "".join(rng.choices(WORDS[10:23], k=rng.choice((1, 1, 2, 3))))
        method = rng.choice((*WORDS[:9], *["GET"] * 9))
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
        lines += [f"Cookie: leukoscope={cookie}"] * rng.choice((0, 1, 1, 1, 2))
        lines += rng.choices(WORDS[26:41], k=rng.choice((0, 0, 1, 4)))
        text = "\r\n".join(lines) + "\r\n\r\n" + "".join(rng.choices(WORDS, k=rng.randint(0, 5)))
    else:
        text = "".join(rng.choices(WORDS, k=rng.randint(1, 20)))
    content = bytearray(text.encode("latin-1"))
    for _ in range(rng.choice((0, 0, 1, 3))):
        content[rng.randrange(len(content))] = rng.randrange(256)
    return bytes(content)


def statuses(page, content):
    """Return the statuses of what is answered."""
    with socket.create_connection(("127.0.0.1", page.port), 60) as connection:
        try:
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            found = b""
            connection.settimeout(0.3)  # a stream does not end by itself
            while more := connection.recv(65536):
                found += more
        except (TimeoutError, ConnectionError):
            pass
    return [int(each[:3]) for each in found.split(b"HTTP/1.1 ")[1:] if each[:3].isdigit()]


def test_requests_that_are_spoilt_break_nothing_and_take_no_memory(page, cookie):
    rng = random.Random(7)  # noqa: S311 (the same each time)
    for _ in range(50):
        statuses(page, one_of(rng, cookie))
    before, seen = page.memory_mb(), set()
    for number in range(REQUESTS):
        content = one_of(rng, cookie)
        found = statuses(page, content)
        seen |= set(found)
        assert not [each for each in found if each >= 500], (number, content, found)
    assert {200, 400, 404} <= seen
    assert page.memory_mb() < before + 8
    assert page.process.poll() is None
    assert b"Traceback" not in page.log.read_bytes()
    assert page.ask("GET", "/api/v1/specimens/S-1", cookie=cookie).status == 200
