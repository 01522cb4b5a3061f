// A whole group of images at once: an answer goes to every image that is chosen.

import { fit, seen } from "./images.js";

const TILE = matchMedia("(min-width: 30rem)").matches ? 112 : 80; // CSS pixels
const HINT = "An answer goes to every chosen image. Leave odd ones out by a click, and answer them after.";
const NOTHING = "Choose the images first that the answer is for.";
const $ = (id) => document.getElementById(id);

export class Groups {
  #groups = [];
  #at = 0;
  #chosen = new Set();
  #past = [];

  constructor(images, choices, send) {
    this.images = images;
    this.choices = choices;
    this.send = send;
    $("group-before").addEventListener("click", () => this.#go(this.#at - 1));
    $("group-after").addEventListener("click", () => this.#go(this.#at + 1));
    $("group-all").addEventListener("click", () => this.#choose(this.#group.map((image) => image.id)));
    $("group-none").addEventListener("click", () => this.#choose([]));
    $("tiles").addEventListener("keydown", (event) => this.#moved(event));
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get ready() {
    return this.#group.length > 0 && this.#group.every((image) => seen(this.images.of(image)));
  }

  get #group() {
    return this.#groups[this.#at] ?? [];
  }

  // The groups as the server knows them; where there are none, single images are to be labelled.
  open(groups) {
    this.#groups = groups;
    this.#past = [];
    this.#go(Math.max(0, groups.findIndex(unfinished)));
  }

  vote(answer) {
    const ids = [...this.#chosen];
    if (!ids.length) {
      $("group-hint").textContent = NOTHING;
      return NOTHING;
    }
    const fresh = this.#group.filter((image) => this.#chosen.has(image.id) && image.answer === null).length;
    for (const image of this.#group) if (this.#chosen.has(image.id)) image.answer = answer;
    this.#past.push({ at: this.#at, ids });
    this.send("/api/vote", { images: ids, answer, way: "group" }, fresh);
    this.#go(this.#next());
    return `${this.choices.name(answer)}. ${$("group-which").textContent}.`;
  }

  // The group to be shown next: this one until it is finished, then the next one that is not.
  #next() {
    const order = this.#groups.map((_, i) => (this.#at + i) % this.#groups.length);
    return order.find((i) => unfinished(this.#groups[i])) ?? this.#at;
  }

  undo() {
    const { at, ids } = this.#past.pop();
    for (const image of this.#groups[at]) if (ids.includes(image.id)) image.answer = null;
    this.#go(at);
    this.#choose(ids);
    this.send("/api/undo", { images: ids }, -ids.length);
    return `Taken back from ${ids.length === 1 ? "1 image" : `${ids.length} images`}.`;
  }

  // Show a group, with all images chosen that have no answer.
  #go(to) {
    const count = this.#groups.length;
    this.#at = count ? (to + count) % count : 0;
    $("group-which").textContent = count ? `Group ${this.#at + 1} of ${count}` : "These images are in no groups.";
    for (const id of ["group-before", "group-after", "group-all", "group-none"]) $(id).disabled = !count;
    this.images.keep([...this.#group, ...(this.#groups[this.#at + 1] ?? [])]);
    $("tiles").replaceChildren(...this.#group.map((image) => this.#tile(image)));
    this.#choose(this.#group.filter((image) => image.answer === null).map((image) => image.id));
    this.choices.mark(null);
  }

  #tile(image) {
    const made = document.createElement("button");
    made.type = "button";
    made.dataset.id = image.id;
    const picture = this.images.of(image);
    picture.alt = "";
    fit(picture, image, TILE, TILE);
    const said = document.createElement("span");
    said.textContent = image.answer === null ? "" : this.choices.name(image.answer);
    made.append(picture, said);
    made.addEventListener("click", () => {
      const chosen = new Set(this.#chosen);
      if (!chosen.delete(image.id)) chosen.add(image.id);
      this.#choose(chosen);
    });
    return made;
  }

  #choose(ids) {
    this.#chosen = new Set(ids);
    $("group-hint").textContent = HINT;
    [...$("tiles").children].forEach((tile, i) => {
      const image = this.#group[i];
      tile.setAttribute("aria-pressed", this.#chosen.has(image.id));
      const said = image.answer === null ? "no answer yet" : `answered ${this.choices.name(image.answer)}`;
      tile.setAttribute("aria-label", `Image ${i + 1} of ${this.#group.length}, ${said}`);
    });
  }

  #moved(event) {
    const tiles = [...$("tiles").children];
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const to = tiles.indexOf(document.activeElement) + step;
    tiles[(to + tiles.length) % tiles.length].focus();
  }
}

function unfinished(group) {
  return group.some((image) => image.answer === null);
}
