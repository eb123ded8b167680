// What has to be told at once: problems, and reminders that have fallen due.
import { $, el } from "./dom.js";
import { words } from "./words.js";

/** A line above the composer, told at once; a newer one of the same kind takes its place. */
export function notice(text, kind = null) {
  if (kind) dismiss(kind);
  const line = el("div", { class: "notice", "data-kind": kind }, el("p", {}, text));
  line.append(el("button", { type: "button", onclick: () => line.remove() }, words.dismiss));
  $("notices").append(line);
}

/** Takes notices away: those of these kinds, or all. */
export function dismiss(...kinds) {
  for (const line of [...$("notices").children]) if (!kinds.length || kinds.includes(line.dataset.kind)) line.remove();
}
