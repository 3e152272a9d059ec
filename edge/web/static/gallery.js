// Every cell of a specimen: by class, doubtful first; named by tap or key. Orders go to the device, and only
// what it has done is shown.
import { ask, complain, hasSecondGuess, keyOf, number, wordsOf } from "./page.js";

const part = document.getElementById("gallery");
const say = wordsOf(part);
const specimen = part.dataset.specimen;
const path = `/api/v1/specimens/${encodeURIComponent(specimen)}`;
const [labels, classes, remarks] = ["labels", "classes", "remarks"].map((key) => JSON.parse(part.dataset[key]));
const at = (id) => document.getElementById(id);
const nameOf = (label) => classes[label] ?? label;
const operator = at("operator");
const cells = new Map();
const tiles = new Map();
const sizes = new Map(); // of the groups, as their headings say them
const selected = new Set();
let clicked = null; // the one cell that a plain click has chosen: for as long as the focus stays on it
const done = []; // the orders given here, the newest last, to be undone: of each its cells, with the word on each
let signed = part.dataset.signed === "1"; // once, perhaps before it was changed
let why = null; // it is changed: said here once after each signature, and kept with each change
let focused = null;
let onlyDoubtful = new URLSearchParams(location.search).get("show") === "doubtful";
let dropped = false; // its cells are kept no longer
let maps = false;
let busy = false;

const OTHERS = ["not_counted", "excluded", "cut", "seen"];
const NOT_WHITE = "not a white cell";
const looked = (cell) => Boolean(cell.reviewed_by);
const percent = (share) => number(100 * share);

async function load() {
  let after = 0;
  while (after !== null) {
    const page = await ask(`${path}/cells?after=${after}&limit=500`);
    page.cells.forEach((cell) => cells.set(cell.cell_id, cell));
    after = page.next ?? null;
  }
  // A store that fills up drops the oldest fields: their cells are counted still, but can be shown no longer.
  if (!cells.size) {
    const { summary } = await ask(path);
    dropped = summary.cells > 0 || summary.doubtful > 0;
  }
}

/** The groups as they are shown: what the model would not name, each class that has cells, then the rest. */
function groups() {
  const order = ["not_counted", ...labels, "excluded", "cut", "seen"];
  const found = new Map();
  for (const cell of cells.values()) {
    if (onlyDoubtful && !cell.doubtful) continue;
    const key = cell.seen_before ? "seen" : cell.excluded ? "excluded" : cell.cut_by_edge ? "cut" : cell.counted ? cell.label : "not_counted";
    if (!found.has(key)) found.set(key, []);
    found.get(key).push(cell);
  }
  return [...found].sort(([a], [b]) => order.indexOf(a) - order.indexOf(b));
}

function draw() {
  tiles.clear();
  sizes.clear();
  const parts = groups().map(([key, members]) => {
    members.sort((a, b) => Number(b.doubtful) - Number(a.doubtful) || a.probability - b.probability);
    const section = element("section", "group");
    const title = OTHERS.includes(key) ? say(key) : nameOf(key);
    const head = element("h2", "", `${title} `);
    const size = element("span", "muted", String(members.length));
    sizes.set(key, size);
    head.append(size);
    const list = element("div", "cells");
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-multiselectable", "true");
    list.setAttribute("aria-label", title);
    list.append(...members.map(tileOf));
    section.append(head, list);
    return section;
  });
  at("groups").replaceChildren(...(parts.length ? parts : [element("p", "", say(dropped ? "dropped" : "no_cells"))]));
  at("groups").setAttribute("aria-busy", "false");
  for (const id of [...selected]) if (!tiles.has(id)) selected.delete(id);
  if (!tiles.has(focused)) focused = tiles.keys().next().value ?? null;
  tiles.get(focused)?.setAttribute("tabindex", "0");
  for (const button of part.querySelectorAll("[data-show]")) button.setAttribute("aria-pressed", String((button.dataset.show === "doubtful") === onlyDoubtful));
  count();
  showLarge();
}

