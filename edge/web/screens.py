"""The screens: pages made on the device, in the reader's language, from what the specimens' service says."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.responses import RedirectResponse
from starlette.routing import Mount, Route

from edge.errors import LeukoscopeError, SpecimenError
from edge.labels import NORMAL_CLASSES
from edge.people import may
from edge.web.audit_words import audit_lines
from edge.web.device import calibration_of, health_of, model_of
from edge.web.languages import COOKIE, LANGUAGES, Words
from edge.web.pages import Static, message, on_this_device, page, words_of
from edge.web.review import change_lines, conditions, reason_asked
from edge.web.words import (
    CLASSES,
    EVENTS,
    FAMILIARITY,
    REFUSALS,
    REMARKS,
    ROLES,
    STATES,
    flags_in_words,
    translated,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from edge.messages import Differential
    from edge.specimens.records import SignedReport

TARGETS = (100, 200, 400)
"""What laboratories count."""

ENOUGH_NAMED = 25
"""Named cells of a class that teach the model a microscope."""

_ENTRIES = 100  # of the audit trail
_A_PAGE = 50  # specimens
_WAITING = 20  # on Start
_YEAR_S = 365 * 24 * 3600


def screen_routes() -> list[BaseRoute]:
    """Return the pages, what they are made of, and the choice of the language.

    They find the specimens' service and the configuration in the application's `state`, and who is signed
    in, or None, in the request's.
    """
    pages = {
        "/": start,
        "/live": live,
        "/specimens": specimens,
        "/specimens/{specimen_id}": gallery,
        "/specimens/{specimen_id}/review": review,
        "/specimens/{specimen_id}/report": report,
        "/pictures": pictures,
        "/microscope": microscope,
        "/people": people,
        "/sign-in": sign_in,
        "/language": language,
    }
    routes: list[BaseRoute] = [Route(path, _said(screen)) for path, screen in pages.items()]
    return [*routes, Mount("/static", Static())]


def _said(screen: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """A screen that says in a page of its own why it cannot be shown."""

    @functools.wraps(screen)
    def shown(request: Request) -> Response:
        try:
            return screen(request)
        except SpecimenError as error:
            return message(request, 404, str(error))
        except LeukoscopeError as error:
            return message(request, 500, str(error))

    return shown


def start(request: Request) -> Response:
    """Start a specimen; what is open or waits."""
    config = request.app.state.config
    service = request.app.state.service
    entries = service.entries()
    waiting = [each for each in reversed(entries) if each.waiting]
    found = service.specimens([each for each in entries if each.state == "open"])
    return page(
        request,
        "start.html",
        here="/",
        by_command=config.by_command,
        targets=sorted({*TARGETS, config.specimen.target}),
        target=config.specimen.target,
        open=found[0] if found else None,
        waiting=service.specimens(waiting[:_WAITING]),
        more_wait=max(0, len(waiting) - _WAITING),
        stopped=[each.specimen_id for each in waiting if each.state == "stopped"][:_WAITING],
    )


def live(request: Request) -> Response:
    """The picture and the count as they come."""
    by_command = request.app.state.config.by_command
    return page(request, "live.html", here="/live", by_command=by_command, **_tables(request))


def specimens(request: Request) -> Response:
    """All specimens, the latest first, by a part of their number."""
    search = request.query_params.get("search", "")[:64]
    start_at = request.query_params.get("from", "0")
    first = int(start_at) if start_at.isascii() and start_at.isdecimal() and len(start_at) < 9 else 0
    service = request.app.state.service
    found = [each for each in reversed(service.entries()) if search.casefold() in each.specimen_id.casefold()]
    words = words_of(request)
    rest = len(found) > first + _A_PAGE
    return page(
        request,
        "specimens.html",
        here="/specimens",
        search=search,
        specimens=service.specimens(found[first : first + _A_PAGE]),
        more=urlencode({"search": search, "from": first + _A_PAGE}) if rest else "",
        state=lambda each: words(STATES.get(each.state, each.state)),
    )


def gallery(request: Request) -> Response:
    """Every cell of a specimen."""
    specimen = request.app.state.service.entry(request.path_params["specimen_id"])
    return page(
        request,
        "gallery.html",
        here="/specimens",
        part="",
        specimen_id=specimen.specimen_id,
        simulated=specimen.simulated,
        discarded=specimen.discarded,
        signed=specimen.was_signed,
        labels=request.app.state.service.classes(),
        usual=len(NORMAL_CLASSES),
        **_tables(request),
    )


def review(request: Request) -> Response:
    """What is left to be looked at, and the signature."""
    differential, words = _differential(request), words_of(request)
    summary = request.app.state.service.specimen(differential.specimen_id)
    person = request.state.person
    return page(
        request,
        "review.html",
        here="/specimens",
        part="/review",
        **_standing(request, differential),
        open=differential.stopped_at is None and differential.ended is None,
        conditions=conditions(differential, summary, words),
        doubtful_left=summary.doubtful,
        reason=reason_asked(summary, words),
        was_signed=request.app.state.service.entry(differential.specimen_id).was_signed,
        resumable=request.app.state.config.by_command and summary.state == "stopped",
        may_sign=person is None or may(person, "reviewer"),
        events=translated(EVENTS, words),
        history=request.app.state.service.history(differential.specimen_id),
    )


def report(request: Request) -> Response:
    """One page, to be printed; of a revision, as it was signed."""
    asked = request.query_params.get("revision")
    if asked is None:
        differential, superseded = _differential(request), None
    elif not (asked.isascii() and asked.isdecimal() and len(asked) < 16):
        return message(request, 404, "there is no such page")
    else:
        signed: SignedReport = request.app.state.service.signed_report(
            request.path_params["specimen_id"], int(asked)
        )
        differential, superseded = signed, signed.superseded
    return page(
        request,
        "report.html",
        here="/specimens",
        part=None if superseded else "/report",
        superseded=superseded,
        of_revision="" if asked is None else f"?revision={asked}",
        **_standing(request, differential),
    )


def pictures(request: Request) -> Response:
    """What is in a photograph."""
    return page(request, "pictures.html", here="/pictures", **_tables(request))


def microscope(request: Request) -> Response:
    """The microscope, the camera, the model, and the device's health."""
    state, person = request.app.state, request.state.person
    found = state.service.entries()
    latest = state.service.differential(found[-1].specimen_id) if found else None
    return page(
        request,
        "microscope.html",
        here="/microscope",
        familiar=None if latest is None else latest.familiar,
        alignment=None if latest is None else state.service.alignment(latest.specimen_id),
        calibration=calibration_of(state.config, state.calibration),
        model=model_of(state.config),
        named=state.service.named(),
        calls=state.service.measured_calls(),
        enough=ENOUGH_NAMED,
        health=health_of(state.config, words_of(request)),
        may_calibrate=person is None or may(person, "reviewer"),
        may_adapt=person is None or may(person, "administrator"),
        **_tables(request),
    )


