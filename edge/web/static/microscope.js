// Focus by the live picture; the model fitted on request, with what comes of it.
import { ask, complain, number, wordsOf } from "./page.js";
import { Preview } from "./preview.js";

const part = document.getElementById("microscope");
const say = wordsOf(part);
new Preview(JSON.parse(part.dataset.refusals), say, {});

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
    complain(adapt, new Error([state.sentence, ...state.remarks].join(" ")));
  }
}

async function look() {
  try {
    show(await ask("/api/v1/adapt"));
  } catch (error) {
    complain(adapt, error);
  }
}

look();
