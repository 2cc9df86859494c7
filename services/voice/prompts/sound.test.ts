import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { ToneSource } from "../media/embedded/player.ts";
import type { ToneSpec } from "../media/engine.ts";
import { findTone, loudness, loudnessOverTime, tone, toneLevel } from "../testing/tones.ts";
import { AudioError, convertAudio } from "./audio.ts";
import { languages } from "./languages.ts";
import { musicFile } from "./music.ts";
import { resample } from "./resample.ts";
import { clipFile } from "./say.ts";
import { longestSpeech, SpeechError, speak } from "./speech.ts";
import { callTone, toneCountries } from "./tones.ts";
import { readWav, WavError, writeWav } from "./wav.ts";
import { clipWords } from "./words.ts";

await installTestTools(phoneTools);
const folder = mkdtempSync(join(tmpdir(), "khmara-sound-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const tone440 = tone([440], 2, { sampleRate: 44_100 });

/** What another program makes of our WAV. */
function ffmpeg(input: Buffer, ...words: string[]): Buffer {
  return execFileSync("ffmpeg", ["-v", "error", "-i", "pipe:0", ...words, "pipe:1"], { input, maxBuffer: 1e8 });
}

test("WAV of all widths and codings that ffmpeg writes is read", () => {
  const source = writeWav(tone440);
  for (const codec of ["pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_alaw", "pcm_mulaw"]) {
    // Through a pipe ffmpeg cannot write the sizes afterwards; they are "to the end".
    const sound = readWav(ffmpeg(source, "-c:a", codec, "-f", "wav"));
    assert.equal(sound.sampleRate, 44_100, codec);
    assert.ok(Math.abs(sound.samples.length - 88_200) < 10, codec);
    assert.ok(Math.abs(toneLevel(sound.samples, 44_100, 440) - -9) < 0.1, codec);
  }
  const stereo = readWav(ffmpeg(source, "-af", "pan=stereo|c0=c0|c1=0*c0", "-f", "wav"));
  assert.ok(Math.abs(toneLevel(stereo.samples, 44_100, 440) - -15) < 0.1);
});

test("µ-law that we write is read by ffmpeg and by us", () => {
  const written = writeWav(tone([1000], 1), "mu-law");
  for (const sound of [readWav(written), readWav(ffmpeg(written, "-c:a", "pcm_s16le", "-f", "wav"))])
    assert.ok(Math.abs(toneLevel(sound.samples, 8000, 1000) - -9) < 0.1);
  assert.equal(loudness(readWav(writeWav({ sampleRate: 8000, samples: new Int16Array(800) }, "mu-law")).samples), -120);
});

test("what is no WAV is refused with words", () => {
  assert.throws(() => readWav(Buffer.from("<html>")), WavError);
  assert.throws(() => readWav(writeWav(tone440).subarray(0, 30)), WavError);
  assert.throws(() => readWav(Buffer.concat([Buffer.from("RIFF\x04\0\0\0WAVE")])), /no sound/);
});

test("other rates: the tone stays, what a lower rate cannot carry goes", () => {
  for (const rate of [8000, 16_000, 22_050, 48_000]) {
    const sound = resample(tone440, rate);
    assert.ok(Math.abs(sound.samples.length - 2 * rate) <= 1);
    assert.ok(Math.abs(toneLevel(sound.samples, rate, 440) - -9) < 0.2, `${rate}`);
  }
  const high = resample(tone([6000], 1, { sampleRate: 16_000 }), 8000);
  assert.ok(loudness(high.samples.subarray(400, -400)) < -50, String(loudness(high.samples.subarray(400, -400))));
});

test("uploads become WAV of 16 kHz", async () => {
  const source = writeWav(tone440);
  const files = [
    source,
    ffmpeg(source, "-f", "mp3"),
    ffmpeg(source, "-c:a", "libopus", "-f", "ogg"),
    ffmpeg(source, "-f", "flac"),
  ];
  for (const file of files) {
    const sound = readWav(await convertAudio(file));
    assert.equal(sound.sampleRate, 16_000);
    assert.ok(Math.abs(sound.samples.length - 32_000) < 3000);
    assert.ok(findTone(sound, 440).heardMs > 1800);
  }
  const failures: [Uint8Array, AudioError["code"], number?][] = [
    [Buffer.from("#EXTM3U\nfile:///etc/passwd\n"), "not_understood"],
    [Buffer.from("OggS, but nothing of the kind"), "not_understood"],
    [Buffer.from("RIFF----WAVEnothing"), "not_understood"],
    [new Uint8Array(0), "not_understood"],
    [writeWav({ sampleRate: 8000, samples: new Int16Array(0) }), "empty"],
    [source, "too_long", 1],
    [files[1]!, "too_long", 1],
  ];
  for (const [bytes, code, maxSeconds = 600] of failures)
    await assert.rejects(convertAudio(bytes, { maxSeconds }), (error) => error instanceof AudioError && error.code === code);
});

test("without the programs it is told what to install", async () => {
  const path = process.env["PATH"];
  const mp3 = ffmpeg(writeWav(tone440), "-f", "mp3");
  process.env["PATH"] = folder;
  try {
    await assert.rejects(convertAudio(mp3), /apt-get install ffmpeg/);
    await assert.rejects(speak("Hello", "en", folder), /apt-get install espeak-ng/);
  } finally {
    process.env["PATH"] = path;
  }
});

test("texts are spoken, once", async () => {
  const spoken = join(folder, "speech");
  const texts = { en: "We are closed.", fr: "Nous sommes fermés.", uk: "Ми зачинені." };
  for (const language of languages) {
    const [file, same] = await Promise.all([speak(texts[language], language, spoken), speak(texts[language], language, spoken)]);
    assert.equal(file, same);
    const sound = readWav(readFileSync(file));
    assert.equal(sound.sampleRate, 16_000);
    assert.ok(sound.samples.length > 8000 && loudness(sound.samples) > -40, `${language} ${loudness(sound.samples)}`);
  }
  await speak("--help; rm -rf /", "en", spoken);
  assert.equal(readdirSync(spoken).length, 4);
  await assert.rejects(
    speak("a".repeat(longestSpeech + 1), "en", spoken),
    (error) => error instanceof SpeechError && error.code === "too_long",
  );
});

test("every clip is there, is heard, and is as loud as the others; nothing else is there", () => {
  let bytes = 0;
  for (const language of languages) {
    const words = clipWords(language);
    for (const [clip, text] of words) {
      const file = readFileSync(clipFile({ language, clip }));
      bytes += file.length;
      const { sampleRate, samples } = readWav(file);
      assert.equal(sampleRate, 8000);
      const seconds = samples.length / sampleRate;
      assert.ok(seconds > 0.12 && seconds < 1.5 + text.length * 0.15, `${language} ${clip}: ${seconds} s`);
      const level = loudness(samples);
      assert.ok(level > -30 && level < -8, `${language} ${clip}: ${level} dB`);
      const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
      // The loudest that µ-law can say is 32124 (ITU-T G.711): what comes near it was cut off.
      assert.ok(peak > 5000 && peak < 30_000, `${language} ${clip}: peak ${peak}`);
      const quiet = loudnessOverTime({ sampleRate, samples }, 50).map((each) => (each < -45 ? "." : "x"));
      const [longest = ""] = quiet
        .join("")
        .match(/\.+/g)
        ?.toSorted((a, b) => b.length - a.length) ?? [""];
      assert.ok(longest.length * 50 <= 1000, `${language} ${clip}: ${longest.length * 50} ms of silence`);
      assert.ok(quiet.slice(0, 5).includes("x") && quiet.slice(-10).includes("x"), `${language} ${clip}: silence around`);
    }
    assert.equal(readdirSync(join(clipFile({ language, clip: "n0" }), "..")).length, words.size);
  }
  assert.ok(bytes < 11_500_000, `${bytes} bytes`);
});

test("music on hold goes on and on, without silence and without a step where it begins anew", () => {
  const { sampleRate, samples } = readWav(readFileSync(musicFile));
  const seconds = samples.length / sampleRate;
  assert.ok(seconds >= 30 && seconds <= 60);
  for (let at = 0; at < seconds - 1; at++) assert.ok(loudness(samples.subarray(at * sampleRate, (at + 1) * sampleRate)) > -40);
  assert.ok(Math.abs(samples[0]! - samples.at(-1)!) < 1500);
});

test("tones of countries", () => {
  assert.deepEqual(callTone("us", "busy"), {
    segments: [
      { frequencies: [480, 620], ms: 500 },
      { frequencies: [], ms: 500 },
    ],
    repeat: true,
  });
  assert.deepEqual(
    callTone("GB", "ringback").segments.map(({ ms }) => ms),
    [400, 200, 400, 2000],
  );
  assert.deepEqual(callTone("UA", "dial"), { segments: [{ frequencies: [425], ms: 1000 }], repeat: true });
  assert.deepEqual(callTone("ZZ", "ringback").segments[0], { frequencies: [425], ms: 1000 });
  for (const country of toneCountries)
    for (const name of ["dial", "ringback", "busy", "congestion", "call_waiting"] as const) {
      const { segments } = callTone(country, name);
      // On and off by turns: a tone that has times ends in silence.
      assert.ok(segments.length === 1 || segments.length % 2 === 0, `${country} ${name}`);
      for (const { frequencies, ms } of segments) assert.ok(ms > 0 && frequencies.every((hertz) => hertz > 300 && hertz < 1500));
    }
  // Those that E.180 Supplement 2 has otherwise than most, as they are heard: seconds of sound and of silence.
  for (const [country, name, hertz, ...wanted] of [
    ["IE", "busy", 425, 450, 450],
    ["SE", "call_waiting", 425, 200, 500, 200, 9100],
    ["RO", "ringback", 450, 1850, 4150],
    ["TR", "congestion", 450, 200, 200, 200, 200, 200, 200, 600, 200],
    ["GB", "congestion", 400, 400, 350, 225, 525],
    ["HU", "ringback", 425, 1250, 3750],
    ["NZ", "busy", 400, 250, 250],
    ["CN", "busy", 450, 350, 350],
  ] as const) {
    const { sampleRate, samples } = played(callTone(country, name));
    let at = 0;
    for (const [index, ms] of wanted.entries()) {
      const part = samples.subarray((at * sampleRate) / 1000, ((at + ms) * sampleRate) / 1000);
      at += ms;
      if (index % 2 === 0)
        assert.ok(Math.abs(toneLevel(part, sampleRate, hertz) - loudness(part)) < 3.5, `${country} ${name} ${at}`);
      else assert.equal(loudness(part), -120, `${country} ${name} ${at}`);
    }
    assert.ok(Math.abs(samples.length - (at * sampleRate) / 1000) < sampleRate / 50, `${country} ${name}`);
  }
});

test("tones of all countries are as loud as ITU-T E.180 wants them: -10 dBm0, at most 5 dB more or less", () => {
  for (const country of toneCountries)
    for (const name of ["dial", "ringback", "busy", "congestion", "call_waiting"] as const) {
      const { segments } = callTone(country, name);
      const [{ ms = 0 } = {}] = segments;
      const { sampleRate, samples } = played(callTone(country, name));
      const sound = samples.subarray(0, (ms * sampleRate) / 1000);
      const power = sound.reduce((sum, sample) => sum + sample * sample, 0) / sound.length;
      // The loudest sine is 3.14 dBm0 (ITU-T G.711).
      const dbm0 = 10 * Math.log10(power / (32_768 ** 2 / 2)) + 3.14;
      assert.ok(dbm0 > -15 && dbm0 < -5, `${country} ${name}: ${dbm0} dBm0`);
    }
});

/** One turn of a tone, as the media engine plays it. */
function played(spec: ToneSpec): { sampleRate: number; samples: Int16Array } {
  const source = new ToneSource({ ...spec, repeat: false });
  const frames: number[] = [];
  for (let frame = source.next(); frame !== undefined; frame = source.next()) frames.push(...frame);
  return { sampleRate: 16_000, samples: Int16Array.from(frames) };
}
