// What is in a photograph: asked of the device, drawn here; nothing of it is kept.
import { ask, hasSecondGuess, keyOf, number, wordsOf } from "./page.js";
import { drawMap } from "./map.js";
import { outline } from "./preview.js";
import { unturned } from "./unturned.js";

const results = document.getElementById("results");
const say = wordsOf(results);
const [classes, refusals, remarks] = ["classes", "refusals", "remarks"].map((key) => JSON.parse(results.dataset[key]));
const at = (id) => document.getElementById(id);
const status = at("status");
const drop = at("drop");
const nameOf = (label) => classes[label] ?? label;
const pause = (seconds) => new Promise((over) => setTimeout(over, 1000 * seconds));
const PAUSE_S = 5; // where the device does not say how long to wait
const waiting = []; // files that nobody has looked at yet
let busy = false;
let maps = false;

at("files").addEventListener("change", (event) => {
  look(event.target.files);
  event.target.value = ""; // so that choosing the same file again is a change
});
for (const kind of ["dragenter", "dragover"]) drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => { event.preventDefault(); look(event.dataTransfer.files); });

/** Look at files one after the other, also at those that come while others are looked at. */
async function look(files) {
  waiting.push(...files);
  if (busy) return;
  busy = true;
  at("errors").replaceChildren();
  while (waiting.length) await lookAt(waiting.shift());
  busy = false;
  status.textContent = "";
}

async function lookAt(file) {
  for (;;) {
    status.textContent = say("looking", { name: file.name });
    const form = new FormData();
    form.append("picture", file);
    try {
      const found = await ask("/api/v1/pictures", { method: "POST", form });
      results.prepend(await drawn(file, found));
      return;
    } catch (error) {
      if (error.status !== 429) {
        at("errors").append(failed(file, error));
        return;
      }
      status.textContent = say("waiting", { name: file.name });
      await pause(error.retryAfterS || PAUSE_S);
    }
  }
}

function failed(file, error) {
  const line = element("p");
  line.append(element("bdi", "", file.name), `: ${error.message}`);
  return line;
}

/** The picture as its file holds it, which is how the device looks at it; null where the browser has none such. */
async function pictureOf(file, found) {
  const shown = await unturned(file).then((held) => createImageBitmap(held, { colorSpaceConversion: "none" })).catch(() => null);
  // In one of another size each box would lie over something else.
  return shown?.width === found.width && shown.height === found.height ? shown : null;
}

async function drawn(file, found) {
  const part = element("section", "card");
  part.append(element("h2", "", file.name));
  const shown = await pictureOf(file, found);
  if (shown) {
    const picture = element("div", "picture");
    picture.style.aspectRatio = `${found.width} / ${found.height}`;
    const canvas = element("canvas");
    const scale = Math.min(1, 1280 / shown.width);
    canvas.width = Math.round(shown.width * scale);
    canvas.height = Math.round(shown.height * scale);
    canvas.getContext("2d").drawImage(shown, 0, 0, canvas.width, canvas.height);
    const lines = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    lines.setAttribute("aria-hidden", "true");
    outline(lines, found.width, found.height, found.cells, (each) => nameOf(each.label), results.clientWidth);
    picture.append(canvas, lines);
    part.append(picture);
  } else {
    part.append(element("p", "muted", say("unreadable")));
  }
  if (found.refused) part.append(element("p", "notice", `${say("refused")}: ${refusals[found.refused] ?? found.refused}`));
  part.append(element("p", "", say("found", { number: found.cells.length })));
  const cells = element("ul", "plain cells");
  found.cells.forEach((cell) => cells.append(oneCell(cell, shown)));
  part.append(cells);
  if (found.cells.some((cell) => cell.heatmap)) at("views").hidden = false;
  return part;
}

function oneCell(cell, shown) {
  const item = element("li", "cell");
  const photo = element("div", "photo");
  const [x, y, w, h] = cell.crop ?? cell.box;
  if (shown) {
    const canvas = element("canvas");
    canvas.width = canvas.height = 160;
    canvas.getContext("2d").drawImage(shown, x, y, w, h, 0, 0, 160, 160);
    canvas.className = "cut";
    photo.append(canvas);
  }
  if (cell.heatmap) {
    const map = element("canvas", "map");
    drawMap(map, cell.heatmap);
    map.hidden = !maps;
    photo.append(map);
  }
  item.append(photo, element("span", "name", `${nameOf(cell.label)} ${number(100 * cell.probability)}\u00a0%`));
  if (hasSecondGuess(cell)) item.append(element("span", "name muted", `${nameOf(cell.second_label)} ${number(100 * cell.second_probability)}\u00a0%`));
  const why = [cell.rejected && `${say("not_counted")}: ${remarks[cell.rejected] ?? cell.rejected}`, ...(cell.flags ?? []).map((flag) => remarks[flag] ?? flag)].filter(Boolean);
  why.forEach((words) => item.append(element("span", "name warn", words)));
  return item;
}

/** Lay the maps over all cells, or take them away. */
function toggleMaps() {
  maps = !maps;
  at("maps").setAttribute("aria-pressed", String(maps));
  for (const map of results.querySelectorAll(".map")) map.hidden = !maps;
}

at("maps").addEventListener("click", toggleMaps);
document.addEventListener("keydown", (event) => {
  if (keyOf(event) !== "m" || event.ctrlKey || event.metaKey || event.altKey || at("views").hidden) return;
  if (event.target.closest("input:not([type=file]), select, textarea")) return;
  event.preventDefault();
  toggleMaps();
});

function element(kind, className = "", text = "") {
  const made = document.createElement(kind);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}
