// The live picture: fetched again after each is shown, and what the counter says of it.
import { ask } from "./page.js";

const SVG = "http://www.w3.org/2000/svg";
const SILENT_MS = 5000;
const REFUSED_MS = 10_000; // until the stream is asked for again

const LEGIBLE_PX = 13; // of a name over a cell, however large the picture and however small the screen

/**
 * Outlines and names over a picture of that size; dashed, and with a question mark, where the model is not sure or was
 * not asked. shown: how wide the part of the screen is that it gets.
 */
export function outline(svg, width, height, found, nameOf, shown = svg.clientWidth) {
  const scale = shown ? Math.max(width / shown, (4 * height) / (3 * shown)) : 0; // the part is of 4 to 3
  const size = Math.max(width / 32, LEGIBLE_PX * scale);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.replaceChildren(...found.flatMap((each) => {
    const [x, y, w, h] = each.box;
    const box = document.createElementNS(SVG, "rect");
    for (const [key, value] of Object.entries({ x, y, width: w, height: h, rx: width / 160 })) box.setAttribute(key, value);
    const doubtful = Boolean(each.rejected) || !each.label;
    box.classList.toggle("doubtful", doubtful);
    const name = document.createElementNS(SVG, "text");
    name.setAttribute("font-size", size);
    name.setAttribute("stroke-width", size / 5);
    name.setAttribute("x", Math.max(0, Math.min(x, width - 6 * size)));
    name.setAttribute("y", y > 1.3 * size ? y - size / 3 : y + h + size);
    name.textContent = doubtful ? `${nameOf(each)} ?`.trim() : nameOf(each);
    return [box, name];
  }));
}

/** Shows the live picture in #picture, outlines in #outlines, its verdict and focus; hands each state on. */
export class Preview {
  constructor(refusals, say, classes, onState = () => {}) {
    this.picture = document.getElementById("picture");
    this.outlines = document.getElementById("outlines");
    this.state = null; // as it was said last
    this.shown = null; // the number of the picture on the screen
    this.best = 0;
    this.heard = 0;
    const verdict = document.getElementById("verdict");
    const tell = (words, how) => {
      if (verdict.textContent !== words) verdict.textContent = words;
      verdict.className = how;
    };
    const focus = document.getElementById("focus");
    this.nameOf = (each) => classes[each.label] ?? each.label ?? "";
    const take = (event) => {
      const state = JSON.parse(event.data);
      onState(state);
      if (state.number === null) return; // no picture of now
      this.heard = Date.now();
      this.state = state;
      const reason = state.refused ?? null;
      tell(reason ? (refusals[reason] ?? reason) : say("good"), reason ? "warn" : "good");
      if (typeof state.focus === "number") {
        this.best = Math.max(this.best, state.focus);
        focus.max = this.best || 1;
        focus.value = state.focus;
      }
    };
    let why = "silent";
    const listen = () => {
      const events = new EventSource("/events");
      events.addEventListener("open", () => { why = "silent"; });
      events.addEventListener("live", take);
      events.addEventListener("error", async () => {
        if (events.readyState !== EventSource.CLOSED) { why = "not_reached"; return; } // the browser asks again by itself
        // It was refused. Without a session this leads to the sign-in; with one, others have taken all places.
        const answered = await ask("/api/v1/classes").catch(() => null);
        why = answered ? "too_many" : "silent";
        setTimeout(listen, REFUSED_MS);
      });
      addEventListener("pagehide", () => events.close());
    };
    listen();
    setInterval(() => { if (Date.now() - this.heard > SILENT_MS) tell(say(why), "warn"); }, 1000);
    // Only once the page is there: a picture that is always on its way would keep the browser loading for ever.
    if (document.readyState === "complete") this.next();
    else addEventListener("load", () => this.next());
  }

  /** Ask for the next picture once this one is there, if there is another; not at all while nobody looks. */
  next() {
    const again = (pause) => setTimeout(() => this.next(), pause);
    const state = this.state;
    if (document.hidden) { again(500); return; }
    if (!state || state.number === this.shown) { again(100); return; }
    const fresh = new Image();
    fresh.onload = () => {
      this.picture.src = fresh.src;
      this.picture.hidden = false;
      this.shown = state.number;
      // What was found in this picture: with the latest, outlines would lie beside the cells of a slide that moves.
      if (this.outlines) outline(this.outlines, state.width ?? 640, state.height ?? 480, state.cells ?? [], this.nameOf);
      again(100);
    };
    fresh.onerror = () => again(1000);
    fresh.src = `/live.jpg?number=${state.number}&at=${Date.now()}`;
  }
}
