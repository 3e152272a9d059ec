"""The first stage of a frame's way: is it new to the specimen, and may it be added?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.daemon.copies import Copies

if TYPE_CHECKING:
    from edge.cameras import Frame
    from edge.store.fields import Store
    from edge.store.specimen import Specimen


class Intake:
    """The pictures that one specimen has, and whether it takes more.

    resume: pictures of another source are meant to be added to it. Its methods raise StoreError.
    """

    def __init__(self, store: Store, specimen: Specimen, *, resume: bool) -> None:
        self._store = store
        self._copies = Copies(store.sources(specimen.specimen_id))
        self._resume = resume
        self._ended = not (specimen.under_way or specimen.by_command)
        # Interrupted, its source shows first what it showed first before.
        self._expects_known = not specimen.by_command and store.ledger.has_begun(specimen)

    def is_stored(self, frame: Frame, specimen_id: str) -> bool:
        """Whether this picture was stored for the specimen before, by this run or an earlier one."""
        if frame.source_id is None or not self._store.has_source(specimen_id, frame.source_id):
            return False
        self._expects_known = False
        return True

    def is_copy(self, frame: Frame) -> bool:
        """Whether the specimen has this picture already under another name, which the log then says."""
        if not self._copies.is_one(frame):
            return False
        self._expects_known = False
        return True

    def check(self, frame: Frame, specimen_id: str) -> None:
        """Raise SpecimenError for a picture that must not be added.

        To a specimen that has ended, or where the files of a source that goes on were exchanged.
        """
        if self._ended:
            self._store.ledger.refuse_more(specimen_id)
        if self._expects_known and frame.source_id is not None:
            self._store.ledger.meet_others(specimen_id, resume=self._resume)
        self._expects_known = False