def people(request: Request) -> Response:
    """Who may use the page: everybody for administrators, oneself for others."""
    person, state = request.state.person, request.app.state
    everybody = person is None or may(person, "administrator")
    roles = translated(ROLES, words_of(request))
    if person is None:  # nobody has a PIN: the first one is who can add the others
        roles = {"administrator": roles["administrator"]}
    return page(
        request,
        "people.html",
        here="/people",
        people=[each for each in state.people.all() if everybody or each.code == person.code],
        roles=roles,
        trail=audit_lines(state.people.trail(_ENTRIES), words_of(request)) if everybody else [],
    )


def sign_in(request: Request) -> Response:
    """Who it is."""
    asked = request.query_params
    next_ = on_this_device(asked.get("next", "/"))
    return page(request, "sign_in.html", next=next_, new_pin=asked.get("new") == "pin")


def language(request: Request) -> Response:
    """Another language from here on."""
    back, chosen = request.query_params.get("back", "/"), request.query_params.get("to", "")
    response = RedirectResponse(on_this_device(back), 303)
    if chosen in LANGUAGES:
        response.set_cookie(COOKIE, chosen, max_age=_YEAR_S, httponly=True, samesite="strict")
    return response


def _differential(request: Request) -> Differential:
    found: Differential = request.app.state.service.differential(request.path_params["specimen_id"])
    return found


def _standing(request: Request, differential: Differential) -> dict[str, Any]:
    """Return what review and report both say of a specimen."""
    words = words_of(request)
    return {
        "specimen_id": differential.specimen_id,
        "differential": differential,
        "signature": differential.signature,
        "discarded": differential.discarded,
        "revision": differential.revision,
        "agreement": differential.agreement,
        "flags": flags_in_words(differential.flags, words),
        "changes": change_lines(differential.changes, words),
        **_tables(request),
    }


def _tables(request: Request) -> dict[str, Any]:
    return _tables_in(words_of(request).language.code)


@functools.cache
def _tables_in(code: str) -> dict[str, Any]:
    words = Words(LANGUAGES[code])
    return {
        "classes": translated(CLASSES, words),
        "refusals": translated(REFUSALS, words),
        "remarks": translated(REMARKS, words),
        "familiarity": translated(FAMILIARITY, words),
    }
