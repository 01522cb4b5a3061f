// The classes to choose from: a button and a key for each, and where they are many, a field that narrows them down.

export const NONE = -1;
const FEW = 12; // up to so many, all are seen at once
const LETTERS = "abcdefghijklmopqrstuvwxy"; // without n (none of the above) and z (undo)

const $ = (id) => document.getElementById(id);

// The key of each class: its own name where all names are single characters, else digits, then letters; none where the
// keys do not suffice.
export function keysFor(classes) {
  const own = classes.map((name) => name.toLowerCase());
  if (own.every((name) => [...name].length === 1 && name.trim()) && new Set(own).size === own.length) return own;
  const keys = "123456789" + (classes.length > 9 ? LETTERS : "");
  return classes.map((_, i) => (classes.length <= keys.length ? keys[i] : null));
}

// A text without case and accents, to be searched.
export function plain(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}

export class Choices {
  // `choose(answer)` is called with the number of a class, or NONE.
  constructor(choose, undo) {
    this.choose = choose;
    this.undo = undo;
    this.names = [];
    this.buttons = [];
    this.query = $("query");
    this.query.addEventListener("input", () => this.#narrow());
    this.query.addEventListener("keydown", (event) => this.#typed(event));
    $("none").addEventListener("click", (event) => choose(NONE, event));
  }

  get searched() {
    return !$("find").hidden;
  }

  // Where there are no keys for classes, typing searches from the start, except where that would raise a keyboard on
  // the screen.
  focus() {
    if (this.searchFirst && matchMedia("(pointer: fine)").matches) this.query.focus();
  }

  name(answer) {
    return answer === NONE ? "None of the above" : this.names[answer];
  }

  show(names) {
    if (JSON.stringify(names) === JSON.stringify(this.names)) return;
    this.names = names;
    const keys = keysFor(names);
    const taken = new Set(keys);
    this.keys = new Map(keys.flatMap((key, i) => (key === null ? [] : [[key, i]])));
    this.noneKey = taken.has("n") ? "-" : "n";
    this.undoKey = taken.has("z") ? null : "z";
    this.keys.set(this.noneKey, NONE);
    this.buttons = names.map((name, i) => button(name, keys[i], (event) => this.choose(i, event)));
    $("classes").replaceChildren(...this.buttons);
    $("classes").classList.toggle("short", names.every((name) => name.length <= 3));
    $("find").hidden = names.length <= FEW;
    this.searchFirst = keys[0] === null;
    label($("none"), "None of the above", this.searchFirst ? null : this.noneKey);
    label($("undo"), "Undo", this.undoKey && !this.searchFirst ? this.undoKey : "⌫");
  }

  // Mark what was said of an image before, or nothing (null).
  mark(answer) {
    this.buttons.forEach((each, i) => each.classList.toggle("said", i === answer));
    $("none").classList.toggle("said", answer === NONE);
    $("before").textContent = answer === null ? "" : `You had said: ${this.name(answer)}`;
  }

  // All classes again, for the next image.
  reset() {
    if (!this.query.value) return;
    this.query.value = "";
    this.#narrow();
  }

  #narrow() {
    const words = plain(this.query.value).split(/\s+/).filter(Boolean);
    const found = [];
    this.buttons.forEach((each, i) => {
      const name = plain(this.names[i]);
      each.hidden = !words.every((word) => name.includes(word));
      if (!each.hidden) found.push(each);
    });
    const first = found.findIndex((each) => plain(each.dataset.name).startsWith(words.join(" ")));
    this.#point(words.length ? found[Math.max(first, 0)] : null);
    $("nothing").hidden = found.length > 0;
    const match = found.length === 1 ? "1 class" : `${found.length} classes`;
    const enter = this.pointed ? `; Enter takes ${this.pointed.dataset.name}` : "";
    if (words.length) $("said").textContent = match + enter;
  }

  #point(to) {
    this.pointed = to ?? null;
    for (const each of this.buttons) each.classList.toggle("pointed", each === to);
    to?.scrollIntoView({ block: "nearest" });
  }

  #typed(event) {
    if (event.isComposing) return;
    if (event.key === "Enter") {
      event.preventDefault();
      if (event.repeat) return;
      if (this.pointed) this.choose(this.buttons.indexOf(this.pointed), event);
      else if (this.query.value && "none of the above".startsWith(plain(this.query.value))) this.choose(NONE, event);
    } else if (event.key === "Escape") {
      if (this.query.value) this.reset();
      else this.query.blur();
      event.preventDefault();
    } else if (event.key === "Backspace" && !this.query.value && !event.repeat) {
      event.preventDefault();
      this.undo();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const seen = this.buttons.filter((each) => !each.hidden);
      const at = seen.indexOf(this.pointed);
      const to = event.key === "ArrowDown" ? at + 1 : at < 0 ? seen.length - 1 : at - 1;
      this.#point(seen[(to + seen.length) % seen.length]);
      if (this.pointed) $("said").textContent = `Enter takes ${this.pointed.dataset.name}`;
    }
  }
}

function button(name, key, choose) {
  const made = document.createElement("button");
  made.type = "button";
  made.dataset.name = name;
  label(made, name, key);
  made.addEventListener("click", choose);
  return made;
}

// A button's text, and the key that does the same where it is shown.
function label(made, text, key) {
  const words = document.createElement("span");
  words.textContent = text;
  made.replaceChildren(words);
  if (!key) return;
  made.setAttribute("aria-keyshortcuts", key === "⌫" ? "Backspace" : key.toUpperCase());
  if (key === text.toLowerCase()) return; // the name says it
  const hint = document.createElement("kbd");
  hint.textContent = key.toUpperCase();
  hint.setAttribute("aria-hidden", "true");
  made.append(hint);
}
