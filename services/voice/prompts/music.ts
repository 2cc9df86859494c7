import { fileURLToPath } from "node:url";
import type { Sound } from "./wav.ts";

/** Music on hold that is there without anybody's upload. */
export const musicFile = fileURLToPath(new URL("clips/music.wav", import.meta.url));

const beatsPerMinute = 80;
const beatSeconds = 60 / beatsPerMinute;

/** A chord of four beats: its bass and three notes, as MIDI numbers. */
const chords = [
  [36, 60, 64, 67],
  [33, 57, 60, 64],
  [41, 57, 60, 65],
  [43, 55, 59, 62],
  [36, 60, 64, 67],
  [40, 59, 64, 67],
  [41, 60, 65, 69],
  [43, 59, 62, 67],
  [45, 60, 64, 69],
  [41, 60, 65, 69],
  [38, 57, 62, 65],
  [43, 59, 62, 65],
  [36, 60, 64, 67],
  [33, 60, 64, 69],
  [38, 57, 62, 65],
  [43, 59, 62, 67],
] as const;

/** One note per two beats above the chords; 0 is a rest. */
const melody = [
  76, 79, 72, 0, 77, 76, 74, 0, 79, 76, 71, 74, 72, 69, 74, 0, 76, 72, 77, 81, 74, 77, 79, 0, 84, 79, 76, 72, 74, 77, 71, 0,
];

/** A small piece of our own, 48 seconds, whose end goes over into its beginning: what still sounds at the end is added to the start. */
export function composeMusic(sampleRate: number): Sound {
  const mix = new Float64Array(Math.round(chords.length * 4 * beatSeconds * sampleRate));
  const note = (midi: number, beat: number, beats: number, loudness: number): void => {
    const hertz = 440 * 2 ** ((midi - 69) / 12);
    const start = Math.round(beat * beatSeconds * sampleRate);
    const length = Math.round(beats * beatSeconds * sampleRate);
    for (let index = 0; index < length; index++) {
      const seconds = index / sampleRate;
      // A soft stroke that dies away, with two overtones that do so sooner.
      const envelope =
        Math.min(1, seconds / 0.02) * Math.exp(-1.6 * seconds) * Math.min(1, (length - index) / (0.05 * sampleRate));
      const phase = 2 * Math.PI * hertz * seconds;
      const wave =
        Math.sin(phase) +
        0.3 * Math.exp(-2 * seconds) * Math.sin(2 * phase) +
        0.12 * Math.exp(-4 * seconds) * Math.sin(3 * phase);
      const at = (start + index) % mix.length;
      mix[at] = mix[at]! + loudness * envelope * wave;
    }
  };
  chords.forEach(([bass, low, middle, high], bar) => {
    note(bass + 12, bar * 4, 4, 0.5);
    [low, middle, high, middle, low, middle, high, middle].forEach((midi, half) => {
      note(midi, bar * 4 + half / 2, 3, 0.28);
    });
  });
  melody.forEach((midi, place) => {
    if (midi > 0) note(midi, place * 2, 3, 0.4);
  });
  const peak = mix.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  // Quieter than speech: it is listened to for long.
  return { sampleRate, samples: Int16Array.from(mix, (value) => Math.round((value / peak) * 32767 * 10 ** (-9 / 20))) };
}
