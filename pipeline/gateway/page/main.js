// Puts the page together: what the gateway tells goes to the parts that show it, what a person does goes to the gateway.
import { Conversation } from "./conversation.js";
import { $, announce, el, fillWords } from "./dom.js";
import { Problem, file } from "./http.js";
import { Microphone } from "./microphone.js";
import { dismiss, notice } from "./notices.js";
import { Player } from "./player.js";
import { wirePressing } from "./pressing.js";
import { Socket, memory, uuid7 } from "./socket.js";
import { History, showThings } from "./things.js";
import { microphoneWords, problemWords, words } from "./words.js";

const LEVEL_EVERY_MS = 60;
const FLOOR_DB = 50; // the meters begin so far below full scale

const now = { connection: "connecting", user: null, live: false, busy: false, opening: false, hearing: false, interrupted: false, joined: false };
const history = new History(join);
const conversation = new Conversation({ feedback, again });
const socket = new Socket({
  url: Object.assign(new URL("/ws", location), { protocol: location.protocol.replace("http", "ws") }),
  on: hear,
  onState: connectionIs,
});
export const player = new Player({
  onStart: (turn, index) => (conversation.turn(turn)?.sounding(index), show()),
  onEnd: (turn, index) => socket.say({ type: "played", turn, index }),
  onSilent: (turn) => (conversation.turn(turn)?.quiet(), socket.say({ type: "played", turn }), show()),
  onBlocked: () => notice(words.clickForSound, "sound"),
});
const microphone = new Microphone({ socket, onLevel: (peak) => ($("microphone-level").value = loudness(peak)) });

// What the gateway tells

const HEARERS = { welcome, "caught-up": caughtUp, listening, reminder, problem, audio, ended, accepted, task, pong: () => {} };

function hear(message) {
  if (HEARERS[message.type]) HEARERS[message.type](message);
  else conversation.hear(message);
  show();
}

function welcome({ user, limits }) {
  Object.assign(now, { user, live: false });
  microphone.keep_s = limits.utterance_max_s;
  $("who").textContent = words.signedInAs(user);
  $("sign-in").hidden = true;
  $("sign-out").hidden = !memory.get("token");
  for (const { turn, text } of socket.unsent) conversation.typed(turn, text);
}

function caughtUp() {
  now.live = true; // what was told before is known already, to the person too
  microphone.resume();
  refresh();
}

function listening({ state, stream }) {
  if (state === "open") now.opening = false;
  now.hearing = state === "speech" || state === "confirmed" || (state === "pause" && now.hearing);
  if (state === "confirmed" && player.playing) interrupt();
  if (state === "speech") now.interrupted = false;
  if (state === "closed") microphone.closed(stream);
  if (["open", "dropped", "closed"].includes(state)) conversation.forget();
}

function accepted(message) {
  now.interrupted = false;
  if (message.stream) microphone.accepted(message.stream, message.until_sample);
  conversation.hear(message);
}

function task(message) {
  conversation.hear(message);
  if (now.live) refresh();
}

function audio(message) {
  if (message.wav && socket.speech && (now.live || !now.joined)) player.add(message.turn, message.index, message.wav);
  conversation.hear(message);
}

function ended(message) {
  conversation.hear(message);
  if (message.outcome === "interrupted") {
    player.silence(message.turn);
    now.interrupted = now.live && !conversation.open.length;
  }
  if (now.live && !socket.speech && message.reply) announce(`${words.parley}: ${message.reply}`);
}

function reminder({ message }) {
  notice(words.due(message));
  refresh();
}

function problem(message) {
  if (conversation.turn(message.turn)?.state === "waiting") conversation.hear(message);
  if (message.status === 401) return askForToken(message);
  if (message.status === 404 && message.fatal) begin(); // the conversation of this tab is not this person's
  if (microphone.on && now.opening && !message.turn) stopListening(true);
  if (message.retry_after_s) {
    now.busy = true;
    setTimeout(() => ((now.busy = false), show()), message.retry_after_s * 1000);
  }
  notice(problemWords(message), message.problem);
}

function connectionIs(state) {
  now.connection = state;
  if (state === "open") {
    performance.mark("usable");
    dismiss("/problems/unavailable", "refused");
  }
  if (state !== "open") now.hearing = false;
  if (state === "refused" && $("sign-in").hidden) notice(words.refusedHere, "refused");
  show();
}

// What a person does

function say(event) {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text) return;
  $("text").value = "";
  speakTurn(text);
}

function speakTurn(text) {
  const turn = uuid7();
  const interrupts = interrupt();
  now.interrupted = false;
  conversation.typed(turn, text);
  socket.turn({ type: "say", turn, text, interrupts, speech: socket.speech });
  show();
}

function again(turn) {
  turn.node.remove();
  speakTurn(turn.text);
}

