// The turns of a conversation in their order, and the utterance that is being heard.
import { $ } from "./dom.js";
import { Turn } from "./turn.js";
import { problemWords, words } from "./words.js";

const NEAR_END_PX = 120; // who reads further up is not pulled down

export class Conversation {
  #turns = new Map(); // id -> Turn
  #hearing = null; // the utterance that is being spoken; it has no id yet
  #list = $("turns");

  /** `act` is what turns call (turn.js). */
  constructor(act) {
    this.act = act;
  }

  /** The turns that have been taken and have not ended, in their order. */
  get open() {
    return [...this.#turns.values()].filter(({ state }) => state === "open");
  }

  turn(id) {
    return this.#turns.get(id);
  }

  /** Something was typed. */
  typed(id, text) {
    this.#at(id).saying(text, "waiting");
    this.#follow();
  }

  hear(message) {
    const stay = !nearEnd();
    if (message.type === "partial") this.#partial(message);
    else if (message.type === "accepted") this.#accepted(message);
    else if (message.type === "problem") this.#at(message.turn).notTaken(problemWords(message));
    else this.#at(message.turn).hear(message);
    if (!stay) this.#follow();
  }

  /** Nothing came of what was heard last. */
  forget() {
    this.#hearing?.node.remove();
    this.#hearing = null;
    this.#showEmpty();
  }

  clear() {
    this.#turns.clear();
    this.#hearing = null;
    this.#list.replaceChildren();
    this.#showEmpty();
  }

  #partial({ text }) {
    this.#hearing ??= this.#shown(new Turn(null, this.act));
    this.#hearing.saying(text || words.hearing, "hearing");
  }

  #accepted({ turn: id, stream }) {
    if (stream && this.#hearing && !this.#turns.has(id)) this.#turns.set(id, this.#hearing);
    if (stream) this.#hearing = null;
    this.#at(id).taken(id);
  }

  #at(id) {
    if (!this.#turns.has(id)) this.#turns.set(id, this.#shown(new Turn(id, this.act)));
    return this.#turns.get(id);
  }

  #shown(turn) {
    for (const each of this.#turns.values()) each.fold();
    this.#list.append(turn.node);
    this.#showEmpty();
    return turn;
  }

  #follow() {
    this.#list.lastElementChild?.scrollIntoView({ block: "end" });
  }

  #showEmpty() {
    $("empty").hidden = this.#list.childElementCount > 0;
  }
}

function nearEnd() {
  const page = document.documentElement;
  return page.scrollHeight - page.scrollTop - page.clientHeight < NEAR_END_PX;
}