function tileOf(cell) {
  const tile = element("div", "cell");
  tile.dataset.cell = cell.cell_id;
  tile.setAttribute("role", "option");
  tile.tabIndex = -1;
  const photo = element("div", "photo");
  const picture = element("img");
  picture.alt = "";
  picture.loading = "lazy";
  picture.decoding = "async";
  picture.width = picture.height = 160;
  if (cell.picture) picture.src = `/api/v1/cells/${encodeURIComponent(cell.cell_id)}/picture.jpg`;
  photo.append(picture);
  tile.append(photo, element("span", "name"), element("span", "name muted second"), element("span", "unseen"));
  tiles.set(cell.cell_id, tile);
  fill(tile, cell);
  return tile;
}

/** Write what is known of a cell on its tile. */
function fill(tile, cell) {
  const [name, second] = tile.querySelectorAll(".name");
  const own = cell.excluded ? say("excluded") : nameOf(cell.label);
  const share = (label, probability) => `${nameOf(label)} ${percent(probability)}\u00a0%`;
  name.textContent = looked(cell) ? `✓ ${own}` : share(cell.label, cell.probability);
  name.classList.toggle("person", looked(cell));
  second.textContent = looked(cell) ? share(cell.model_label, cell.probability) : hasSecondGuess(cell) ? share(cell.second_label, cell.second_probability) : "";
  second.classList.toggle("crossed", looked(cell) && cell.model_label !== cell.person_label);
  tile.classList.toggle("doubtful", cell.doubtful);
  tile.classList.toggle("excluded", cell.excluded);
  const chosen = selected.has(cell.cell_id);
  tile.setAttribute("aria-selected", String(chosen));
  const words = [cell.doubtful && say("doubtful"), looked(cell) && say("looked_at"), !cell.counted && say("not_counted")];
  tile.querySelector(".unseen").textContent = words.filter(Boolean).join(", ");
}

function count() {
  const left = [...cells.values()].filter((cell) => cell.doubtful).length;
  at("left").textContent = say("left", { number: left });
  at("selected").textContent = selected.size ? say("selected", { number: selected.size }) : "";
}

/** Say how many cells each group has by now; a tile stays where it is until the groups are drawn again. */
function recount() {
  const now = new Map(groups());
  for (const [key, size] of sizes) size.textContent = String(now.get(key)?.length ?? 0);
}

function focusOn(id, { scroll = true } = {}) {
  tiles.get(focused)?.setAttribute("tabindex", "-1");
  if (clicked && clicked !== id) { unselect(); count(); } // an order is for the cell that is seen large
  focused = id;
  const tile = tiles.get(id);
  if (!tile) return;
  tile.tabIndex = 0;
  tile.focus({ preventScroll: !scroll });
  if (scroll) tile.scrollIntoView({ block: "nearest" });
  showLarge();
}

function unselect() {
  selected.forEach((id) => tiles.get(id)?.setAttribute("aria-selected", "false"));
  selected.clear();
  clicked = null;
}

function choose(id, add) {
  if (!add) unselect();
  if (add && selected.has(id)) selected.delete(id); else selected.add(id);
  clicked = add ? null : id;
  tiles.get(id)?.setAttribute("aria-selected", String(selected.has(id)));
  count();
}

