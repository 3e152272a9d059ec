// Focus by the live picture; the model fitted on request, with what comes of it.
import { ask, complain, number, wordsOf } from "./page.js";
import { Preview } from "./preview.js";

const part = document.getElementById("microscope");
const say = wordsOf(part);
const at = (id) => document.getElementById(id);
const preview = new Preview(JSON.parse(part.dataset.refusals), say, {}, (state) => {
  if (typeof state.focus !== "number") return;
  at("figure").textContent = say("figure", { now: number(state.focus, 2), best: number(Math.max(preview.best, state.focus), 2) });
});

if (at("measure")) calibrating();

/** The light measured by the counter, shown, and then used or discarded. */
function calibrating() {
  const measure = at("measure");
  const press = measure.querySelector("button");
  const may = !press.disabled;
  const tell = (words) => { if (at("measuring").textContent !== words) at("measuring").textContent = words; };
  const date = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short", numberingSystem: "latn" });
  const when = (text) => date.format(new Date(text));

  let beat = 0;
  let others = false;
  const wait = (is) => {
    clearInterval(beat);
    tell(is ? say("measuring") : "");
    if (is) beat = setInterval(() => { preview.heard = Date.now(); }, 1000); // the counter is not silent: it measures
  };
  measure.addEventListener("submit", () => { at("measured").hidden = true; wait(true); });
  measure.addEventListener("refused", () => wait(false));
  measure.addEventListener("done", (event) => {
    wait(false);
    show(event.detail);
    at("measured").querySelector("h3").focus(); // so that who does not see it hears that it is there
  });
  for (const [id, words] of [["use", "used"], ["discard", "discarded"]]) {
    at(id)?.addEventListener("done", () => {
      at("measured").hidden = true;
      tell(say(words));
      press.focus();
      if (id === "use") look();
    });
  }

  function show(state) {
    const found = state.measured;
    at("measured").hidden = state.state !== "measured";
    if (state.state === "measuring") { // somebody else has pressed the button
      others = press.disabled = true;
      wait(true);
      setTimeout(look, 1000);
    } else if (others) {
      others = false;
      press.disabled = !may;
      wait(false);
    }
    if (state.state !== "measured") return;
    for (const [id, name] of [["before", "before"], ["after", "after"]]) at(id).src = `/api/v1/calibration/${name}.jpg?${found.calibration_id}`;
    const [before, after] = [found.least_light, found.least_light_after].map((share) => (share === null ? null : number(100 * share)));
    at("light").textContent = say(after === null ? "light" : "evened", { before, after });
    const [red, green, blue] = found.brightness.map((level) => number(level));
    at("colour").textContent = say("colour", { red, green, blue });
    at("dust").textContent = found.specks ? say("dust", { number: found.specks }) : say("no_dust");
    at("exposure").textContent = found.exposure_us === null ? say("no_exposure") : say("exposure", { number: number(found.exposure_us / 1000, 1) });
    at("made").textContent = when(found.made_at);
    for (const input of part.querySelectorAll("[name=calibration_id]")) input.value = found.calibration_id;
  }

  async function look() {
    try {
      const found = await ask("/api/v1/calibration");
      if (found.in_use_since) at("in-use").textContent = say("in_use", { time: when(found.in_use_since) });
      show(found.measurement);
    } catch (error) {
      complain(measure, error);
    }
  }

  look();
}

const adapt = document.getElementById("adapt");
const told = document.getElementById("adapted");
const button = adapt.querySelector("button");
const allowed = !button.disabled;
// The answer comes when it is done, after minutes; how far it is, is asked meanwhile.
adapt.addEventListener("submit", () => setTimeout(look, 1000));
adapt.addEventListener("done", (event) => show(event.detail.state));

/** Say how far it has come, and look again as long as it goes on. */
function show(state) {
  const running = state.state === "running";
  button.disabled = running || !allowed;
  if (running) {
    told.textContent = `${say("adapting")} ${state.total ? `${number((100 * state.done) / state.total)}\u00a0%` : ""}`;
    setTimeout(look, 2000);
  } else if (state.state === "done") {
    told.textContent = say("better", { before: number(100 * state.before), after: number(100 * state.after) });
  } else if (state.state === "refused") {
    told.textContent = "";
    complain(adapt, new Error(state.sentence));
  }
  at("remarks").hidden = running || !state.remarks.length;
  at("remarks").replaceChildren(...state.remarks.map((each) => {
    const line = document.createElement("li");
    line.textContent = each.said;
    return line;
  }));
}

async function look() {
  try {
    show(await ask("/api/v1/adapt"));
  } catch (error) {
    complain(adapt, error);
  }
}

look();
