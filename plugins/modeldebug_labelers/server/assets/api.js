// Talks to the server. What changes anything is sent one after the other, and sent again until it is answered, so that a
// vote given while the server is away is neither lost nor out of order.

const LONGEST = 5000; // ms between two attempts
const PATIENCE = 15000; // ms until an attempt counts as failed
const AWAY = "The labelling server does not answer. This page tries again by itself.";
const KEPT = "The labelling server does not answer. Your answers are kept here until it does: leave this page open.";

export class Server {
  #last = Promise.resolve();
  #waiting = 0;

  // `trouble(text)` shows what is wrong, and null that nothing is any more.
  constructor(trouble) {
    this.trouble = trouble;
    addEventListener("beforeunload", (event) => {
      if (this.#waiting) event.preventDefault();
    });
  }

  // How many changes are not answered yet.
  get waiting() {
    return this.#waiting;
  }

  get(path) {
    return this.#attempt(path, {}, AWAY);
  }

  // The answer, or null where the server will never take it.
  post(path, body) {
    const request = {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    };
    this.#waiting += 1;
    const answer = this.#last.then(() => this.#attempt(path, request, KEPT));
    const settled = answer.finally(() => (this.#waiting -= 1));
    this.#last = settled.catch(() => {});
    return settled;
  }

  async #attempt(path, request, complaint) {
    for (let pause = 300; ; pause = Math.min(2 * pause, LONGEST)) {
      try {
        const response = await fetch(path, { ...request, signal: AbortSignal.timeout(PATIENCE) });
        if (response.status === 401) {
          this.trouble("Your link has ended, and answers can no longer be sent. Ask whoever sent it for a new one.");
          return new Promise(() => {}); // nothing goes on without a new link
        }
        if (response.ok || (response.status >= 400 && response.status < 500 && response.status !== 408)) {
          this.trouble(null);
          return response.ok ? await response.json() : null;
        }
      } catch {
        // the network, the server, or an answer cut short: again
      }
      this.trouble(complaint);
      await new Promise((done) => setTimeout(done, pause));
    }
  }
}
