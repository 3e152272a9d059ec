// The picture as the microscope shows it, what was found in it, and the count as it grows.
import { ask, complain, number, sentence, wordsOf } from "./page.js";
import { Preview } from "./preview.js";

const part = document.getElementById("live");
const say = wordsOf(part);
const classes = JSON.parse(part.dataset.classes);
const refusals = JSON.parse(part.dataset.refusals);
const at = (id) => document.getElementById(id);
const byCommand = part.dataset.byCommand === "1";
let specimen = null;
let closed = null; // what was counted until now: its last word is still to be asked for
let told = null; // of which specimen it was said that enough is counted
let audio = null;

new Preview(refusals, say, classes, (state) => show(state));

function show(state) {
  at("simulated").hidden = !state.simulated;
  at("disk").hidden = !state.disk_nearly_full;
  const open = state.specimen_id ?? null;
  if (open !== specimen) {
    // The counter may close it with the very field that is enough: nobody has heard of that yet.
    closed = open ? null : specimen;
    specimen = open;
    if (open) tell("");
  }
  at("specimen").textContent = specimen ?? "";
  if (byCommand) {
    at("stop").hidden = !specimen;
    at("to-start").hidden = Boolean(specimen);
  }
  if (specimen) {
    at("review").hidden = false;
    at("review").href = `/specimens/${encodeURIComponent(specimen)}`;
    at("counted").textContent = say("of", { counted: state.counted, target: state.target });
    at("progress").max = state.target || 1;
    at("progress").value = state.counted;
  } else {
    at("counted").textContent = say("none_open");
  }
}

async function refresh() {
  const id = specimen ?? closed;
  if (!id) { miss(""); return; }
  let found;
  try {
    found = await ask(`/api/v1/specimens/${encodeURIComponent(id)}`);
  } catch (error) {
    if (id === closed && error.status === 404) closed = null; // it has another number by now
    else miss(error.message);
    return;
  }
  miss("");
  if (id !== (specimen ?? closed)) return; // another one has been started while this was asked
  at("differential").replaceChildren(...found.classes.map(row));
  if (specimen) at("counted").textContent = say("of", { counted: found.counted, target: found.target });
  at("progress").max = found.target || 1;
  at("progress").value = found.counted;
  at("simulated").hidden = !found.simulated;
  if (found.summary.state === "open") {
    if (found.stop_reason) tell(say("enough"), id);
    return;
  }
  closed = null;
  const enough = found.stop_reason || found.counted >= found.target;
  tell(enough && !found.discarded ? say("ended", { id: `\u2068${id}\u2069` }) : "", id);
}

/** What is said of enough cells; nothing hides it. It chimes once for each specimen. */
function tell(words, id) {
  const notice = at("enough");
  if (notice.textContent !== words) notice.textContent = words;
  notice.hidden = !words;
  if (!words || told === id) return;
  told = id;
  if (at("sound").getAttribute("aria-pressed") === "true") chime();
}

/** That the count could not be asked for: apart from what is said of orders, and gone with the next answer. */
function miss(words) {
  const said = sentence(words);
  if (at("missed").textContent !== said) at("missed").textContent = said;
}

// One at a time: a busy device would otherwise be asked faster than it answers, and Stop would wait behind.
async function keepFresh() {
  await refresh();
  setTimeout(keepFresh, 1000);
}
keepFresh();

function row(each) {
  const line = document.createElement("tr");
  const name = document.createElement("th");
  name.scope = "row";
  name.textContent = classes[each.label] ?? each.label;
  const interval = each.percent === null ? "–" : `\u2066${number(each.low, 1)}–${number(each.high, 1)}\u2069`;
  const cells = [each.count, number(each.percent, 1), interval].map((text) => {
    const cell = document.createElement("td");
    cell.className = "number";
    cell.textContent = text;
    return cell;
  });
  line.append(name, ...cells);
  return line;
}

at("stop").addEventListener("click", async () => {
  const id = specimen;
  complain(part, null);
  at("stop").disabled = true;
  try {
    await ask(`/api/v1/specimens/${encodeURIComponent(id)}/stop`, { method: "POST", body: {} });
    location.assign(`/specimens/${encodeURIComponent(id)}`);
  } catch (error) {
    if (error.status) complain(part, error);
    else miss(error.message); // gone as soon as the device answers again
  } finally {
    at("stop").disabled = false;
  }
});

// A browser lets a page sound only after a press: this one, with a first chime to hear how loud it is.
at("sound").addEventListener("click", () => {
  const on = at("sound").getAttribute("aria-pressed") !== "true";
  at("sound").setAttribute("aria-pressed", String(on));
  if (on) { audio ??= new AudioContext(); chime(); }
});

function chime() {
  if (!audio) return;
  [660, 880].forEach((pitch, i) => {
    const tone = audio.createOscillator();
    const loudness = audio.createGain();
    const from = audio.currentTime + 0.25 * i;
    tone.frequency.value = pitch;
    loudness.gain.setValueAtTime(0.25, from);
    loudness.gain.exponentialRampToValueAtTime(0.001, from + 0.4);
    tone.connect(loudness).connect(audio.destination);
    tone.start(from);
    tone.stop(from + 0.4);
  });
}
