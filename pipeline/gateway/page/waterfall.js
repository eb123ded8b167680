// The stages of a turn on its own time line: who waited, who worked, how long.
import { el } from "./dom.js";
import { words } from "./words.js";

const SAME_MS = 20; // what one handling says bit by bit began at the same moment, as far as clocks tell

export class Waterfall {
  #stages = new Map(); // stage -> spans { queued, began, ended } in ms
  #body = el("tbody");
  node = el("table", { class: "waterfall" }, el("caption", { class: "hidden" }, words.steps), head(), this.#body);

  /** A message of a turn, with the time at which it was said and how its stage came to say it. */
  add({ time, by }) {
    const ended = Date.parse(time);
    const began = ended - by.work_ms;
    this.span({ stage: by.stage, queued: began - by.queue_ms, began, ended });
    this.draw();
  }

  /** One handling by a stage; times in ms on any one clock. */
  span({ stage, queued, began, ended }) {
    const spans = this.#stages.get(stage) ?? this.#stages.set(stage, []).get(stage);
    const same = spans.find((span) => Math.abs(span.began - began) < SAME_MS);
    if (same) same.ended = Math.max(same.ended, ended);
    else spans.push({ queued, began, ended });
  }

  /** From the first wait to the last word, in ms. */
  get total() {
    const { from, to } = this.#extent();
    return to - from;
  }

  draw() {
    const { from, to } = this.#extent();
    const place = (ms) => `${(100 * (ms - from)) / Math.max(to - from, 1)}%`;
    const bar = (kind, begins, ends) =>
      el("rect", { class: kind, x: place(begins), width: place(from + Math.max(ends - begins, 0)), height: "100%" });
    const rows = [...this.#stages].map(([stage, spans]) => {
      const waits = spans.map((s) => bar("waited", s.queued, s.began)); // beneath: one may wait while another is worked on
      const bars = [...waits, ...spans.map((s) => bar("worked", s.began, s.ended))];
      const waited = spans.reduce((sum, s) => sum + s.began - s.queued, 0);
      const worked = spans.reduce((sum, s) => sum + s.ended - s.began, 0);
      return el("tr", {},
        el("th", { scope: "row" }, words.stages[stage] ?? stage),
        el("td", { class: "bars" }, el("svg", { "aria-hidden": "true", focusable: "false" }, ...bars)),
        el("td", { class: "n" }, words.ms(waited)),
        el("td", { class: "n" }, words.ms(worked)));
    });
    this.#body.replaceChildren(...rows);
  }

  #extent() {
    const spans = [...this.#stages.values()].flat();
    return { from: Math.min(...spans.map((s) => s.queued)), to: Math.max(...spans.map((s) => s.ended)) };
  }
}

function head() {
  const titles = [words.stage, words.course, words.waited, words.worked];
  return el("thead", {}, el("tr", {}, ...titles.map((title, at) => el("th", { scope: "col", class: at > 1 && "n" }, title))));
}
