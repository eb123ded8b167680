// Runs beside the page, on the sound's own thread: gathers the microphone's samples into frames of PCM s16le mono.

const FRAME_S = 0.032;

class Frames extends AudioWorkletProcessor {
  #frame = new Int16Array(Math.round((sampleRate * FRAME_S) / 128) * 128); // a whole number of blocks of 128 samples
  #at = 0;
  #peak = 0;

  process([[channel]]) {
    if (!channel) return true; // the microphone is not there yet
    for (const sample of channel) {
      const clipped = Math.max(-1, Math.min(1, sample));
      this.#peak = Math.max(this.#peak, Math.abs(clipped));
      this.#frame[this.#at++] = Math.round(clipped * 32767);
      if (this.#at === this.#frame.length) this.#post();
    }
    return true;
  }

  #post() {
    const pcm = this.#frame.slice();
    this.port.postMessage({ pcm, peak: this.#peak }, [pcm.buffer]);
    this.#at = this.#peak = 0;
  }
}

registerProcessor("frames", Frames);
