"""The page with three people, one of each role; a module has one."""

from __future__ import annotations

import pytest
from served import PEOPLE, Served


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    served = Served(tmp_path_factory.mktemp("page"), PEOPLE)
    yield served
    served.close()


@pytest.fixture(scope="module")
def cookies(page):
    return {code: page.sign_in(code) for code, _ in PEOPLE}
