"""A result as Markdown, and in the README between two markers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge.errors import LeukoscopeError

if TYPE_CHECKING:
    from pathlib import Path

_BEGIN, _END = "<!-- bench: begin -->", "<!-- bench: end -->"


def markdown(result: dict[str, Any]) -> str:
    """Give where it was measured, the stages, the ratios, the daemon and the cold start."""
    facts = result["environment"]
    kernel = facts["kernel"].split("-")[0]  # without the name of the build
    lines = [
        f"{facts['board']}, {facts['processor']}, {facts['cores']} cores, kernel {kernel},",
        f"governor {facts['governor']}, load {facts['load']} at the start. {result['runtime']},",
        f"{result['warm_up']} calls of warm-up, then medians of {result['repetitions']} repetitions, all",
        f"stages in turns; commit {facts.get('commit', 'unknown')}.",
        "",
        "| stage | calls | p50 ms | p90 ms | p99 ms | maximum ms |",
        "|---|---|---|---|---|---|",
        *(
            f"| {row['stage']} | {row['calls']} | {row['p50']:.3f} | {row['p90']:.3f} | {row['p99']:.3f}"
            f" | {row['maximum']:.3f} |"
            for row in result["latency_ms"]
        ),
        "",
        "| ratio within the run | median of repetitions | lowest to highest |",
        "|---|---|---|",
        *(
            f"| {name} | {ratio['median']} | {ratio['lowest']} to {ratio['highest']} |"
            for name, ratio in result["ratios"].items()
        ),
        "",
        *([f"Left out: {', '.join(result['left_out'])}.", ""] if result["left_out"] else []),
        *_daemon(result.get("daemon")),
        *_cold(result["cold_start"]),
    ]
    return "\n".join(lines)


def write(readme: Path, result: dict[str, Any]) -> None:
    """Put the result between the README's markers. Raises LeukoscopeError where they are not there."""
    try:
        text = readme.read_text(encoding="utf-8")
    except OSError as error:
        raise LeukoscopeError(f"{readme}: cannot be read: {error.strerror}") from None
    head, begun, rest = text.partition(_BEGIN)
    _, ended, tail = rest.partition(_END)
    if not (begun and ended):
        raise LeukoscopeError(f"{readme}: has no place for it; put {_BEGIN} and {_END} where it is to go")
    try:
        readme.write_text(f"{head}{_BEGIN}\n{markdown(result)}\n{_END}{tail}", encoding="utf-8")
    except OSError as error:
        raise LeukoscopeError(f"{readme}: cannot be written: {error.strerror}") from None


def _daemon(run: dict[str, Any] | None) -> list[str]:
    if run is None:
        return []
    pss = "" if run["pss_mib"] is None else f", PSS {run['pss_mib']:.0f} MiB beside the benchmark"
    return [
        f"Daemon, field of one cell, {run['fields']} fields a repetition, stored with synchronous FULL and",
        f"acknowledged at QoS 1: frame to acknowledgement p50 {run['single_p50_ms']} ms, p90",
        f"{run['single_p90_ms']} ms, p99 {run['single_p99_ms']} ms, maximum {run['single_maximum_ms']} ms",
        f"at a pace of {run['pace']:.0f} a second; in sustained operation a result every",
        f"{run['interval_ms']} ms; first result acknowledged {run['first_result_s']} s after the start;",
        f"peak RSS {run['peak_rss_mib']:.0f} MiB{pss};",
        f"{run['written']} bytes written to the disk for each result.",
        "",
    ]


def _cold(cold: dict[str, Any]) -> list[str]:
    return [
        f"Cold start, median of {cold['starts']}: imports {cold['import_s']} s,",
        f"model with its golden inputs {cold['model_s']} s, first field {cold['first_field_s']} s,",
        f"in all {cold['total_s']} s; peak RSS {cold['peak_rss_mib']:.0f} MiB.",
    ]
