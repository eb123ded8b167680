// The microphone: sound to the gateway, and its level to the page. Keeps what was not accepted yet, so that nothing
// that was said is lost with a connection.
import { uuid7 } from "./socket.js";

const RATES_HZ = [16_000, 48_000]; // what the recogniser wants; what every browser can
const WANTED = { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true };

export class Microphone {
  #stream = null; // its name; kept until the gateway has all of it, also after the microphone is off
  #frames = []; // its sound from #first on
  #first = 0; // the first sample that is kept
  #ended = false; // `close` was said, or would have been
  #media = null;
  #context = null;
  #starts = 0;
  keep_s = 60; // the longest utterance, as the gateway says

  constructor({ socket, onLevel }) {
    Object.assign(this, { socket, onLevel });
  }

  get on() {
    return this.#media !== null;
  }

  /** Listens. `endsTurn`: "silence" or "close". Raises what getUserMedia raises. */
  async start(endsTurn) {
    const mine = ++this.#starts;
    const media = await navigator.mediaDevices.getUserMedia({ audio: WANTED });
    const context = await this.#opened(media).catch((error) => (stopTracks(media), Promise.reject(error)));
    if (mine !== this.#starts) return release(media, context); // stopped while the person was being asked
    Object.assign(this, { endsTurn, rate: context.sampleRate });
    [this.#media, this.#context, this.#stream] = [media, context, uuid7()];
    [this.#frames, this.#first, this.#ended] = [[], 0, false];
    this.#announce();
  }

  /** Ends listening; what was spoken is a turn unless it is discarded. */
  stop(discard = false) {
    this.#starts++;
    if (!this.on) return;
    this.socket.say({ type: "close", discard });
    release(this.#media, this.#context);
    this.#media = this.#context = null;
    this.#ended = true;
    if (discard) this.#stream = null;
    this.onLevel(0);
  }

  /** After a lost connection: the same stream goes on with the first sample that nobody has accepted. */
  resume() {
    if (this.#stream === null) return;
    this.#announce();
    for (const frame of this.#frames) this.socket.sound(frame);
    if (this.#ended) this.socket.say({ type: "close" });
  }

  /** The gateway has a turn with all samples of the stream before `until`. */
  accepted(stream, until) {
    if (stream !== this.#stream) return;
    while (this.#frames.length && this.#first + this.#frames[0].length <= until) this.#forget();
    if (this.#frames.length && this.#first < until) {
      this.#frames[0] = this.#frames[0].slice(until - this.#first);
      this.#first = until;
    }
    if (this.#ended) this.#stream = null;
  }

  /** The listener has ended: what it did not accept was no speech. */
  closed(stream) {
    if (stream === this.#stream && this.#ended) this.#stream = null;
  }

  #forget() {
    this.#first += this.#frames.shift().length;
  }

  #announce() {
    const message = { stream: this.#stream, rate_hz: this.rate, first_sample: this.#first, ends_turn: this.endsTurn };
    this.socket.say({ type: "microphone", ...message });
  }

  async #opened(media) {
    let problem;
    for (const sampleRate of RATES_HZ) {
      const context = new AudioContext({ sampleRate });
      try {
        await context.audioWorklet.addModule(new URL("worklet.js", import.meta.url));
        const frames = new AudioWorkletNode(context, "frames", { numberOfOutputs: 0 });
        context.createMediaStreamSource(media).connect(frames); // Firefox refuses another rate than the microphone's
        frames.port.onmessage = ({ data }) => context === this.#context && this.#heard(data);
        return context;
      } catch (error) {
        problem = error;
        await context.close();
      }
    }
    throw problem;
  }

  #heard({ pcm, peak }) {
    this.#frames.push(pcm);
    while (this.#frames.length * pcm.length > this.keep_s * this.rate) this.#forget();
    this.socket.sound(pcm);
    this.onLevel(peak);
  }
}

function stopTracks(media) {
  for (const track of media.getTracks()) track.stop();
}

function release(media, context) {
  stopTracks(media);
  context.close();
}
