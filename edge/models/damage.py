"""What is wrong with a damaged bundle, in its reader's words instead of Python's."""

from __future__ import annotations

import re
import zipfile

import msgspec

_LACKS = re.compile(r"missing required field `(\w+)`")


class DamageError(ValueError):
    """A bundle is damaged; the text says how, in the reader's words."""


def damage_in_words(error: Exception, description: str) -> str:
    """Return what an error says of a bundle. description: the name of the part that is read as JSON."""
    text = str(error)
    said = "a part of it cannot be unpacked"
    match error:
        case DamageError():
            said = text
        case msgspec.ValidationError() if lacks := _LACKS.search(text):
            said = f"{description} in it lacks {lacks[1]}"
        case msgspec.ValidationError():
            key = text.rpartition(" - at `$")[2].strip(".`")
            said = f"{description} in it has a wrong value" + (f" for {key}" if key else "")
        case msgspec.DecodeError() | RecursionError():
            said = f"{description} in it is damaged"
        case UnicodeDecodeError():
            said = "a part of it is no text"
        case zipfile.BadZipFile() if text == "File is not a zip file":
            said = "its end is missing, so it was not copied whole, or it is a file of another kind"
    return said
