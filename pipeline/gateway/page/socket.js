// The connection to the gateway: says hello, goes on after what it has seen, says again what nobody has taken.
// Knows nothing of the page. The protocol is schemas/socket/ (version 1).

const AGAIN_MS = [300, 15_000]; // the first and the longest wait before connecting again
const PING_MS = 20_000;
const PONG_WITHIN_MS = 8_000; // no sign of life for so long after a ping: the connection is dead
const REFUSED = 1008;
const PROTOCOL = 1002;

/** A UUIDv7: a turn that this page names stays the same turn however often it is said. */
export function uuid7() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  new DataView(bytes.buffer).setBigUint64(0, (BigInt(Date.now()) << 16n) | BigInt(0x7000 | ((bytes[6] & 15) << 8) | bytes[7]));
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** What outlives a reload of this tab, and nothing else: it is gone when the tab is closed. */
export const memory = {
  get: (name) => JSON.parse(sessionStorage.getItem(`parley.${name}`)),
  set: (name, value) => sessionStorage.setItem(`parley.${name}`, JSON.stringify(value)),
  drop: (...names) => names.forEach((name) => sessionStorage.removeItem(`parley.${name}`)),
};

export class Socket {
  #socket = null;
  #seen = 0; // the last `seq` that this page has shown
  #heard = memory.get("seen"); // the last one before the reload: older sound is not played again
  #unsent = new Map(Object.entries(memory.get("unsent") ?? {})); // turns that nobody has accepted yet
  #waiting = []; // other messages, for the next connection
  #announced = null; // an `audio` message whose frame has not come yet
  #tries = 0;
  #again = null;
  #alive = null;
  #refused = false;
  open = false; // `welcome` has come
  speech = memory.get("speech") ?? true;

  /** `on(message)` gets each message once, `onState` one of "connecting", "open", "lost", "refused". */
  constructor({ url, on, onState }) {
    Object.assign(this, { url, on, onState });
    addEventListener("online", () => this.connect());
    addEventListener("offline", () => this.#lost());
  }

  connect() {
    if (this.#socket || this.#refused) return;
    clearTimeout(this.#again);
    this.onState("connecting");
    const socket = (this.#socket = new WebSocket(this.url));
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#hello();
    socket.onmessage = ({ data }) => socket === this.#socket && this.#received(data);
    socket.onclose = ({ code }) => socket === this.#socket && this.#lost(code);
  }

  /** Connects anew, because what `hello` says has changed. */
  renew() {
    this.#refused = false;
    this.#lost();
    this.connect();
  }

  /** Goes on with another conversation; null: a new one. */
  begin(conversation) {
    memory.drop("conversation", "unsent");
    if (conversation) memory.set("conversation", conversation);
    this.#unsent.clear();
    this.#waiting = [];
    this.#heard = memory.get("seen"); // places count through all conversations
    this.#seen = 0;
    this.renew();
  }

  /** Sends a message, or false when there is no connection. */
  say(message) {
    if (this.open) this.#socket.send(JSON.stringify(message));
    return this.open;
  }

  /** Sends sound, PCM s16le. */
  sound(pcm) {
    if (this.open) this.#socket.send(pcm);
  }

  /** Says a typed turn until it is accepted or refused, through lost connections and reloads. */
  turn(message) {
    this.#unsent.set(message.turn, message);
    this.#keepUnsent();
    this.say(message);
  }

  /** Sends a message now, or with the next connection of this page. */
  later(message) {
    if (!this.say(message)) this.#waiting.push(message);
  }

  get unsent() {
    return [...this.#unsent.values()];
  }

  #hello() {
    const conversation = memory.get("conversation");
    this.#send({
      type: "hello",
      version: "1.0",
      token: memory.get("token"),
      conversation,
      stream: memory.get("stream"),
      after: conversation ? this.#seen : null,
      audio_after: conversation && this.#heard !== null ? Math.max(this.#heard, this.#seen) : null,
      speech: this.speech,
      time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    });
  }

  #send(message) {
    this.#socket.send(JSON.stringify(message));
  }

  #received(data) {
    this.#tries = 0;
    if (typeof data !== "string") {
      const message = this.#announced;
      this.#announced = null;
      if (message) this.#tell({ ...message, wav: data });
      return;
    }
    const message = JSON.parse(data);
    if (message.type === "welcome") this.#welcomed(message);
    if (message.type === "accepted" || (message.type === "problem" && message.turn)) this.#taken(message.turn);
    if (message.type === "problem" && message.fatal && [401, 403].includes(message.status)) this.#refused = true;
    if (message.type === "audio" && message.size_bytes > 0) this.#announced = message;
    else this.#tell(message);
  }

  #tell(message) {
    const { type, seq } = message;
    if (seq <= this.#seen && type !== "caught-up") return; // it has been told already; undefined is never less
    if (seq !== undefined) this.#saw(seq);
    this.on(message);
  }

  #saw(seq) {
    this.#seen = Math.max(this.#seen, seq);
    memory.set("seen", Math.max(this.#seen, this.#heard ?? 0));
  }

  #welcomed({ conversation, stream, after, limits }) {
    if (stream !== memory.get("stream")) this.#heard = null; // another stream counts anew
    this.#seen = after;
    memory.set("stream", stream);
    memory.set("conversation", conversation);
    this.open = true;
    this.onState("open");
    this.#unsent.forEach((message) => this.#send(message));
    this.#waiting.splice(0).forEach((message) => this.#send(message));
    this.#alive = setInterval(() => this.#ping(), Math.min(PING_MS, (limits.idle_s * 1000) / 2));
  }

  #ping() {
    this.say({ type: "ping" });
    clearTimeout(this.pong);
    this.pong = setTimeout(() => this.#lost(), PONG_WITHIN_MS);
    this.#socket.addEventListener("message", () => clearTimeout(this.pong), { once: true });
  }

  #taken(turn) {
    if (this.#unsent.delete(turn)) this.#keepUnsent();
  }

  #keepUnsent() {
    memory.set("unsent", Object.fromEntries(this.#unsent));
  }

  #lost(code) {
    const socket = this.#socket;
    this.#socket = this.#announced = null;
    this.open = false;
    clearInterval(this.#alive);
    clearTimeout(this.pong);
    clearTimeout(this.#again);
    socket?.close();
    if (this.#refused || code === REFUSED || code === PROTOCOL) {
      this.#refused = true; // the same hello would be refused again
      this.onState("refused");
      return;
    }
    this.onState("lost");
    const wait = Math.min(AGAIN_MS[0] * 2 ** this.#tries++, AGAIN_MS[1]);
    this.#again = setTimeout(() => this.connect(), wait * (0.5 + Math.random() / 2));
  }
}
