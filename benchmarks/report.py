"""A result as Markdown, and in a page between two markers."""

from __future__ import annotations

import statistics
import textwrap
from typing import TYPE_CHECKING, Any

from benchmarks import report_boards
from edge.errors import LeukoscopeError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_BEGIN, _END = "<!-- bench: begin -->", "<!-- bench: end -->"
_WIDTH = 118


def markdown(result: dict[str, Any], boards: Sequence[dict[str, Any]] = ()) -> str:
    """Return where it was measured, the stages, the ratios, the daemon, the cold start and what bounds it.

    boards: results of other machines, for a row each.
    """
    facts = result["environment"]
    kernel = facts["kernel"].split("-")[0]  # without the name of the build
    lines = [
        *_paragraph(
            f"{facts['board']}, {facts['processor']}, {facts['cores']} cores, kernel {kernel}, governor"
            f" {facts['governor']}, results on {facts.get('file_system', 'unknown')}, load {facts['load']}"
            f" at the start. {result['runtime']}, {_threads(result)}, {result['warm_up']} calls of warm-up,"
            f" then medians of {result['repetitions']} repetitions, all stages in turns; commit"
            f" {facts.get('commit', 'unknown')}."
        ),
        "| stage | calls | p50 ms | p90 ms | p99 ms | maximum ms | processor ms |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {row['stage']} | {row['calls']} | {row['p50']:.3f} | {row['p90']:.3f} | {row['p99']:.3f}"
            f" | {row['maximum']:.3f} | {statistics.median(row['cpu_medians']):.3f} |"
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
        *(_paragraph(f"Left out: {', '.join(result['left_out'])}.") if result["left_out"] else []),
        *_peers(result.get("peers", [])),
        *_daemon(result.get("daemon")),
        *_cold(result["cold_start"]),
        *_throughput(result.get("throughput", [])),
        *_roofline(result.get("roofline")),
        *_accuracy(result.get("accuracy")),
        *report_boards.table([result, *boards]),
    ]
    return "\n".join(lines)


def write(page: Path, result: dict[str, Any], boards: Sequence[dict[str, Any]] = ()) -> None:
    """Put the result between the page's markers. Raises LeukoscopeError where they are not there."""
    head, tail = parts(page)
    try:
        page.write_text(f"{head}{_BEGIN}\n{markdown(result, boards)}\n{_END}{tail}", encoding="utf-8")
    except OSError as error:
        raise LeukoscopeError(f"{page}: cannot be written: {error.strerror}") from None


def parts(page: Path) -> tuple[str, str]:
    """Return what stands before a page's markers and behind them. Raises LeukoscopeError without markers."""
    try:
        text = page.read_text(encoding="utf-8")
    except OSError as error:
        raise LeukoscopeError(f"{page}: cannot be read: {error.strerror}") from None
    head, begun, rest = text.partition(_BEGIN)
    _, ended, tail = rest.partition(_END)
    if not (begun and ended):
        raise LeukoscopeError(f"{page}: has no place for it; put {_BEGIN} and {_END} where it is to go")
    return head, tail


def _daemon(run: dict[str, Any] | None) -> list[str]:
    if run is None:
        return []
    pss = "" if run["pss_mib"] is None else f", PSS {run['pss_mib']:.0f} MiB beside the benchmark"
    return _paragraph(
        f"Daemon, field of one cell, {run['fields']} fields a repetition, stored with synchronous FULL and"
        f" acknowledged at QoS 1: frame to acknowledgement p50 {run['single_p50_ms']} ms, p90"
        f" {run['single_p90_ms']} ms, p99 {run['single_p99_ms']} ms, maximum {run['single_maximum_ms']} ms"
        f" at a pace of {run['pace']:.0f} a second; in sustained operation a result every"
        f" {run['interval_ms']} ms; first result acknowledged {run['first_result_s']} s after the start;"
        f" peak RSS {run['peak_rss_mib']:.0f} MiB{pss}; {run['written']} bytes written to the disk for each"
        f" result."
    )


def _cold(cold: dict[str, Any]) -> list[str]:
    return _paragraph(
        f"Cold start, median of {cold['starts']}: imports {cold['import_s']} s, model with its golden inputs"
        f" {cold['model_s']} s, first field {cold['first_field_s']} s, in all {cold['total_s']} s; peak RSS"
        f" {cold['peak_rss_mib']:.0f} MiB."
    )


def _threads(result: dict[str, Any]) -> str:
    count = result.get("threads", 1)
    return f"{count} thread{'s' if count > 1 else ''}"


def _peers(peers: Sequence[dict[str, Any]]) -> list[str]:
    if not peers:
        return []
    lines = [
        "| peer, a process of its own | with | first result s | peak RSS MiB | calls as ours |",
        "|---" * 5 + "|",
    ]
    for peer in peers:
        share = peer["agreement"]
        agreement = "another network" if share is None else f"{100 * share:.0f} %"
        figures = f"{peer['first_s']} | {peer['peak_rss_mib']:.0f} | {agreement}"
        lines.append(f"| {peer['name']} | {peer['version']} | {figures} |")
    return [*lines, ""]


def _throughput(rates: Sequence[dict[str, Any]]) -> list[str]:
    if not rates:
        return []
    parts = [
        f"{rate['fields_per_second']:.1f} with {_threads(rate)}"
        f" ({rate['lowest']:.1f} to {rate['highest']:.1f})"
        for rate in rates
    ]
    return _paragraph(f"Sustained in one process, fields a second, picture to calls: {', '.join(parts)}.")


def _roofline(roof: dict[str, Any] | None) -> list[str]:
    if roof is None:
        return []
    return _paragraph(
        f"Roofline: the network asks for {roof['macs'] / 1e6:.1f} million multiply-accumulates a look and"
        f" moves {roof['moved_bytes'] / 1e6:.2f} MB. This processor does {roof['peak_gmacs']:.0f} x 10^9 int8"
        f" multiply-accumulates a second (a matrix product by the same runtime) and copies"
        f" {roof['cache_gbs']:.0f} GB/s in its cache, {roof['memory_gbs']:.0f} GB/s in memory; so a look"
        f" takes at least {roof['bound_ms']:.3f} ms. It takes {roof['network_ms']:.3f} ms:"
        f" {100 * roof['share']:.0f} % of what is possible."
    )


def _accuracy(right: dict[str, Any] | None) -> list[str]:
    if right is None:
        return []
    refused = right["found"] - right["right"] - right["wrong"]
    return _paragraph(
        f"The same code in the same run on {right['pictures']}: of {right['cells']} cells {right['found']}"
        f" found, {right['right']} named rightly ({right['right_percent']} %, 95 % interval"
        f" {right['low_percent']} to {right['high_percent']}), {right['wrong']} wrongly, {refused} refused;"
        f" {right['picture_ms']:.2f} ms a picture."
    )


def _paragraph(text: str) -> list[str]:
    return [*textwrap.wrap(text, _WIDTH), ""]
