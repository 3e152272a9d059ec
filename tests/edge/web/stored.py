"""A store with a specimen whose cells have maps and pictures, as the daemon would have left it."""

from __future__ import annotations

import cv2
import numpy as np
from samples import LABELS, cell, field

from edge.store.fields import Store
from edge.store.pictures import CellPicture


def jpeg(shade=128):
    """Return a picture of 160 x 160 pixels."""
    pixels = np.full((160, 160, 3), shade, np.uint8)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def count_into(path, specimen_id, cells, *, target=100):
    """Store a specimen by command with so many cells, and stop it; return the cells' ids."""
    with Store.open(path) as store:
        store.ledger.start(specimen_id, target=target, wbc_count=None, resume=False)
        ids = []
        while len(ids) < cells:
            four = [cell(LABELS[(len(ids) + number) % 4]) for number in range(min(4, cells - len(ids)))]
            found = field(store.next_sequence(), *four, specimen_id=specimen_id)
            pictures = [CellPicture(each.cell_id, jpeg(40 * number)) for number, each in enumerate(four)]
            assert store.add(found, pictures=pictures)
            ids += [each.cell_id for each in four]
        store.ledger.stop(specimen_id)
    return ids
