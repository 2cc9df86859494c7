/** Bytes per second over the last few seconds: steady enough to read, quick enough to believe. */
export class SpeedMeter {
  #windowMs: number;
  #samples: { atMs: number; bytes: number }[] = [];

  constructor(windowMs = 5000) {
    this.#windowMs = windowMs;
  }

  add(bytes: number, nowMs = Date.now()): void {
    const last = this.#samples.at(-1);
    // Thousands of small files report often; a quarter of a second is fine enough.
    if (last && nowMs - last.atMs < 250) last.bytes += bytes;
    else this.#samples.push({ atMs: nowMs, bytes });
  }

  bytesPerSecond(nowMs = Date.now()): number {
    while (this.#samples[0] && nowMs - this.#samples[0].atMs > this.#windowMs) this.#samples.shift();
    const first = this.#samples[0];
    if (!first) return 0;
    const seconds = Math.max(0.5, (nowMs - first.atMs) / 1000);
    return this.#samples.reduce((sum, { bytes }) => sum + bytes, 0) / seconds;
  }
}
