"""What a bundle says of itself, as rows of a name and a text: for the command line and the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from edge.models.words import estimate, refusals

if TYPE_CHECKING:
    from edge.models.bundle import Bundle


def summary(bundle: Bundle, size: int, why: str | None = None) -> dict[str, str]:
    """Name of a property -> its text. size: of the file, bytes. why: it is the one that answers here."""
    about = bundle.description
    rows = {} if why is None else {"answers here": why}
    rows |= {
        "sha256": bundle.sha256,
        "size": f"{size} bytes",
        "created": about.created,
        "labels": ", ".join(about.labels),
        "preprocessing": about.preprocessing,
        "quarter turns": str(about.turns),
        "temperature": str(about.temperature),
        "no answer": refusals(about),
        "golden inputs": str(len(about.goldens)),
        "trained on": _sets(about.training.get("data", {})),
        "photographs": f"{about.training.get('photographs', '?')}, "
        f"{about.training.get('photographs_held_out', '?')} of them held out",
        "measured": "\n".join(f"{name}: {_spoken(entry)}" for name, entry in about.measured.items()) or "-",
        "made with": ", ".join(f"{name} {version}" for name, version in about.tools.items()) or "-",
        "intended use": about.intended_use,
        "limits": about.limits,
    }
    if about.parent is not None:
        rows["adapted from"] = f"{about.parent.name}, {about.parent.sha256}"
    if about.adaptation is not None:
        rows["adaptation"] = _compact(about.adaptation)
    return rows


def _sets(data: object) -> str:
    """Say what each set gave and whose it is, as the trainer writes them; anything else as it is."""
    if not isinstance(data, dict) or not all(
        isinstance(one, dict) and isinstance(one.get("photographs"), dict) for one in data.values()
    ):
        return _compact(data)
    return (
        "\n".join(
            f"{name}: {', '.join(f'{count} {label}' for label, count in one['photographs'].items())}"
            f" (photographs or slides). {one.get('source', '?')}. {one.get('licence', '?')}"
            for name, one in data.items()
        )
        or "-"
    )


def _spoken(entry: object) -> str:
    """Say what was measured, as the trainer writes it; anything else as it is."""
    if not isinstance(entry, dict) or not isinstance(entry.get("photograph_accuracy"), dict):
        return _compact(entry)
    parts = [
        f"{entry['photographs']} photographs",
        f"right {estimate(entry['photograph_accuracy'])} %",
        f"macro recall {estimate(entry.get('photograph_macro_recall'))} %",
        f"as float {estimate(entry.get('agreement'))} %",
    ]
    rejecting = entry.get("rejecting")
    if rejecting:
        parts.append(
            f"with refusals {estimate(rejecting['called'])} % of known cells called, "
            f"{estimate(rejecting['wrong_calls'])} % of calls wrong"
        )
    return ", ".join(parts)


def _compact(value: object) -> str:
    text = msgspec.json.encode(value).decode().replace('"', "")
    return (text[1:-1] if isinstance(value, dict) else text) or "-"
