// What is in a photograph: asked of the device, drawn here; nothing of it is kept.
import { ask, complain, number, wordsOf } from "./page.js";
import { drawMap } from "./map.js";
import { outline } from "./preview.js";

const results = document.getElementById("results");
const say = wordsOf(results);
const [classes, refusals, remarks] = ["classes", "refusals", "remarks"].map((key) => JSON.parse(results.dataset[key]));
const main = document.getElementById("main");
const status = document.getElementById("status");
const drop = document.getElementById("drop");
const nameOf = (label) => classes[label] ?? label;

document.getElementById("files").addEventListener("change", (event) => look(event.target.files));
for (const kind of ["dragenter", "dragover"]) drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => { event.preventDefault(); look(event.dataTransfer.files); });

async function look(files) {
  complain(main, null);
  for (const file of files) {
    status.textContent = say("looking", { name: file.name });
    const form = new FormData();
    form.append("picture", file);
    try {
      const found = await ask("/api/v1/pictures", { method: "POST", form });
      results.prepend(await drawn(file, found));
    } catch (error) {
      complain(main, new Error(`${file.name}: ${error.message}`));
    }
  }
  status.textContent = "";
}

async function drawn(file, found) {
  const part = element("section", "card");
  part.append(element("h2", "", file.name));
  const shown = await createImageBitmap(file, { colorSpaceConversion: "none" }).catch(() => null);
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
    outline(lines, found.width, found.height, found.cells, (each) => nameOf(each.label));
    picture.append(canvas, lines);
    part.append(picture);
  } else {
    part.append(element("p", "muted", say("unreadable")));
  }
  if (found.refused) part.append(element("p", "notice", `${say("refused")}: ${refusals[found.refused] ?? found.refused}`));
  part.append(element("p", "", say("found", { number: found.cells.length })));
  const cells = element("ul", "plain cells");
  found.cells.forEach((cell) => cells.append(oneCell(cell, shown, found)));
  part.append(cells);
  return part;
}

function oneCell(cell, shown, found) {
  const item = element("li", "cell");
  const photo = element("div", "photo");
  const [x, y, w, h] = cell.crop ?? cell.box;
  if (shown) {
    const canvas = element("canvas");
    canvas.width = canvas.height = 160;
    const k = shown.width / found.width;
    canvas.getContext("2d").drawImage(shown, x * k, y * k, w * k, h * k, 0, 0, 160, 160);
    canvas.className = "cut";
    photo.append(canvas);
  }
  if (cell.heatmap) {
    const map = element("canvas", "map");
    drawMap(map, cell.heatmap);
    photo.append(map);
    photo.addEventListener("click", () => { map.hidden = !map.hidden; });
  }
  item.append(photo, element("span", "name", `${nameOf(cell.label)} ${number(100 * cell.probability)} %`));
  if (cell.second_label) item.append(element("span", "name muted", `${nameOf(cell.second_label)} ${number(100 * cell.second_probability)} %`));
  const why = [cell.rejected && `${say("not_counted")}: ${remarks[cell.rejected] ?? cell.rejected}`, ...(cell.flags ?? []).map((flag) => remarks[flag] ?? flag)].filter(Boolean);
  why.forEach((words) => item.append(element("span", "name warn", words)));
  return item;
}

function element(kind, className = "", text = "") {
  const made = document.createElement(kind);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}
