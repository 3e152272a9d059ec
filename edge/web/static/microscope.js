// Focus by the live picture; the model fitted on request.
import { wordsOf } from "./page.js";
import { Preview } from "./preview.js";

const part = document.getElementById("microscope");
const say = wordsOf(part);
new Preview(JSON.parse(part.dataset.refusals), say, {});

const adapt = document.getElementById("adapt");
const told = document.getElementById("adapted");
adapt.addEventListener("submit", () => { told.textContent = say("adapting"); });
adapt.addEventListener("done", (event) => { told.textContent = event.detail?.said ?? say("done"); });
new MutationObserver(() => { if (adapt.querySelector(".error").textContent) told.textContent = ""; })
  .observe(adapt.querySelector(".error"), { childList: true });
