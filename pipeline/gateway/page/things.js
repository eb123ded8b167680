// Reminders, notes and ledger, and earlier conversations: what the gateway keeps for a person, over HTTP.
import { $, el } from "./dom.js";
import { ask } from "./http.js";
import { words } from "./words.js";

const KINDS = { reminders: reminderLine, notes: noteLine, ledger: ledgerLine };

/** Fills the lists anew. Raises Problem. */
export async function showThings(user) {
  const answers = await Promise.all(Object.keys(KINDS).map((kind) => ask(`/api/${kind}/${encodeURIComponent(user)}`)));
  Object.entries(KINDS).forEach(([kind, line], at) => {
    const lines = answers[at].items.map((item) => el("li", {}, ...line(item)));
    $(kind).replaceChildren(...(lines.length ? lines : [el("li", { class: "soft" }, words.nothing[kind])]));
  });
}

function reminderLine({ title, due_at: due }) {
  return [title, " ", el("small", {}, due ? words.at(due) : words.noTime)];
}

function noteLine({ text }) {
  return [text];
}

function ledgerLine({ person, amount, direction }) {
  return [`${person}: ${words.money(amount)} `, el("small", {}, words.directions[direction])];
}

export class History {
  #next = null; // where the next page begins

  /** The latest page, or the next older one. Raises Problem. */
  async show(user, older = false) {
    const from = older && this.#next ? `?before=${encodeURIComponent(this.#next)}` : "";
    const page = await ask(`/api/chat/history/${encodeURIComponent(user)}${from}`);
    this.#next = page.next;
    const lines = page.turns.map((turn) => el("li", {}, el("small", {}, words.at(turn.time)), el("p", { class: "said" }, turn.text), el("p", {}, turn.reply)));
    if (older) $("history").append(...lines);
    else $("history").replaceChildren(...(lines.length ? lines : [el("li", { class: "soft" }, words.noneEarlier)]));
    $("older").hidden = !this.#next;
  }

  async remove(user) {
    await ask(`/api/chat/history/${encodeURIComponent(user)}`, { method: "DELETE" });
    await this.show(user);
  }
}
