"""A bundle's model card (Mitchell et al. 2019): a page of Markdown, from its description alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from edge.labels import OTHER
from edge.models.words import estimate, refusals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from edge.models.bundle import Description

MODEL_CARD = "MODEL_CARD.md"
"""Its name in the bundle."""

_TURNED = (
    "- Each cell is looked at in four quarter turns; scores, maps and features are the mean of the four."
)

_COUNTED = "photographs or slides"

CARD_TITLE = "# Model card: "
"""How the page begins."""

_FIGURES = {
    "photograph_accuracy": "right",
    "photograph_macro_recall": "macro recall",
    "accuracy": "right, images",
    "macro_auc": "macro AUC, images",
}


def model_card(about: Description) -> str:
    """Return the page. What the description does not say is left out, or shown as a dash."""
    sections = {
        "Intended use": [about.intended_use],
        "Limits": [about.limits],
        "Classes": [_classes(about.labels)],
        "Figures": _figures(about.measured),
        "Data": _data(about.training),
        "Preprocessing and answers": [
            f"- Cells are cut by the masking `{about.preprocessing}`, 120x120 pixels, RGB.",
            *([_TURNED] if about.turns > 1 else []),
            f"- Probabilities: softmax of the logits over a temperature of {about.temperature}.",
            f"- No answer: {refusals(about)}.",
        ],
        "How it was made": _making(about),
    }
    lines = [f"{CARD_TITLE}{about.name}", "", f"Made {about.created}."]
    for title, body in sections.items():
        lines += ["", f"## {title}", "", *body]
    return "\n".join(lines) + "\n"


def _classes(labels: Sequence[str]) -> str:
    counted = ", ".join(label for label in labels if label != OTHER)
    return counted + (f"; `{OTHER}` is seen and not counted." if OTHER in labels else ".")


def _figures(measured: Mapping[str, Any]) -> list[str]:
    if not measured:
        return ["None were measured."]
    rows = [
        [
            name,
            _number(entry.get("photographs")),
            _number(entry.get("images")),
            *(estimate(entry.get(key)) for key in _FIGURES),
            estimate(entry.get("agreement")),
        ]
        for name, entry in measured.items()
    ]
    lines = [
        "Of the int8 network, in percent, with 95 % intervals by bootstrap over photographs or slides.",
        "Each cell counts once, however many pictures there are of it, where the column does not say images.",
        "Nothing is refused in these figures.",
        "",
        *_table(["measured on", _COUNTED, "images", *_FIGURES.values(), "as float"], rows),
    ]
    for name, entry in measured.items():
        if "allowed" in entry:
            lines += ["", f"{name}: int8 was allowed to lose {entry['allowed']}."]
        rejecting = entry.get("rejecting")
        if rejecting:
            called, wrong = estimate(rejecting["called"]), estimate(rejecting["wrong_calls"])
            told = (
                f"With refusals, on {name}{_shown(rejecting)}: {called} % of the cells of known classes are "
                f"called, and {wrong} % of the calls are wrong"
            )
            if "auroc" in rejecting:
                told += f"; AUROC of known classes against others {rejecting['auroc']:.3f}"
            if "left_out" in rejecting:
                without = " or without ".join(rejecting["left_out"])
                told += (
                    f". As sure as that, shorter trainings without {without} "
                    f"call {estimate(rejecting['left_out_called'])} % of the cells of that microscope, and "
                    f"{estimate(rejecting['left_out_wrong_calls'])} % of these calls are wrong"
                )
            lines += ["", f"{told}."]
    return lines


def _shown(rejecting: Mapping[str, Any]) -> str:
    share = rejecting.get("other_share")
    return f", {OTHER} being {100 * share:g} % of the cells" if share else ""


def _data(training: Mapping[str, Any]) -> list[str]:
    rows = []
    for name, entry in training.get("data", {}).items():
        counts = entry.get("photographs", {})
        shown = ", ".join(f"{count} {label}" for label, count in counts.items())
        cells = (entry.get("source"), entry.get("licence"), shown, f"`{entry.get('sha256', '')}`")
        rows.append([name, *(text or "-" for text in cells)])
    held_out = training.get("photographs_held_out", "?")
    told = (
        f"{training.get('photographs', '?')} {_COUNTED}, of which {held_out} were held out of training: "
        "where a set tells slides apart, they are counted, not the photographs of them. "
        f"Split: sha256 `{training.get('split_sha256', '-')}`."
    )
    return [*_table(["set", "source", "licence", f"{_COUNTED} trained on", "sha256"], rows), "", told]


def _making(about: Description) -> list[str]:
    lines = [f"- The network: sha256 `{about.model_sha256}`, int8, {len(about.goldens)} golden inputs."]
    int8 = about.training.get("int8", {})
    if int8:
        lines += [
            f"- Runs on TensorFlow Lite {int8['min_runtime_version']} and later.",
            f"- {int8['tensors_compared']} of its tensors were compared with the float network's.",
            f"- Of none is more than {100 * int8['most_clipped']:g} % of the values cut off by int8.",
            f"- No int8 range is more than {int8['widest_range']:g} times too wide.",
        ]
    first = about.training.get("first_weights")
    if first:
        lines.append(f"- Its first weights: {first}.")
    tools = [f"{name} {version}" for name, version in about.tools.items() if name != "commit"]
    lines.append(f"- With {', '.join(tools)}; git commit {about.tools.get('commit', 'unknown')}.")
    recipe = about.training.get("recipe")
    if recipe:
        told = msgspec.json.format(msgspec.json.encode(recipe), indent=1).decode()
        lines += ["- By this recipe:", "", "```json", told, "```"]
    return lines


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "-"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
