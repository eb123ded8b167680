// The loudspeaker: sentences one after the other without a gap between them, and silence at once when asked for.

const LEAD_S = 0.02; // a start in the past would cut the first samples off

export class Player {
  #context = null;
  #meter = null;
  #coming = Promise.resolve(); // sentences are decoded in their order
  #playing = []; // { turn, index, source }, in their order
  #silenced = new Set(); // turns of which nothing more is played
  #ends = 0; // on the context's clock
  #played = new Map(); // turn -> sentences that were heard to their end
  #samples = new Float32Array(1024);

  /** `onStart` and `onEnd` get a turn and a sentence's index; `onSilent` the turn after its last sentence so far. */
  constructor({ onStart, onEnd, onSilent, onBlocked }) {
    Object.assign(this, { onStart, onEnd, onSilent, onBlocked });
  }

  /** Browsers play sound only after a key or a click; call this in one. */
  unlock() {
    this.#context ??= this.#made();
    if (this.#context.state === "suspended") this.#context.resume();
  }

  get playing() {
    return this.#playing.at(0)?.turn ?? null;
  }

  /** How many sentences of a turn were heard to their end. */
  played(turn) {
    return this.#played.get(turn) ?? 0;
  }

  /** The peak of what comes out right now, 0 to 1. */
  level() {
    this.#meter?.getFloatTimeDomainData(this.#samples);
    return this.#playing.length ? this.#samples.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0) : 0;
  }

  /** Plays a WAV after all that is there already. */
  add(turn, index, wav) {
    this.#context ??= this.#made();
    this.#coming = this.#coming.then(async () => {
      const sound = await this.#context.decodeAudioData(wav).catch(() => null);
      if (this.#silenced.has(turn)) return;
      if (sound) this.#schedule(turn, index, sound);
      else this.onEnd(turn, index); // it cannot be played: nobody shall wait for it
    });
  }

  /** Silence now. Returns the turn that was playing, or null; nothing more of it is played. */
  stop() {
    const turn = this.playing;
    for (const { turn: each } of [...this.#playing]) this.silence(each);
    return turn;
  }

  /** Nothing more of this turn is played. */
  silence(turn) {
    this.#silenced.add(turn);
    for (const { source } of this.#playing.filter((sentence) => sentence.turn === turn)) {
      source.onended = null;
      source.stop();
    }
    this.#playing = this.#playing.filter((sentence) => sentence.turn !== turn);
    if (!this.#playing.length) this.#ends = 0;
  }

  #made() {
    const context = new AudioContext({ latencyHint: "interactive" });
    this.#meter = new AnalyserNode(context, { fftSize: this.#samples.length });
    this.#meter.connect(context.destination);
    return context;
  }

  #schedule(turn, index, sound) {
    const context = this.#context;
    const source = new AudioBufferSourceNode(context, { buffer: sound });
    const starts = Math.max(context.currentTime + LEAD_S, this.#ends);
    this.#ends = starts + sound.duration;
    source.connect(this.#meter);
    source.onended = () => this.#ended(turn, index);
    source.start(starts);
    this.#playing.push({ turn, index, source });
    if (this.#playing.length === 1) this.onStart(turn, index);
    if (context.state === "suspended") this.onBlocked();
  }

  #ended(turn, index) {
    this.#playing.shift();
    this.#played.set(turn, this.played(turn) + 1);
    this.onEnd(turn, index);
    const next = this.#playing[0];
    if (next) this.onStart(next.turn, next.index);
    else this.onSilent(turn);
  }
}
