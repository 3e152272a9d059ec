"""What a bundle says of the microscopes that its model knows, so that another one is noticed."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Share = Annotated[float, Meta(ge=0, le=1)]
Sign = Literal["unlike", "unsure", "refused", "other"]
"""What a specimen of an unknown microscope is told by: cells unlike the known, unsure calls, refusals, and
cells called none of the classes that are counted."""


class Limits(Struct, frozen=True):
    """Shares of a specimen's cells above which its microscope is doubtful, or not known."""

    doubtful: Share
    unfamiliar: Share


class KnownMicroscopes(Struct, frozen=True, kw_only=True):
    """How cells of the known microscopes answer that were held out of training.

    unlike: the distance, in usual distances, that nine in ten stay within. unsure: the probability that nine
    in ten reach. usual: share of them that show each sign; limits: by sign, of a specimen's cells: all of
    them for "other", else those that are not called `other`. on: which cells, for people. wrong_calls: of the
    calls made on them; None: not told.
    """

    on: str
    unlike: Annotated[float, Meta(gt=0)]
    unsure: Share
    usual: dict[Sign, Share]
    limits: dict[Sign, Limits]
    wrong_calls: Share | None = None
