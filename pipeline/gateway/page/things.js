// Reminders, notes and ledger, and earlier conversations: what the gateway keeps for a person, over HTTP.
import { $, el } from "./dom.js";
import { ask } from "./http.js";
import { words } from "./words.js";

const KINDS = {
  reminders: ({ rows }) => rows.map(({ title, due_at: due }) => [title, words.at(due)]),
  notes: ({ rows }) => rows.map(({ text }) => [text]),
  ledger: ({ balances }) => balances.map((balance) => [balance.person, words.owes(balance)]),
};

/** Fills the lists anew. Raises Problem. */
export async function showThings(user) {
  const kinds = Object.keys(KINDS);
  const answers = await Promise.all(kinds.map((kind) => ask(`/api/users/${encodeURIComponent(user)}/${kind}?limit=50`)));
  kinds.forEach((kind, at) => fill($(kind), KINDS[kind](answers[at]).map(line), words.nothing[kind]));
}

export class History {
  #next = null; // where the next page begins
  #last = null; // the conversation of the line before

  /** `onOpen` gets the conversation that somebody wants to go on with. */
  constructor(onOpen) {
    this.onOpen = onOpen;
  }

  /** The newest turns, or the next older ones. Raises Problem. */
  async show(user, older = false) {
    const from = older && this.#next ? `?cursor=${encodeURIComponent(this.#next)}` : "";
    const { turns, next } = await ask(path(user) + from);
    if (!older) this.#last = null;
    const lines = turns.flatMap((turn) => this.#lines(turn));
    if (older) $("history").append(...lines);
    else fill($("history"), lines, words.noneEarlier);
    this.#next = next;
    $("older").hidden = !next;
  }

  /** Forgets all of it. Raises Problem. */
  async remove(user) {
    await ask(path(user), { method: "DELETE" });
  }

  #lines({ conversation, time, user, reply }) {
    const turn = el("li", {}, el("p", { class: "asked" }, user), el("p", {}, reply));
    if (conversation === this.#last) return [turn];
    this.#last = conversation;
    const open = el("button", { type: "button", "aria-label": words.goOnWith(time), onclick: () => this.onOpen(conversation) }, words.goOn);
    return [el("li", { class: "begins" }, el("small", {}, words.at(time)), open), turn];
  }
}

function path(user) {
  return `/api/chat/history/${encodeURIComponent(user)}`;
}

function line([what, more]) {
  return el("li", {}, what, more ? " " : null, more ? el("small", {}, more) : null);
}

function fill(list, lines, none) {
  list.replaceChildren(...(lines.length ? lines : [el("li", { class: "soft" }, none)]));
}