/** The cell in the focus, large: its scale, map, words, and place. */
function showLarge() {
  const cell = cells.get(focused);
  for (const each of part.querySelectorAll(".large, .more")) each.hidden = !cell;
  if (!cell) return;
  const picture = at("large-picture");
  if (cell.picture) picture.src = `/api/v1/cells/${encodeURIComponent(cell.cell_id)}/picture.jpg`; else picture.removeAttribute("src");
  at("large-name").textContent = cell.excluded ? say("excluded") : nameOf(cell.label);
  const words = [say("model", { name: nameOf(cell.model_label), percent: percent(cell.probability) })];
  if (hasSecondGuess(cell)) words.push(say("second", { name: nameOf(cell.second_label), percent: percent(cell.second_probability) }));
  if (looked(cell)) words.push(say("person", { who: cell.reviewed_by, name: cell.excluded ? say("excluded") : nameOf(cell.label) }));
  at("large-words").replaceChildren(...words.map((text) => element("p", "", text)));
  words.length = 0;
  if (!cell.counted && cell.aside && !cell.cut_by_edge) words.push(`${say("not_counted")}: ${remarks[cell.aside] ?? cell.aside}`);
  if (cell.cut_by_edge) words.push(say("cut"));
  if (cell.seen_before) words.push(say("seen"));
  (cell.flags ?? []).forEach((flag) => words.push(remarks[flag] ?? flag));
  if (!cell.picture) words.push(say("no_picture"));
  at("more-words").replaceChildren(...words.map((text) => element("p", "", text)));
  scaleBar(cell);
  place(cell);
  showMap(cell);
}

function scaleBar(cell) {
  const side = cell.micrometres_per_pixel && cell.window ? cell.window[2] * cell.micrometres_per_pixel : 0;
  for (const id of ["bar", "bar-words"]) at(id).hidden = !side;
  if (!side) return;
  at("bar").style.width = `${Math.min(88, (100 * 20) / side)}%`;
  at("bar-words").textContent = say("bar");
}

const detail = (id) => ask(`/api/v1/cells/${encodeURIComponent(id)}`);

async function place(cell) {
  cell.field ??= await detail(cell.cell_id).then((found) => [found.field_width, found.field_height]).catch(() => null);
  if (!cell.field || focused !== cell.cell_id) return;
  const [width, height] = cell.field;
  const [x, y, w, h] = cell.box;
  const frame = at("place");
  frame.setAttribute("viewBox", `0 0 ${width} ${height}`);
  frame.style.aspectRatio = `${width} / ${height}`;
  const box = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  for (const [key, value] of Object.entries({ x, y, width: w, height: h })) box.setAttribute(key, value);
  frame.replaceChildren(box);
}

/** Lay the map over the large picture, and over a tile while it is hovered. */
function showMap(cell, tile) {
  const holder = tile?.querySelector(".photo") ?? at("large").querySelector(".photo");
  holder.querySelector(".map")?.remove();
  if (!tile && !maps) return;
  const map = element("img", "map");
  map.alt = "";
  map.onerror = () => map.remove();
  map.src = `/api/v1/cells/${encodeURIComponent(cell.cell_id)}/map.png`;
  holder.append(map);
}

function toggleMaps() {
  maps = !maps;
  at("maps").setAttribute("aria-pressed", String(maps));
  const cell = cells.get(focused);
  if (cell) showMap(cell);
}

/** The word on a cell that holds, so that it can be told from every other; null where there is none. */
const wordOn = (cell) => (looked(cell) ? `${cell.reviewed_at} ${cell.reviewed_by}` : null);
const me = () => operator?.value ?? part.dataset.person;

async function act(action, label) {
  if (busy) return;
  complain(part, null);
  if (operator) operator.value = operator.value.trim();
  if (operator && (!operator.value || !operator.checkValidity())) {
    // Nobody has a PIN here: who says it is what they type.
    complain(part, new Error(say(operator.value ? "code" : "who")));
    operator.focus();
    return;
  }
  busy = true;
  try {
    if (action === "undo") await undo([...selected]);
    else await name(selected.size ? [...selected] : [focused].filter(Boolean), action, label);
  } catch (error) {
    complain(part, error);
  } finally {
    busy = false;
  }
}

async function name(ids, action, label) {
  // "Right" is said of the names on the screen: the device refuses it where somebody has given another one meanwhile.
  const shown = action === "confirm" ? ids.map((id) => (cells.get(id).excluded ? NOT_WHITE : cells.get(id).label)) : undefined;
  try {
    if (!ids.length || !(await order(() => ({ cell_ids: ids, action, label, shown })))) return;
  } catch (error) {
    if (error.status === 409) await readAgain(ids).then(showLarge).then(recount);
    throw error;
  }
  await readAgain(ids);
  // Who was quicker than this reading has the word now, and it is not to be taken back from here.
  done.push(new Map(ids.filter((id) => cells.get(id).reviewed_by === me()).map((id) => [id, wordOn(cells.get(id))])));
  finish(ids.length === 1 ? neighbour(ids[0], 1) : null);
}

