"""What is said of a total white count that cannot be: what to write, or nothing where nobody can say."""

from __future__ import annotations

import re

import pytest

from edge.messages.wbc_count import read_wbc_count


@pytest.mark.parametrize(
    "given", [7200, 7200.0, 7200.4, "7200", "7200.0", "7200G/L", "7200 10^9/L", "7200K/uL"]
)
def test_what_is_proposed_for_a_count_per_microlitre_is_taken_then(given):
    with pytest.raises(ValueError, match="if it is per microlitre, write ") as refused:
        read_wbc_count(given)
    proposed = re.search(r"write (\S+)$", str(refused.value))
    assert proposed is not None
    assert read_wbc_count(proposed[1]) == 7.2


@pytest.mark.parametrize("given", ["3000000/uL", "3000000", 1e300, "9" * 400])
def test_nothing_is_proposed_that_would_be_refused_again(given):
    with pytest.raises(ValueError, match=r"above 0 and at most 2000 10\^9/L$"):
        read_wbc_count(given)