/** Stops the answer; false when there is none. */
function interrupt() {
  const turn = player.stop() ?? conversation.open.at(-1)?.id;
  if (!turn) return false;
  player.silence(turn);
  conversation.turn(turn)?.quiet();
  socket.say({ type: "interrupt", turn, sentences_played: socket.speech ? player.played(turn) : null });
  now.interrupted = true;
  show();
  return true;
}

async function listen(endsTurn) {
  Object.assign(now, { opening: true, interrupted: false });
  show();
  await microphone.start(endsTurn).catch((error) => {
    now.opening = false;
    notice(microphoneWords(error), "microphone");
  });
  show(); // until the gateway listens it is still opening
}

function stopListening(discard = false) {
  microphone.stop(discard);
  now.hearing = now.opening = false;
  show();
}

function feedback(turn, what) {
  socket.later({ type: "feedback", turn: turn.id, ...what });
}

function askForToken(why) {
  if (memory.get("token")) notice(problemWords(why), "token"); // without one the form itself says what is wanted
  memory.drop("token");
  $("sign-in").hidden = false;
  $("token").focus();
}

function signIn(event) {
  event.preventDefault();
  memory.set("token", $("token").value.trim());
  $("token").value = "";
  dismiss();
  socket.renew();
}

/** A new conversation, or one of before. */
function begin(id = null) {
  stopListening(true);
  player.stop();
  conversation.clear();
  dismiss();
  Object.assign(now, { interrupted: false, busy: false, joined: id !== null });
  socket.begin(id);
}

function join(id) {
  begin(id);
  $("text").focus();
}

function signOut() {
  memory.drop("token", "seen");
  now.user = null;
  for (const list of ["reminders", "notes", "ledger", "history"]) $(list).replaceChildren();
  $("earlier").open = false;
  begin();
}

async function refresh() {
  if ($("things").open && now.user) await trying(() => showThings(now.user));
}

async function trying(what) {
  try {
    await what();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.told.status === 401) askForToken(error.told);
    else notice(problemWords(error.told), error.told.type);
  }
}

async function report(event) {
  if (!memory.get("token")) return; // the link itself will do
  event.preventDefault();
  await trying(async () => {
    const address = URL.createObjectURL(await file(event.target.href));
    el("a", { href: address, download: "parley-report.html" }).click();
    URL.revokeObjectURL(address);
  });
}

// What is shown

function standing() {
  if (now.connection !== "open") return now.connection;
  if (now.opening) return "opening";
  if (now.hearing) return "hearing";
  if (player.playing) return "speaking";
  if (now.busy) return "busy";
  if (now.interrupted) return "interrupted";
  if (conversation.open.length) return "thinking";
  return microphone.on ? "listening" : "idle";
}

function show() {
  const state = standing();
  if ($("state").dataset.state !== state || !$("state").textContent) {
    $("state").dataset.state = state;
    $("state").textContent = words.states[state];
  }
  $("speak").setAttribute("aria-pressed", String(microphone.on || now.opening));
  $("stop").disabled = !player.playing && !conversation.open.length;
}

function loudness(peak) {
  return Math.max(0, 1 + (20 * Math.log10(peak || 1e-9)) / FLOOR_DB);
}

function showOptions() {
  memory.set("hold", $("hold").checked);
  $("hint").textContent = $("hold").checked ? words.holdHint : words.speakHint;
}

function wire() {
  fillWords(document);
  $("hold").checked = memory.get("hold") ?? false;
  $("aloud").checked = socket.speech;
  showOptions();
  for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => (player.unlock(), dismiss("sound")));
  $("say").onsubmit = say;
  $("stop").onclick = interrupt;
  wirePressing({ listen, stopListening, isListening: () => microphone.on || now.opening, interrupt });
  $("hold").onchange = showOptions;
  $("aloud").onchange = () => {
    memory.set("speech", (socket.speech = $("aloud").checked));
    if (!socket.speech) player.stop();
    socket.renew();
  };
  $("sign-in").onsubmit = signIn;
  $("sign-out").onclick = signOut;
  $("new").onclick = () => begin();
  $("report").onclick = report;
  $("refresh").onclick = refresh;
  $("things").ontoggle = refresh;
  $("earlier").ontoggle = () => $("earlier").open && now.user && trying(() => history.show(now.user));
  $("older").onclick = () => trying(() => history.show(now.user, true));
  $("delete").onclick = () => $("deleting").showModal();
  $("deleting").onclose = () => $("deleting").returnValue === "yes" && trying(removeHistory);
  setInterval(() => ($("voice-level").value = loudness(player.level())), LEVEL_EVERY_MS);
}

async function removeHistory() {
  await history.remove(now.user);
  await history.show(now.user);
  begin();
  notice(words.deleted);
}

if (matchMedia("(min-width: 62rem)").matches) $("things").open = true; // beside the conversation there is room
wire();
show();
socket.connect();
