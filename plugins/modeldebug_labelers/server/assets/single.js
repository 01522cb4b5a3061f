// One image after the other. An answer shows the next image at once; the server hears of it meanwhile.

import { fit, seen } from "./images.js";

const $ = (id) => document.getElementById(id);

export class Single {
  current = null; // the image that is shown
  #ahead = []; // those after it
  #past = null; // those answered, the last one at the end; null until the server has told of them

  constructor(images, choices, send) {
    this.images = images;
    this.choices = choices;
    this.send = send;
    new ResizeObserver(() => this.#fit()).observe($("stage"));
  }

  get canUndo() {
    return Boolean(this.#past?.length);
  }

  // Whether an answer could be given now.
  get ready() {
    return this.current !== null && seen(this.images.of(this.current));
  }

  // What the server says of the images to come, once it has heard of everything.
  adopt(state) {
    this.#past ??= [...state.latest].reverse();
    this.#ahead = state.next.filter((image) => image.id !== this.current?.id);
    if (this.current === null) this.#advance();
    else this.images.keep([this.current, ...this.#ahead]);
  }

  // Forget what is shown: it is no longer asked, or was answered elsewhere.
  forget() {
    this.current = this.#past = null;
    this.#ahead = [];
  }

  vote(answer) {
    const image = this.current;
    this.#past.push({ ...image, answer });
    this.#advance();
    this.send("/api/vote", { images: [image.id], answer, way: "page" }, 1);
    return `${this.choices.name(answer)}.`;
  }

  undo() {
    const image = this.#past.pop();
    if (this.current) this.#ahead.unshift(this.current);
    this.current = image;
    this.#show();
    this.send("/api/undo", { images: [image.id] }, -1);
    return `You had said: ${this.choices.name(image.answer)}.`;
  }

  #advance() {
    this.current = this.#ahead.shift() ?? null;
    this.#show();
  }

  #show() {
    const shown = this.current === null ? [] : [this.current];
    this.images.keep([...shown, ...this.#ahead]);
    $("stage").replaceChildren(...shown.map((image) => this.images.of(image)));
    this.choices.mark(this.current?.answer ?? null);
    this.#fit();
  }

  #fit() {
    const { clientWidth, clientHeight } = $("stage");
    if (this.current && clientWidth) fit(this.images.of(this.current), this.current, clientWidth, clientHeight);
  }
}
