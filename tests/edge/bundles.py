"""Bundles with something changed in them."""

from __future__ import annotations

import hashlib

import msgspec

from edge.config import SHIPPED_MODEL
from edge.models.bundle import FINDER, SEEN, read_bundle, write_bundle


def rewritten(path, **changes):
    bundle = read_bundle(SHIPPED_MODEL)
    model = changes.pop("model", bundle.model)
    changes.setdefault("model_sha256", hashlib.sha256(model).hexdigest())
    described = msgspec.structs.replace(bundle.description, **changes)
    write_bundle(path, model, described, members(bundle))
    return path


def members(bundle):
    """Return the files that ride in a bundle beside its description."""
    about = bundle.description
    goldens = [*about.goldens, *(about.finder.goldens if about.finder else ())]
    pictures = (*bundle.golden_images, *bundle.finder_images)
    found = {golden.image: png for golden, png in zip(goldens, pictures, strict=True)}
    if bundle.finder is not None:
        found[FINDER] = bundle.finder
    return found | ({SEEN: bundle.seen} if bundle.seen else {})
