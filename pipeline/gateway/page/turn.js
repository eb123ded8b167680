// One turn as it is shown: what was heard, understood, done and answered, and what somebody thinks of it.
import { el } from "./dom.js";
import { Waterfall } from "./waterfall.js";
import { words } from "./words.js";

const AFTERWARDS = ["recorded", "cut-short"]; // said after the end, so they have no place on the turn's time line

export class Turn {
  waterfall = new Waterfall();
  #sentences = new Map(); // index -> node
  #asked = performance.now();
  #firstSound = null;
  #said = el("span", { class: "text" });
  #sure = el("small", { class: "sure" });
  #understood = el("ul", { class: "understood", "aria-label": words.understood });
  #done = el("ul", { class: "done", "aria-label": words.done });
  #who = el("span", { class: "who" }, words.parley);
  #reply = el("span", { class: "text" });
  #answer = el("p", { class: "reply", hidden: true }, this.#who, " ", this.#reply);
  #outcome = el("p", { class: "outcome", hidden: true });
  #summary = el("summary");
  #steps = el("details", { class: "steps", hidden: true, open: true }, this.#summary, this.waterfall.node);
  #opinion = null;
  node = el("li", { class: "turn" },
    el("p", { class: "said" }, el("span", { class: "who" }, words.you), " ", this.#said, " ", this.#sure),
    this.#understood, this.#done, this.#answer, this.#outcome, this.#steps);

  /** `act.feedback(turn, what)` and `act.again(turn)` are called for what somebody presses. */
  constructor(id, act) {
    Object.assign(this, { id, act });
    this.node.dataset.turn = id ?? "";
    this.state = "open";
  }

  /** "hearing", "waiting" (to be taken), "open" (taken), "refused", "completed", "failed" or "interrupted". */
  get state() {
    return this.node.dataset.state;
  }

  set state(state) {
    this.node.dataset.state = state;
    this.#sure.hidden = ["hearing", "refused"].includes(state);
    if (state === "waiting") this.#sure.textContent = words.waiting;
  }

  /** What is heard so far of an utterance, or was typed and is not taken yet. */
  saying(text, state) {
    this.#said.textContent = text;
    this.state = state;
  }

  /** The turn is on the bus under this id. */
  taken(id) {
    if (this.state === "hearing") this.#asked = performance.now(); // a typed one was asked when it was typed
    this.id = this.node.dataset.turn = id;
    this.state = "open";
    this.#sure.textContent = "";
    this.#outcome.hidden = true;
  }

  /** The gateway did not take it. */
  notTaken(why) {
    this.state = "refused";
    this.#told(`${words.notTaken} ${why}`, el("button", { type: "button", onclick: () => this.act.again(this) }, words.again));
  }

  get text() {
    return this.#said.textContent;
  }

  hear(message) {
    this[`_${message.type.replace("-", "_")}`]?.(message);
    if (AFTERWARDS.includes(message.type)) return;
    this.waterfall.add(message);
    this.#steps.hidden = false;
    this.#showTime();
  }

  /** The loudspeaker begins with a sentence. */
  sounding(index) {
    this.#firstSound ??= performance.now() - this.#asked;
    for (const [each, node] of this.#sentences) node.classList.toggle("now", each === index);
    this.#showTime();
  }

  /** The loudspeaker has nothing more of it. */
  quiet() {
    for (const node of this.#sentences.values()) node.classList.remove("now");
  }

  fold() {
    this.#steps.open = false;
  }

  _opened({ text }) {
    this.taken(this.id);
    if (text !== null) this.#said.textContent = text;
  }

  _transcript({ text, confidence, empty_because: why }) {
    this.#said.textContent = text || words.nothingHeard[why] || words.nothingHeard.silence;
    this.#sure.textContent = text && confidence !== null ? words.heardSurely(confidence) : "";
  }

  _intents({ intents }) {
    this.#understood.replaceChildren(...intents.map(intentNode));
  }

  _task({ outcome: { success, message } }) {
    const how = el("span", { class: "hidden" }, `${success ? words.succeeded : words.notDone} `);
    this.#done.append(el("li", { class: success ? "success" : "failure" }, how, message));
  }

  _clarification({ question }) {
    this.node.classList.add("clarification");
    this.#who.textContent = words.asksBack;
    if (!this.#sentences.size) this.#sentence(0, question);
  }

  _sentence({ index, text }) {
    this.#sentence(index, text);
  }

  _audio({ index, text, apology }) {
    if (!apology && !this.#sentences.has(index)) this.#sentence(index, text);
  }

  _stage({ fallback }) {
    if (fallback) this.#told(words.byRules);
  }

  _ended({ outcome, reply }) {
    this.state = outcome;
    if (outcome === "interrupted") this.#cut(reply);
    else if (outcome === "failed") this.#told(reply);
    else if (!this.#sentences.size && reply) this.#sentence(0, reply);
    this.#opinion ??= opinionNode(this, this.node.classList.contains("clarification"));
    this.#steps.before(this.#opinion);
  }

  _cut_short({ reply }) {
    this.state = "interrupted";
    this.#cut(reply);
  }

  _recorded() {
    this.#opinion?.querySelector(".recorded").replaceChildren(words.recorded);
  }

  #cut(heard) {
    for (const node of this.#sentences.values()) if (!heard.includes(node.textContent.trim())) node.append(unheard(node), " ");
    this.#told(words.interrupted);
  }

  #sentence(index, text) {
    const node = this.#sentences.get(index) ?? el("span");
    node.textContent = `${text} `;
    this.#sentences.set(index, node);
    this.#reply.replaceChildren(...[...this.#sentences].sort(([a], [b]) => a - b).map(([, each]) => each));
    this.#answer.hidden = false;
  }

  #told(...what) {
    this.#outcome.replaceChildren(...what);
    this.#outcome.hidden = false;
  }

  #showTime() {
    this.#summary.textContent = words.took(this.waterfall.total, this.#firstSound);
  }
}

function unheard(node) {
  node.classList.add("unheard");
  return el("small", {}, words.unheard);
}

function intentNode({ label, confidence, slots }) {
  const told = Object.entries(slots).filter(([, value]) => value !== null && value !== false);
  const parts = told.map(([name, value]) => el("span", { class: "slot" }, `${words.slots[name] ?? name}: ${slotText(name, value)}`));
  const sure = el("small", { class: "sure" }, words.sure(confidence));
  return el("li", {}, el("strong", {}, words.intents[label] ?? label), " ", sure, " ", ...parts.flatMap((part) => [part, " "]));
}

function slotText(name, value) {
  if (name === "when" || name === "until") return words.when(value);
  if (name === "amount") return words.money(value);
  if (name === "direction") return words.directions[value];
  return value === true ? words.all : value;
}

function opinionNode(turn, open) {
  const recorded = el("span", { class: "recorded", role: "status" });
  const thumb = (rating) => el("button", { type: "button", class: `thumb ${rating}`, "aria-pressed": "false", onclick: press }, words[rating]);
  const thumbs = { up: thumb("up"), down: thumb("down") };
  function press({ currentTarget }) {
    for (const button of Object.values(thumbs)) button.setAttribute("aria-pressed", String(button === currentTarget));
    turn.act.feedback(turn, { rating: currentTarget === thumbs.up ? "up" : "down" });
  }
  const choices = Object.entries(words.intents).map(([label, name]) => el("option", { value: label }, name));
  const meant = el("select", { name: "intent" }, el("option", { value: "" }, words.choose), ...choices);
  const better = el("textarea", { name: "correction", rows: 2, maxlength: 2000 });
  function submit(event) {
    event.preventDefault();
    const what = { intent: meant.value || null, correction: better.value.trim() || null };
    if (what.intent || what.correction) turn.act.feedback(turn, what);
  }
  const form = el("form", { onsubmit: submit },
    el("label", {}, `${words.meant} `, meant), el("label", {}, `${words.better} `, better),
    el("button", { type: "submit" }, words.sendCorrection));
  return el("div", { class: "opinion", role: "group", "aria-label": words.feedback },
    thumbs.up, thumbs.down, el("details", { open }, el("summary", {}, open ? words.meant : words.correct), form), recorded);
}