/** Take back the words on the chosen cells; where none is chosen, the last that were given here and still hold. */
async function undo(chosen) {
  let words;
  const ordered = await order(async () => {
    // The revision before the words: the device refuses the order if somebody changes one of them from here on.
    const now = await ask(path);
    signed = now.was_signed;
    words = chosen.length ? await wordsOfChosen(chosen) : await lastGiven();
    return words && { cell_ids: [...words.keys()], action: "undo", revision: now.revision };
  });
  if (!ordered) return;
  for (const given of done) for (const [id, word] of words) if (given.get(id) === word) given.delete(id);
  await readAgain([...words.keys()]);
  finish(null);
}

/** The words on these cells; null where there is none, or where it is somebody else's and is to stay. */
async function wordsOfChosen(ids) {
  await readAgain(ids);
  const words = new Map(ids.filter((id) => looked(cells.get(id))).map((id) => [id, wordOn(cells.get(id))]));
  const others = new Set([...words.keys()].map((id) => cells.get(id).reviewed_by).filter((who) => who !== me()));
  if (!words.size) at("selected").textContent = say("nothing_to_undo");
  return words.size && (!others.size || confirm(say("others", { who: [...others].join(", ") }))) ? words : null;
}

/** The last words that were given here and that nobody has taken back or named over since; null where there are none. */
async function lastGiven() {
  for (; done.length; done.pop()) {
    const given = done.at(-1);
    await readAgain([...given.keys()]);
    const holding = [...given].filter(([id, word]) => wordOn(cells.get(id)) === word);
    if (holding.length) return new Map(holding);
  }
  at("selected").textContent = say("nothing_to_undo");
  return null;
}

/** Ask why a signed specimen is changed; null where nobody says. No `prompt`: the keyboard on the screen cannot type there. */
async function askWhy() {
  const [dialog, reason] = [at("why"), at("reason")];
  dialog.returnValue = reason.value = "";
  dialog.showModal();
  await new Promise((closed) => dialog.addEventListener("close", closed, { once: true }));
  return dialog.returnValue ? reason.value.trim() : null;
}

/** Send the order that `make` makes, with a reason where one is needed; false where there is none to send. */
async function order(make) {
  let reason;
  for (let left = 2; ; left--) {
    const body = await make();
    if (!body) return false;
    if (signed && !reason) {
      if (why) {
        const now = await ask(path);
        if (now.signature) why = null;
        body.revision ??= now.revision; // who signs meanwhile is not overruled with a reason of before
      }
      reason = why ?? (await askWhy());
      if (!reason) return false;
    }
    try {
      await ask(`${path}/review`, { method: "POST", body: { ...body, operator: operator?.value, reason: reason || undefined } });
      why = reason;
      return true;
    } catch (error) {
      if (error.status !== 409) throw error;
      // Perhaps somebody has signed or changed the specimen meanwhile: then it is made and sent again.
      const now = await ask(path);
      const moved = body.revision !== undefined && body.revision !== now.revision;
      signed = now.was_signed;
      if (!left || !(moved || (signed && !reason))) throw error;
      if (reason === why) reason = undefined; // perhaps it was said of a signature before
    }
  }
}

/** Ask how cells stand now. A few are asked for one by one; of many the whole list is quicker. */
async function readAgain(ids) {
  if (ids.length > 4) await load();
  else for (const { record } of await Promise.all(ids.map(detail))) cells.set(record.cell_id, { ...cells.get(record.cell_id), ...record });
  for (const id of ids) if (tiles.has(id)) fill(tiles.get(id), cells.get(id));
}

