// A keyboard on the screen, for a display at the device that is touched and has none. It opens where a field is touched,
// and closes when something else is touched, a real key is pressed or the mouse is used.

const LETTERS = ["1234567890", "qwertyuiop", "asdfghjkl-", "⇧zxcvbnm_.⌫", "/, ⏎⌄"];
const DIGITS = ["123⌫", "456⏎", "789⌄", ".0,"];
const TYPED = "input:not([type='radio'], [type='checkbox'], [type='file'], [type='hidden'])";
const words = JSON.parse(document.body.dataset.keys);
const NAMES = { "⇧": "capitals", "⌫": "delete", " ": "space", "⏎": "enter", "⌄": "hide" };

const board = document.createElement("div");
board.id = "keyboard";
board.dir = "ltr"; // as keyboards are
board.role = "group";
board.ariaLabel = words.keyboard;
board.hidden = true;

let field = null; // what is typed into, while the board is open
let before = ""; // what stood in it then
let capitals = false;

function draw() {
  const rows = field.inputMode === "decimal" ? DIGITS : LETTERS;
  board.classList.toggle("digits", rows === DIGITS);
  board.replaceChildren(...rows.map((row) => {
    const line = document.createElement("div");
    line.append(...[...row].map(key));
    return line;
  }));
}

function key(letter) {
  const button = document.createElement("button");
  button.type = "button";
  button.tabIndex = -1; // it types into the field that has the focus
  button.dataset.key = letter;
  button.textContent = letter === " " ? "␣" : capitals ? letter.toUpperCase() : letter;
  if (NAMES[letter]) button.ariaLabel = words[NAMES[letter]];
  if (letter === "⇧") button.ariaPressed = String(capitals);
  return button;
}

function press(letter) {
  if (letter === "⌄") return close();
  if (letter === "⏎") return enter();
  if (letter === "⇧") {
    capitals = !capitals;
    return draw();
  }
  const [start, end] = [field.selectionStart, field.selectionEnd];
  if (letter === "⌫") field.setRangeText("", start === end ? Math.max(0, start - 1) : start, end, "end");
  else if (field.maxLength < 0 || field.value.length - (end - start) < field.maxLength) {
    field.setRangeText(capitals ? letter.toUpperCase() : letter, start, end, "end");
  }
  field.dispatchEvent(new InputEvent("input", { bubbles: true }));
  if (capitals && letter !== "⌫") {
    capitals = false;
    draw();
  }
}

/** As the real key: what the screen does with it, else the form's button is pressed, unless it is disabled. */
function enter() {
  const { form } = field;
  const goesOn = field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
  const { activeElement } = document;
  if (goesOn) {
    close();
    form?.querySelector("button:default")?.click();
  } else if (opens(activeElement)) open(activeElement);
  else close();
}

function open(touched) {
  if (touched === field) return;
  close();
  field = touched;
  before = field.value;
  capitals = false;
  board.hidden = false;
  (field.closest("dialog") ?? document.body).append(board); // what is outside a dialog cannot be touched
  draw();
  document.documentElement.style.setProperty("--keyboard", `${board.offsetHeight}px`);
  field.scrollIntoView({ block: "nearest" });
}

function close() {
  if (!field) return;
  const left = field;
  field = null;
  board.hidden = true;
  document.documentElement.style.removeProperty("--keyboard");
  // A browser says by itself what a real keyboard has changed, but not what a script has.
  if (left.value !== before) left.dispatchEvent(new Event("change", { bubbles: true }));
}

const opens = (element) => element?.matches?.(TYPED) && !element.readOnly && !element.disabled;

let touching = false;
document.body.append(board);
addEventListener("pointerdown", (event) => { touching = event.pointerType === "touch"; }, { capture: true });
// The field keeps the focus, and the selection that is typed over.
board.addEventListener("pointerdown", (event) => event.preventDefault());
board.addEventListener("mousedown", (event) => event.preventDefault());
board.addEventListener("click", (event) => {
  const pressed = event.target.closest("button");
  if (pressed) press(pressed.dataset.key);
});
// Not before the click: what is touched would move away from under the finger when the board goes.
document.addEventListener("click", ({ target }) => {
  if (board.contains(target)) return;
  const touched = target.closest("label")?.control ?? target;
  if (touching && opens(touched)) open(touched);
  else close();
}, { capture: true });
addEventListener("keydown", (event) => { if (event.isTrusted) close(); }, { capture: true });
