// Images, fetched before they are shown, and shown as large as there is room.

const CRISP_BELOW = 48; // pixels; smaller images are enlarged by whole numbers, their pixels kept sharp
const CRISP_UP_TO = 400; // CSS pixels; beyond, one sees squares in place of what they show
const LARGEST = 6; // times; larger images are enlarged no more than that

export class Images {
  #kept = new Map();

  // An element with an image; the same one every time until it is dropped.
  of(image) {
    let made = this.#kept.get(image.id);
    if (!made) {
      made = new Image(image.width, image.height);
      made.draggable = false;
      made.dataset.image = image.id;
      load(made, `/image/${image.id}`);
      this.#kept.set(image.id, made);
    }
    return made;
  }

  // Fetch these, and forget all others.
  keep(images) {
    const ids = new Set(images.map((image) => image.id));
    for (const id of this.#kept.keys()) if (!ids.has(id)) this.#kept.delete(id);
    images.forEach((image) => this.of(image));
  }
}

// Load an image, again and again until the server gives it.
function load(made, address, pause = 300) {
  made.onerror = () => setTimeout(() => load(made, address, Math.min(2 * pause, 5000)), pause);
  made.removeAttribute("src");
  made.src = address;
}

// Whether an image can be seen.
export function seen(made) {
  return made.complete && made.naturalWidth > 0;
}

// Make an image as large as fits into so many CSS pixels.
export function fit(made, image, width, height) {
  const longest = Math.max(image.width, image.height);
  const crisp = longest < CRISP_BELOW;
  const times = Math.min(width / image.width, height / image.height);
  const scale = crisp ? Math.max(1, Math.floor(Math.min(times, CRISP_UP_TO / longest))) : Math.min(times, LARGEST);
  made.classList.toggle("crisp", crisp);
  made.style.width = `${Math.round(image.width * scale)}px`;
  made.style.height = `${Math.round(image.height * scale)}px`;
}