function finish(next) {
  unselect();
  count();
  recount();
  if (next) focusOn(next); else showLarge();
  at("selected").textContent = say("done");
}

function neighbour(id, step) {
  const order = [...tiles.keys()];
  return order[order.indexOf(id) + step] ?? null;
}

/** The tile above or below: the nearest across in the next row, also of the next group. */
function vertical(step) {
  const here = tiles.get(focused).getBoundingClientRect();
  let best = null;
  for (const [id, tile] of tiles) {
    const there = tile.getBoundingClientRect();
    const down = step * (there.top - here.top);
    if (down <= here.height / 2) continue;
    const cost = down * 10 + Math.abs(there.left - here.left);
    if (best === null || cost < best.cost) best = { id, cost };
  }
  return best?.id ?? null;
}

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, summary")) return;
  const forward = document.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
  const back = document.dir === "rtl" ? "ArrowRight" : "ArrowLeft";
  const inGrid = Boolean(event.target.closest(".cell")) || event.target === document.body;
  const letter = keyOf(event);
  let to;
  if (event.key === forward && inGrid) to = neighbour(focused, 1);
  else if (event.key === back && inGrid) to = neighbour(focused, -1);
  else if (event.key === "ArrowDown" && inGrid && focused) to = vertical(1);
  else if (event.key === "ArrowUp" && inGrid && focused) to = vertical(-1);
  else if (event.key === "Home" && inGrid) to = tiles.keys().next().value;
  else if (event.key === "End" && inGrid) to = [...tiles.keys()].at(-1);
  else if (event.key === " " && event.target.closest(".cell")) choose(focused, true);
  else if (event.key === "Enter" && event.target.closest(".cell")) act("confirm");
  else if (/^[1-9]$/.test(letter) && labels[letter - 1]) act("relabel", labels[letter - 1]);
  else if (letter === "x") act("exclude");
  else if (letter === "u") act("undo");
  else if (letter === "c") act("confirm");
  else if (letter === "m") toggleMaps();
  else return;
  event.preventDefault();
  if (to) focusOn(to);
}

part.addEventListener("keydown", key);
const adds = (event) => event.ctrlKey || event.metaKey || at("several").getAttribute("aria-pressed") === "true";
// Before the press moves the focus: a cell that was clicked plainly is the first of several from here on.
at("groups").addEventListener("pointerdown", (event) => { if (adds(event)) clicked = null; });
at("groups").addEventListener("click", (event) => {
  const tile = event.target.closest(".cell");
  if (!tile) return;
  choose(tile.dataset.cell, adds(event));
  focusOn(tile.dataset.cell, { scroll: false });
});
at("groups").addEventListener("focusin", (event) => {
  const tile = event.target.closest(".cell");
  if (tile && tile.dataset.cell !== focused) focusOn(tile.dataset.cell, { scroll: false });
});
at("groups").addEventListener("pointerover", (event) => {
  const tile = event.target.closest(".cell");
  if (tile && event.pointerType === "mouse" && !tile.querySelector(".map")) showMap(cells.get(tile.dataset.cell), tile);
});
at("groups").addEventListener("pointerout", (event) => {
  const tile = event.target.closest(".cell");
  if (tile && !tile.contains(event.relatedTarget)) tile.querySelector(".map")?.remove();
});
at("large").querySelector(".photo").addEventListener("click", toggleMaps);
at("maps").addEventListener("click", toggleMaps);
at("several").addEventListener("click", () => {
  const on = at("several").getAttribute("aria-pressed") !== "true";
  at("several").setAttribute("aria-pressed", String(on));
});
for (const button of part.querySelectorAll("[data-show]")) button.addEventListener("click", () => { onlyDoubtful = button.dataset.show === "doubtful"; draw(); });
for (const button of part.querySelectorAll("[data-act]")) button.addEventListener("click", () => act(button.dataset.act, button.dataset.label));

function element(kind, className = "", text = "") {
  const made = document.createElement(kind);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

await load().catch((error) => complain(part, error));
draw();
