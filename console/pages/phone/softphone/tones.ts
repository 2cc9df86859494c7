import { chosenDevices } from "./devices.ts";

type Tone = "ring" | "ringback" | "waiting";

/** Frequencies in Hz, then seconds of sound and of silence; as in most of Europe (ITU-T E.180 supplement 2). */
const tones: Record<Tone, { frequencies: number[]; cadence: number[]; loudness: number }> = {
  ring: { frequencies: [880, 1320], cadence: [0.35, 0.2, 0.35, 2.1], loudness: 0.5 },
  ringback: { frequencies: [425], cadence: [1, 4], loudness: 0.12 },
  waiting: { frequencies: [425], cadence: [0.2, 0.2, 0.2, 4.4], loudness: 0.1 },
};
const aheadSeconds = 30;

/** Sounds of the phone itself, made here: no file has to come before it can ring. */
export class Tones {
  #context: AudioContext | undefined;
  #playing: { tone: Tone; stop: () => void } | undefined;

  /** Plays it from now on, or nothing. */
  play(tone: Tone | undefined): void {
    if (this.#playing?.tone === tone) return;
    this.#playing?.stop();
    this.#playing = tone && { tone, stop: this.#start(tone) };
  }

  #start(tone: Tone): () => void {
    this.#context ??= new AudioContext();
    const context = this.#context;
    // A browser that was not touched yet stays silent; the notification is seen all the same.
    void context.resume().catch(() => {});
    const { ringer, speaker, ringVolume } = chosenDevices();
    const sink = tone === "ring" ? ringer : speaker;
    const settable = context as AudioContext & { setSinkId?: (id: string) => Promise<void> };
    if (settable.setSinkId) void settable.setSinkId(sink).catch(() => {});
    const { frequencies, cadence, loudness } = tones[tone];
    const gain = context.createGain();
    gain.gain.value = 0;
    gain.connect(context.destination);
    const volume = loudness * (tone === "ring" ? ringVolume : 1);
    const oscillators = frequencies.map((frequency) => {
      const oscillator = context.createOscillator();
      oscillator.frequency.value = frequency;
      oscillator.connect(gain);
      oscillator.start();
      return oscillator;
    });
    let at = context.currentTime + 0.05;
    const schedule = () => {
      while (at < context.currentTime + aheadSeconds)
        for (let index = 0; index < cadence.length; index++) {
          gain.gain.setTargetAtTime(index % 2 === 0 ? volume : 0, at, 0.008);
          at += cadence[index] ?? 0;
        }
    };
    schedule();
    const timer = setInterval(schedule, (aheadSeconds / 3) * 1000);
    return () => {
      clearInterval(timer);
      for (const oscillator of oscillators) oscillator.stop();
      gain.disconnect();
    };
  }
}
