"""What a bundle says of itself, in words: the command line and the model card have the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.labels import OTHER
from edge.models.reject import TOO_FAR

if TYPE_CHECKING:
    from edge.models.bundle import Description


def refusals(about: Description) -> str:
    """Say in words when a model does not answer."""
    rule = about.reject
    reasons = [f"below a probability of {100 * rule.minimum_probability:.0f} %"]
    if OTHER in about.labels:
        reasons.insert(0, f"where {OTHER} is likeliest")
    if rule.familiarity is not None:
        usual = rule.familiarity.usual_distance
        reasons.append(f"below a trust of {rule.familiarity.minimum_trust:.2f}")
        reasons.append(
            f"further than {TOO_FAR * usual:.1f} standard deviations from its class's mean features "
            f"(99 % of known cells are within {usual:.1f})"
        )
    return "; ".join(reasons)


def estimate(value: object) -> str:
    """Return a share of 0 to 1 in percent, with its interval where `value` has one, or a dash for None."""
    if isinstance(value, dict):
        return f"{100 * value['value']:.1f} ({100 * value['low']:.1f}-{100 * value['high']:.1f})"
    return f"{100 * value:.1f}" if isinstance(value, int | float) else "-"
