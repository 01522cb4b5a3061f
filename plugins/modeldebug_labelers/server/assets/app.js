// The labelling page: holds its parts together, hears keys, and shows how far one is.

import { Server } from "./api.js";
import { Choices } from "./choices.js";
import { Groups } from "./groups.js";
import { Images } from "./images.js";
import { Single } from "./single.js";

const GLANCE = 250; // ms; nobody sees an image and answers faster: that was meant for the one before
const DOUBLE = 500; // ms in which a second click belongs to the first
const POLL = 4000; // ms between two looks whether there are more images

const $ = (id) => document.getElementById(id);
const server = new Server(trouble);
const choices = new Choices(choose, undo);
const single = new Single(new Images(), choices, send);
const groups = new Groups(new Images(), choices, send);
let view = single;
let done = 0;
let left = 0;
let shownAt = 0;

function trouble(text) {
  $("trouble").hidden = !text;
  if ($("trouble").textContent !== (text ?? "")) $("trouble").textContent = text ?? "";
}

function say(text) {
  $("said").textContent = text;
}

// Tell the server of a change; `more` images are labelled by it. What it answers counts once nothing else is under way.
async function send(path, body, more) {
  done += more;
  left = Math.max(0, left - more);
  const state = await server.post(path, body);
  if (state === null) return start();
  if (!server.waiting) adopt(state);
}

async function start() {
  single.forget();
  const state = await server.get("/api/state");
  if (state === null || server.waiting) return;
  choices.show(state.classes);
  if (view === groups) groups.open((await server.get("/api/groups")) ?? []);
  adopt(state);
}

function adopt(state) {
  ({ done, left } = state);
  const before = single.current;
  if (view === groups) single.forget(); // what it shows may have been answered with its group
  single.adopt(state);
  if (single.current !== before) shownAt = performance.now();
  draw();
}

function draw() {
  const total = done + left;
  $("bar").max = Math.max(1, total);
  $("bar").value = done;
  $("count").textContent = `${done} of ${total}`;
  const over = left === 0 && single.current === null && !server.waiting;
  const [ending, beginning] = [$("done").hidden && over, $("work").hidden && !over];
  $("done").hidden = !over;
  $("work").hidden = over;
  $("single").hidden = view !== single;
  $("group").hidden = view !== groups;
  $("undo").disabled = !view.canUndo;
  $("undo-last").hidden = !view.canUndo;
  if (single.current) single.images.of(single.current).alt = `Image ${done + 1} of ${total}, to be labelled`;
  if (ending) $("done").querySelector("h1").focus();
  if (beginning) choices.focus();
}

function choose(answer, event) {
  const since = performance.now() - shownAt;
  if (!view.ready || $("work").hidden || since < GLANCE || (event.detail > 1 && since < DOUBLE)) return;
  shownAt = performance.now();
  const said = view.vote(answer);
  choices.reset();
  draw();
  say(left ? `${said} ${done} of ${done + left} done.` : said);
}

function undo() {
  if (!view.canUndo) return;
  shownAt = performance.now();
  const said = view.undo();
  choices.reset();
  draw();
  say(`Taken back. ${said}`);
}

async function turnTo(other) {
  view = other;
  $("to-single").setAttribute("aria-pressed", view === single);
  $("to-groups").setAttribute("aria-pressed", view === groups);
  choices.mark(null);
  draw();
  await start();
}

document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (event.repeat && target instanceof HTMLButtonElement) return event.preventDefault(); // a held key is one answer
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || target === choices.query) return;
  const lower = key.toLowerCase();
  if (key === "Backspace" || lower === choices.undoKey) undo();
  else if ($("work").hidden) return;
  else if (lower === "/" && choices.searched) choices.query.focus();
  else if (choices.keys.has(lower)) choose(choices.keys.get(lower), event);
  else return;
  event.preventDefault();
});
$("undo").addEventListener("click", undo);
$("undo-last").addEventListener("click", undo);
$("to-single")?.addEventListener("click", () => turnTo(single));
$("to-groups")?.addEventListener("click", () => turnTo(groups));
setInterval(async () => {
  if ($("done").hidden || server.waiting || document.hidden) return;
  const state = await server.get("/api/state");
  if (state && !server.waiting && state.left) start();
}, POLL);
start();
