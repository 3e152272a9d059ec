// What every screen needs: words, orders sent as JSON, the dark button.

/** A value that keeps its own direction in a sentence from right to left. */
const isolated = (value) => (document.dir === "rtl" ? `\u2068${value}\u2069` : value);

/** The screen's own words, read from an element's data-words. */
export function wordsOf(element) {
  const words = JSON.parse(element.dataset.words);
  return (key, values = {}) =>
    (words[key] ?? key).replace(/%\((\w+)\)s/g, (_, name) => isolated(values[name] ?? "")).replaceAll("%%", "%").replaceAll(" %", "\u00a0%");
}

const say = wordsOf(document.body);
const fields = JSON.parse(document.body.dataset.fields); // what places of forms are called, by their names in the API

/** A number as the page's language writes it, in Latin digits. */
export function number(value, digits = 0) {
  if (value === null || value === undefined) return "–";
  const format = { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false, numberingSystem: "latn" };
  return new Intl.NumberFormat(document.documentElement.lang, format).format(value);
}

/** Whether a cell has a second guess that is worth saying: one of 0 % says nothing. */
export const hasSecondGuess = (cell) => Boolean(cell.second_label) && cell.second_probability >= 0.005;

/** Ask the device. Throws an Error with its sentence; where it answered, with the status and `retryAfterS`. */
export async function ask(path, { method = "GET", body, form } = {}) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: form ?? (body === undefined ? undefined : JSON.stringify(body)), credentials: "same-origin" });
  } catch {
    throw new Error(say("not_reached"));
  }
  const text = await answer.text();
  let found = null;
  try { found = text ? JSON.parse(text) : null; } catch { /* no JSON: the status says it */ }
  if (answer.status === 401 && !path.endsWith("/session")) {
    location.assign("/sign-in?next=" + encodeURIComponent(location.pathname + location.search));
    return new Promise(() => {});
  }
  if (!answer.ok) {
    const said = { status: answer.status, retryAfterS: Number(answer.headers.get("retry-after")) };
    throw Object.assign(new Error(inWords(found?.error ?? `${answer.status} ${answer.statusText}`)), said);
  }
  return found;
}

/** The usual refusals in the page's language, others as the device says them: of a place by its name on the screen. */
function inWords(text) {
  const known = text.split(":")[0];
  const said = say(known);
  if (said !== known) return said;
  const named = fields[known] ? fields[known] + text.slice(known.length) : text;
  return named.replace(" (--reason; over MQTT: reason)", "");
}

/** What a key means: its Latin letter or digit, also with Caps Lock, and on a keyboard of another script. */
export function keyOf({ key, code, shiftKey }) {
  if (key.length !== 1 || shiftKey || /[a-z0-9]/i.test(key)) return key.length === 1 ? key.toLowerCase() : key;
  const found = /^(?:Key|Digit|Numpad)([A-Z0-9])$/.exec(code);
  return found ? found[1].toLowerCase() : key;
}

/** What the device says, as a sentence that stands alone. */
export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** Say an error at its place in a part of the screen. */
export function complain(part, error) {
  const place = part.querySelector(".error");
  if (place) place.textContent = error ? sentence(error.message) : "";
}

/** Say beside a form with `data-done` that its order is done. */
function report(form, words) {
  if (form.dataset.done) form.parentElement.querySelector("[role=status]").textContent = words;
}

const ZEROS = [0x660, 0x6f0, 0x9e6]; // of the digits that keyboards of the page's languages have

/** A number as the device reads it: digits and decimal sign of another script in ASCII, behind it the chosen unit. */
function countOf(typed, unit) {
  const text = typed.trim().replaceAll("\u066b", ".").replace(/\p{Nd}/gu, (digit) => {
    const value = digit.codePointAt(0);
    const zero = ZEROS.find((each) => value >= each && value < each + 10);
    return zero ? String(value - zero) : digit;
  });
  return /[\p{L}/]/u.test(text) ? text : `${text} ${unit}`;
}

function bodyOf(form) {
  const body = {};
  for (const [name, value] of new FormData(form)) if (value !== "") body[name] = value;
  if (form.dataset.revision) body.revision = Number(form.dataset.revision);
  if (body.target) body.target = Number(body.target);
  if (body.total) body.wbc_count = countOf(body.total, body.unit);
  delete body.total;
  delete body.unit;
  return body;
}

// Keyboards of phones leave a space behind what they complete, and nobody sees it.
for (const input of document.querySelectorAll("input[autocapitalize='none']")) {
  input.addEventListener("change", () => { input.value = input.value.trim(); });
}

for (const form of document.querySelectorAll("form[data-post]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.dataset.confirm && !confirm(say("sure"))) return;
    const button = form.querySelector("button");
    button.disabled = true;
    complain(form, null);
    report(form, "");
    try {
      const method = form.dataset.method ?? "POST";
      const answer = await ask(form.dataset.post, { method, body: method === "DELETE" ? undefined : bodyOf(form) });
      if (form.dataset.next) location.assign(form.dataset.next);
      else {
        if (form.dataset.done) { form.reset(); report(form, form.dataset.done); }
        button.disabled = false;
        form.dispatchEvent(new CustomEvent("done", { detail: answer }));
      }
    } catch (error) {
      complain(form, error);
      button.disabled = false;
      form.dispatchEvent(new CustomEvent("refused"));
    }
  });
}

for (const button of document.querySelectorAll("button[data-delete]")) {
  button.addEventListener("click", async () => {
    await ask(button.dataset.delete, { method: "DELETE" }).catch(() => {});
    location.assign(button.dataset.next);
  });
}

const dark = document.getElementById("theme");
const show = () => dark.setAttribute("aria-pressed", String(document.documentElement.dataset.theme === "dark"));
dark.addEventListener("click", () => {
  const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  try { localStorage.setItem("theme", theme); } catch { /* not remembered, then */ }
  show();
});
show();

// The device's own display says at its first address whether it may lack a keyboard.
try {
  if (location.hash === "#touch") sessionStorage.setItem("touch", "yes");
  if (sessionStorage.getItem("touch")) {
    document.documentElement.dataset.touch = "yes";
    import("./keyboard.js");
  }
} catch { /* storage may be off: then there is no keyboard on the screen */ }

document.getElementById("print")?.addEventListener("click", () => print());

// A bar-code reader ends with Enter: it goes on to the next field, and starts nothing by itself.
document.getElementById("specimen_id")?.addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  document.getElementById("total").focus();
});

// What a page asks for by itself keeps no session alive; somebody who touches it or types does.
let used = 0;
for (const kind of ["pointerdown", "keydown", "wheel", "touchmove"]) {
  addEventListener(kind, () => {
    if (Date.now() - used < 60_000) return;
    used = Date.now();
    fetch("/api/v1/session", { credentials: "same-origin" }).catch(() => {});
  }, { passive: true, capture: true });
}
