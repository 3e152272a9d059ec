"""What a dashboard makes of the MQTT topics, in a terminal."""

from __future__ import annotations

import io
import queue
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from edge.demo.colours import COLOURS, bar, blocks, heat, line
from edge.errors import BrokerError
from edge.messages import Differential, FieldResult, Message, Status, decode
from edge.outputs import DEMO, write_result

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from rich.console import RenderableType

    from edge.demo.frames import Frames
    from edge.demo.truth import Truth
    from edge.messages import Cell

_CARDS = 4
_CARD = 38  # columns: the picture, the grid of 15, and a frame around them; two fit into 80
_PICTURE = 20  # pixels, and columns: two of its rows are a line
_WIDEST = 120  # three cards
_CONNECT_S = 10.0


class Dashboard:
    """Subscribes to one device's topics and shows them until its daemon ends.

    title: what is looked at. fields: how many are to come, for the progress bar. frames: what the cells are
    cut from; without them there are only maps.
    """

    def __init__(
        self, title: str, broker: str, fields: int, truth: Truth | None, frames: Frames | None = None
    ) -> None:
        self._frames = frames
        self._title, self._broker, self._expected, self._truth = title, broker, fields, truth
        self._messages: queue.Queue[tuple[datetime, Message]] = queue.Queue()
        self._client: mqtt.Client | None = None
        self._console = Console()
        self._cards: list[Panel] = []
        self._differential: Differential | None = None
        self._state = "waiting"
        self._seen: set[str] = set()
        self._cells = 0
        self._analysis_ms: list[float] = []
        self._arrival_ms: list[float] = []

    @property
    def fields_seen(self) -> int:
        """Count the different fields that arrived."""
        return len(self._seen)

    def connect(self, port: int, protocol: str, device: str) -> None:
        """Subscribe to everything that the device says. Raises BrokerError."""
        version = mqtt.MQTTv5 if protocol == "5" else mqtt.MQTTv311
        client = mqtt.Client(CallbackAPIVersion.VERSION2, "leukoscope-dashboard", protocol=version)
        client.on_message = self._received
        client.on_connect = lambda c, *_: c.subscribe(f"leukoscope/{device}/#", qos=1)
        subscribed: queue.Queue[bool] = queue.Queue()
        client.on_subscribe = lambda *_: subscribed.put(True)
        try:
            client.connect("127.0.0.1", port)
            client.loop_start()
            subscribed.get(timeout=_CONNECT_S)
        except (OSError, queue.Empty):
            raise BrokerError(f"{self._broker} on port {port} does not let the dashboard subscribe") from None
        self._client = client

    def close(self) -> None:
        """Leave the broker."""
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()

    def watch(self, daemon: subprocess.Popen[bytes]) -> None:
        """Show what arrives until the daemon has ended and nothing more comes."""
        if not self._console.is_terminal:
            while self._take(daemon) is not None:
                pass
            return
        with Live(
            self.screen(self._console.width), console=self._console, refresh_per_second=8, screen=False
        ) as live:
            while self._take(daemon) is not None:
                live.update(self.screen(self._console.width))

    def picture(self, path: Path) -> None:
        """Write the screen as it stands now as an SVG. Raises OutputError."""
        console = Console(
            record=True, width=_WIDEST, file=io.StringIO(), force_terminal=True, color_system="truecolor"
        )
        console.print(self.screen(console.width))
        drawing = console.export_svg(title="leukoscope demo")
        # No font from somebody's server: the reader's own monospaced one will do.
        drawing = re.sub(r"@font-face \{.*?\}", "", drawing, flags=re.DOTALL)
        # The note by which a later call knows its own picture.
        write_result(path, drawing.replace(">", f"><!-- {DEMO} -->", 1).encode())

    def summary(self) -> None:
        """Print what it came to."""
        print_ = self._console.print
        print_()
        print_(
            f"[bold]{self.fields_seen}[/] of {self._expected} fields arrived over MQTT, "
            f"with [bold]{self._cells}[/] cells."
        )
        if self._differential is not None:
            print_(self._differential_table(self._differential, whole=True))
            for flag in self._differential.flags:
                print_(f"  {flag.sentence}", highlight=False, markup=False)
        if self._truth is not None and self._truth.drawn:
            drawn, found, named = self._truth.drawn, self._truth.found, self._truth.named
            print_(
                f"Drawn and complete in those fields: {drawn}. Found: {found} ({100 * found / drawn:.0f} %). "
                f"Called what they were drawn as: {named} ({100 * named / drawn:.0f} %)."
            )
        if self._analysis_ms:
            print_(
                f"Medians: a field analysed in {_median(self._analysis_ms):.1f} ms, "
                f"and shown here after {_median(self._arrival_ms):.1f} ms."
            )
        if self._truth is not None:
            print_("[yellow]The slide was simulated: these figures say nothing about real blood.[/]")
        print_("Not a medical device.")

    def _received(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        try:
            self._messages.put((datetime.now(UTC), decode(bytes(message.payload))))
        except msgspec.MsgspecError:
            return  # somebody else's topic, or an image

    def _take(self, daemon: subprocess.Popen[bytes]) -> bool | None:
        """Take what comes within a moment; None when nothing can come any more."""
        ended = daemon.poll() is not None
        try:
            arrived, message = self._messages.get(timeout=0.3)
        except queue.Empty:
            return None if ended else False
        self.show(message, arrived)
        return True

    def show(self, message: Message, arrived: datetime) -> None:
        """Take a message that arrived."""
        match message:
            case Status():
                self._state = message.state
            case Differential():
                self._differential = message
            case FieldResult() if message.field_id not in self._seen:
                self._take_field(arrived, message)

    def _take_field(self, arrived: datetime, field: FieldResult) -> None:
        self._seen.add(field.field_id)
        self._cells += len(field.cells)
        self._analysis_ms.append(field.timings_ms.get("total", 0.0))
        self._arrival_ms.append(1000 * (arrived - field.captured_at).total_seconds())
        self._cards = [*(self._card(field, cell) for cell in field.cells[:_CARDS]), *self._cards][:_CARDS]
        if self._truth is not None:
            self._truth.add(field)
        if not self._console.is_terminal:
            calls = ", ".join(cell.spoken() for cell in field.cells) or "no white cell"
            self._console.print(f"{field.source}: {calls}", soft_wrap=True, highlight=False, markup=False)

    def _card(self, field: FieldResult, cell: Cell) -> Panel:
        """A cell: its picture, and beside it where the evidence lies and what it was called."""
        colour = COLOURS.get(cell.label, "white")
        picture = None
        if self._frames is not None:
            picture = self._frames.picture(field.source, cell.crop, _PICTURE)
        beside: list[RenderableType] = [heat(cell.heatmap) if cell.heatmap else Text("no map")]
        for label, probability in sorted(cell.probabilities.items(), key=lambda item: -item[1])[:2]:
            beside.append(Text(f"{label[:10]:<10} {100 * probability:3.0f}%", COLOURS.get(label, "white")))
        if cell.rejected or cell.cut_by_edge:
            beside.append(Text(cell.rejected or "cut by the edge", "yellow"))
        else:
            beside.append(Text("counted", "dim"))
        inside = Table.grid(padding=(0, 1, 0, 0))
        shown = Text("no picture", "dim") if picture is None else blocks(picture.tolist())
        inside.add_row(shown, Group(*beside))
        return Panel(
            inside,
            title=Text(cell.label, f"bold {colour}"),
            subtitle=Text(field.source.removeprefix("simulated ")[-30:], "dim"),
            border_style=colour,
            padding=0,
            width=_CARD,
        )

    def screen(self, width: int) -> RenderableType:
        """Return the screen as it stands, for a terminal of so many columns; it has at most 24 lines."""
        style = "black on yellow" if self._truth is not None else "bold"
        # In the frame, so that the whole screen fits 24 lines with five classes and their flags.
        head = Text.assemble(("Leukoscope", "bold"), " - ", (f" {self._title} ", style))
        foot = Text(f"{self._state} - {self._broker}", "dim")
        # One row of cards, so that the whole screen fits 24 lines.
        room = max(1, (min(width, _WIDEST) - 4) // _CARD)
        cards = Table.grid()
        cards.add_row(*self._cards[:room])
        differential = self._differential_table(self._differential) if self._differential else Text("")
        latency = ""
        if self._analysis_ms:
            shown = f"shown after {self._arrival_ms[-1]:.1f} ms"
            latency = f"analysed in {_median(self._analysis_ms):.1f} ms, {shown}; "
        progress = Table.grid(expand=True, padding=(0, 1))
        progress.add_column(ratio=1)
        progress.add_column(justify="right")
        progress.add_row(
            ProgressBar(total=max(self._expected, 1), completed=self.fields_seen),
            Text(f"{latency}{self.fields_seen}/{self._expected} fields, {self._cells} cells", "dim"),
        )
        body = Group(cards, differential, progress)
        return Panel(body, title=head, subtitle=foot, border_style="blue", width=min(width, _WIDEST))

    def _differential_table(self, differential: Differential, *, whole: bool = False) -> Group:
        excluded = [f"{count} {reason}" for reason, count in differential.unclassified.items()]
        if differential.incomplete:
            excluded.append(f"{differential.incomplete} cut by the edge")
        title = f"Differential of {differential.specimen_id} ({differential.state}): "
        title += f"{differential.counted} of {differential.target} counted"
        if excluded:
            title += f"; not: {', '.join(excluded)}"
        table = Table(box=None, padding=(0, 1))
        for name, justify in (
            ("", "left"),
            ("", "left"),
            ("cells", "right"),
            ("%", "right"),
            (differential.interval, "left"),
            *([("corrected 95 %", "left")] if differential.correction.method else []),
        ):
            table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
        for row in differential.classes:
            colour = COLOURS.get(row.label, "white")
            table.add_row(
                Text(row.label, colour),
                bar(round((row.percent or 0) / 10), colour),
                str(row.count),
                *row.spoken(),
                *([f"{row.corrected.low:.1f} to {row.corrected.high:.1f}"] if row.corrected else []),
            )
        # One line, whatever is raised: the whole screen fits 24.
        raised = sorted(differential.flags, key=lambda flag: flag.certainty != "definite")
        flags = "; ".join(f"{flag.certainty} {flag.rule}" for flag in raised) or "no flags"
        heading = Text(title, "italic") if whole else line(title, "italic")
        return Group(heading, table, line(flags, "yellow"))


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
