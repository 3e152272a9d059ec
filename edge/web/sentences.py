"""Sentences that come from the device in English, said again in the reader's language.

A sentence is known by its pattern, whatever ids and numbers stand in it. An unknown one stays as it is.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from edge.web.words import CLASSES, STATES, mark

if TYPE_CHECKING:
    from edge.web.languages import Words

SENTENCES = (
    # Whether the microscope is familiar, and why.
    mark("%(found)s %% of its cells are unlike those that the model knows, where %(usual)s %% are usual"),
    mark("%(found)s %% of its cells are named without being sure, where %(usual)s %% are usual"),
    mark("%(found)s %% of its cells are refused, where %(usual)s %% are usual"),
    mark("%(found)s %% of its cells are refused; the others may be no fair sample"),
    mark("%(found)s %% of its cells are of no class that the model counts, where %(usual)s %% are usual"),
    mark("%(found)s %% of the model's calls were wrong where it was measured"),
    mark("the model's bundle does not say what is usual"),
    mark("cells were called by another model, %(given)s"),
    mark("%(needed)s white cells are needed to tell, %(seen)s were seen"),
    # Orders that cannot be.
    mark("there is no specimen %(id)s to resume"),
    mark("there is no specimen %(id)s"),
    mark("no specimen is open"),
    mark("something went wrong on the device; its log says what"),
    mark("specimen %(id)s is open: stop it first"),
    mark("specimen %(id)s is not open; %(other)s is"),
    mark("specimen %(id)s was stopped: resume it, or give another id"),
    mark("specimen %(id)s is there already and is %(state)s: give another id"),
    mark("there is a specimen %(id)s already: give another id"),
    mark("specimen %(id)s was discarded before"),
    mark("specimen %(id)s was discarded: its id stays as it is"),
    mark("specimen %(id)s was signed: its id stays as it is"),
    mark("specimen %(id)s was signed: its total white count stays as it is"),
    mark("specimen %(id)s was discarded: its total white count stays as it is"),
    mark("specimen %(id)s was discarded"),
    mark("specimen %(id)s is signed by %(who)s already"),
    mark(
        "specimen %(id)s is signed by %(who)s: give a reason why its cells are named again (--reason; over"
        " MQTT: reason), which is kept"
    ),
    mark(
        "specimen %(id)s was signed: give a reason why its cells are named again (--reason; over MQTT:"
        " reason), which is kept"
    ),
    mark(
        "specimen %(id)s has %(cells)s of %(target)s cells: give a reason why they are enough (--reason; over"
        " MQTT: reason), which is kept with the signature"
    ),
    mark(
        "specimen %(id)s has %(cells)s doubtful cells that nobody has looked at: review them, or give a"
        " reason why they need no look (--reason; over MQTT: reason), which is kept with the signature"
    ),
    mark(
        "specimen %(id)s has 1 doubtful cell that nobody has looked at: review them, or give a reason why"
        " they need no look (--reason; over MQTT: reason), which is kept with the signature"
    ),
    mark("specimen %(id)s is still counted, and can be signed when its source has ended"),
    mark("specimen %(id)s has no cell %(cell)s"),
    mark("nobody has named cell %(cell)s: there is nothing to undo"),
    mark("there is no such cell"),
    mark("a cell is called %(now)s by now, not %(shown)s: look again"),
    mark(
        "what this device's camera shows is one specimen from its start to its end: set specimen.lifecycle ="
        ' "command" in its configuration'
    ),
    mark("specimen %(id)s has no signed revision %(number)s; signed revisions: %(given)s"),
    mark("specimen %(id)s has no signed revision %(number)s: it was never signed"),
    mark(
        "revision %(number)s of specimen %(id)s cannot be shown: which fields it had then is kept no longer"
    ),
    mark("revision %(number)s of specimen %(id)s cannot be shown: its total white count of then is not kept"),
    mark(
        "revision %(number)s of specimen %(id)s cannot be shown: some of what was said of its cells is lost"
    ),
    mark("specimen %(id)s has changed since you looked (revision %(now)s, not %(then)s): look again"),
    mark("wbc_count: '%(given)s' is not a white count: write it as 7.2 or 7,2 (10^9/L), or as 7200/uL"),
    mark(
        "wbc_count: %(given)s: a white count is above 0 and at most %(most)s 10^9/L; if it is per microlitre,"
        " write %(meant)s"
    ),
    mark("wbc_count: %(given)s: a white count is above 0 and at most %(most)s 10^9/L"),
    mark("wbc_count: '%(given)s': cells per microlitre are a whole number; write it as 7200/uL"),
    # What is typed.
    mark(
        "%(field)s: at most %(most)s characters, letters, digits and - _ . only: it goes out over MQTT, so it"
        " is never a name"
    ),
    mark("%(field)s: at most %(most)s characters, on one line"),
    mark("specimen_id: it has a letter or a digit"),
    mark("operator: nobody has a PIN here, so give a code of who does this"),
    mark("code: 1 to 32 letters, digits and - _ . only: it goes out with every signature"),
    mark("name: at most 64 characters on one line, without < and >"),
    # People and PINs.
    mark("%(code)s is signed in: who signs must sign in first"),
    mark("sign in first"),
    mark("give your PIN"),
    mark("too many wrong PINs: try again in %(minutes)s minutes"),
    mark("only an administrator changes the PIN of somebody else"),
    mark("the first person is an administrator, who can add the others"),
    mark("there is a person %(code)s already"),
    mark("%(code)s is the last administrator: add another one first"),
    mark("there is no person %(code)s"),
    mark("PIN: give %(least)s to %(most)s digits, letters or signs"),
    mark("PIN: this one is guessed first; give one without a row such as 123456 or 111111"),
    mark("this needs the role %(role)s; yours is %(own)s"),
    # Photographs.
    mark("this is no picture that can be read: send a JPEG, PNG or TIFF"),
    mark("too large: at most %(number)s million pixels are taken"),
    mark("too large: at most %(size)s are taken"),
    mark("other pictures are looked at: wait a little"),
    mark("too many requests: wait a little"),
    mark("the request came too slowly"),
    mark("it could not be looked at within %(seconds)s seconds"),
    mark("it could not be looked at: it takes too much time or memory"),
    mark("%(file)s: was drawn by `%(program)s`: it is a result, no picture of a slide"),
    mark("%(file)s: is not an image that can be read"),
    mark("%(file)s: holds %(pages)s pages; save each that shows a field as a picture of its own"),
    mark("%(file)s: its pixels are floating point numbers; save it with 8 or 16 bits a channel"),
    mark("%(file)s: its pixels are %(bits)s bits; save it with 8 or 16 bits a channel"),
    mark("%(file)s: is animated; save each picture that shows a field by itself"),
    mark("%(file)s: %(size)s is more than %(number)s megapixels"),
    mark("%(file)s: the picture is damaged: %(given)s"),
    mark("%(file)s: the picture cannot be read: %(given)s"),
    mark("%(file)s: to read HEIC pictures, install pillow-heif: pip install 'leukoscope[heic]'"),
    # The device's disk.
    mark("%(file)s: there is no result store; has the daemon run yet?"),
    mark("%(file)s: the result store cannot be opened: %(given)s"),
    mark("%(file)s: the result store cannot be read: %(given)s"),
    mark("%(file)s: the result store cannot be written: %(given)s"),
    mark("%(file)s: the file of people cannot be opened: %(given)s"),
    mark("%(file)s: the file of people cannot be read: %(given)s"),
    mark("%(file)s: the file of people cannot be written: %(given)s"),
    mark("who may use this device cannot be looked up just now: is its disk full? Its log says more"),
    mark("there is no such page"),
    mark("this cannot be done here"),
    # The model adapted.
    mark("the model is being adapted already: wait until that is done"),
    mark(
        "the cells that people have named: too few named cells: none; at least %(least)s of a class are"
        " needed, and two classes"
    ),
    mark(
        "the cells that people have named: too few named cells: %(named)s; at least %(least)s of a class are"
        " needed, and two classes"
    ),
    mark(
        "on named cells that were held back the adapted model is no better: %(right)s of %(cells)s right,"
        " macro recall %(recall)s %% before, %(right_after)s of %(cells_after)s right, macro recall"
        " %(recall_after)s %% after; nothing is written"
    ),
    mark(
        "the model here is of before 0.2, and cannot learn from kept pictures; install one of 0.2, or adapt"
        " it to a folder of images"
    ),
    mark("model.path: names %(given)s, so no installed model would be used; remove the line"),
    mark("adapting has failed; the log says why"),
    mark("adapting has failed: it took too long or too much memory; nothing is changed"),
    mark("the model is adapted and in use, but how much better it is was lost"),
    # The camera calibrated.
    mark("the field is clipped to white: dim the lamp, or shorten the exposure"),
    mark(
        "the field is too dark: its brightest channel is at %(level)s of 255, at least %(least)s are needed;"
        " give more light, or a longer exposure"
    ),
    mark(
        "the field is not empty: it shows more than the light's own shape (cells, dirt, or the edge of a"
        " diaphragm); move to clear glass, and clean it"
    ),
    mark("the field is not empty: a white cell is in it; move to clear glass"),
    mark("the field is not empty: %(cells)s white cells are in it; move to clear glass"),
    mark(
        "the light is too uneven: its darkest part has %(found)s %% of the brightest, at least %(least)s %%"
        " are needed; centre the lamp and the condenser, and open the field diaphragm"
    ),
    mark(
        "the light is too coloured: red, green and blue are at %(given)s of 255; set the lamp or the camera's"
        " white balance"
    ),
    mark(
        "the light changes by %(percent)s %% from frame to frame: hold the slide still, let the lamp warm up,"
        " and switch off what adjusts the exposure by itself"
    ),
    mark("the camera's frames ended before the light was measured"),
    mark("the camera gives no frame: %(given)s"),
    mark("the camera's frames ended before its settings were found"),
    mark("the camera does not say what it is: a calibration could not know it again"),
    mark(
        "the camera does not hold its exposure: %(wanted)s us were asked for, and its last frame was taken"
        " with %(found)s"
    ),
    mark("the counter ended while it measured; nothing is changed"),
    mark("measuring has failed; the log says why"),
    mark("the light is being measured already"),
    mark("this measurement is no longer there: measure again"),
    mark("this device shows image files: there is no camera to calibrate"),
    mark(
        "what this device's camera shows is one specimen from its start to its end: stop the counter and use"
        " leukoscope camera calibrate"
    ),
    mark("%(given)s cannot be written: let camera.calibration name a file beside the results, or none"),
    mark("the counter does not answer: see that it runs, and that its camera gives pictures"),
    # What was done to a specimen.
    mark("renamed from %(id)s"),
    mark("it was renamed from %(id)s"),
    mark("its total white count is %(count)s 10^9/L"),
    mark("its total white count was taken back"),
    mark("it was %(count)s 10^9/L"),
    mark("there was none"),
    mark("its times were set right"),
    mark("the device's clock was set; until then it was %(time)s slow"),
    mark("the device's clock was set; until then it was %(time)s fast"),
    mark("fields were added"),
    mark("they came after the count was final (fields until then: %(fields)s)"),
    mark("counting was resumed"),
    mark("with --resume; it was %(state)s, %(fields)s fields with %(cells)s cells of the same source"),
    mark("with --resume; it was %(state)s, %(fields)s fields with %(cells)s cells of %(given)s"),
    mark("the target of %(target)s cells is reached"),
    mark("every interval is at most %(width)s percent points wide"),
    mark("%(number)s no longer confirmed as %(label)s"),
    mark("%(number)s confirmed as %(label)s"),
    mark("%(number)s renamed from %(label)s to %(other)s"),
    mark("%(number)s no longer named %(label)s"),
)
"""Patterns, as the catalogues have them; a more particular one before one that would take its place."""

_LISTS = {"named", "given", "meant"}  # what may have commas in it
_PLACES = {
    "specimen_id": mark("Number of the specimen"),
    "new_id": mark("Right number"),
    "reason": mark("Reason"),
    "operator": mark("Your code"),
    "code": mark("Your code"),
}
_PLACE = re.compile(r"%\((\w+)\)s|%%")


def in_words(sentence: str, words: Words) -> str:
    """Return a sentence of the device in the reader's language; one that is not known, as it is."""
    if words.language.code == "en":
        return sentence
    for text, pattern in _patterns():
        if found := pattern.fullmatch(sentence):
            return words(
                text, **{name: _value(name, value, words) for name, value in found.groupdict().items()}
            )
    parts = re.split(r"(; |, )", sentence)  # several at once, such as of cells that were renamed
    if len(parts) > 1:
        said = [part if number % 2 else in_words(part, words) for number, part in enumerate(parts)]
        return "".join(said)
    return sentence


def _value(name: str, value: str, words: Words) -> str:
    if name == "named":  # how many of which class
        return ", ".join(_counted(part, words) for part in value.split(", "))
    if name == "state":
        return words(STATES[value]) if value in STATES else value
    if name == "field":  # what a form's place is called, by its name in the API
        return words(_PLACES[value]) if value in _PLACES else value
    return words(CLASSES[value]) if value in CLASSES else value


def _counted(part: str, words: Words) -> str:
    count, _, label = part.partition(" of ")
    return f"{words(CLASSES[label])}: {count}" if label in CLASSES else part


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    return [(text, re.compile(_pattern(text), re.IGNORECASE | re.DOTALL)) for text in SENTENCES]


def _pattern(text: str) -> str:
    parts, at = [], 0
    for place in _PLACE.finditer(text):
        name = place[1]
        value = f"(?P<{name}>{'.' if name in _LISTS else '[^,;]'}+?)" if name else "%"
        parts += [re.escape(text[at : place.start()]), value]
        at = place.end()
    return "".join((*parts, re.escape(text[at:])))
