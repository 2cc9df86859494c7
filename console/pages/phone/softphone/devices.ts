import type { MediaSource } from "./media.ts";

/** What a person has chosen on this machine; empty is what the system takes. */
export interface Devices {
  microphone: string;
  speaker: string;
  ringer: string;
  camera: string;
  /** 0 to 1. */
  ringVolume: number;
  noiseSuppression: boolean;
}

const stored = "khmara.phone.devices";
const usual: Devices = { microphone: "", speaker: "", ringer: "", camera: "", ringVolume: 0.6, noiseSuppression: true };

export function chosenDevices(): Devices {
  try {
    return { ...usual, ...(JSON.parse(localStorage.getItem(stored) ?? "{}") as Partial<Devices>) };
  } catch {
    return usual;
  }
}

export function chooseDevices(change: Partial<Devices>): Devices {
  const devices = { ...chosenDevices(), ...change };
  localStorage.setItem(stored, JSON.stringify(devices));
  return devices;
}

const exact = (deviceId: string) => (deviceId === "" ? {} : { deviceId: { exact: deviceId } });

/** A device that was chosen and is not plugged in any more gives way to the usual one. */
async function track(constraints: MediaStreamConstraints, usually: MediaStreamConstraints): Promise<MediaStreamTrack> {
  const open = async (wanted: MediaStreamConstraints) => (await navigator.mediaDevices.getUserMedia(wanted)).getTracks()[0];
  let found: MediaStreamTrack | undefined;
  try {
    found = await open(constraints);
  } catch (error) {
    if (!(error instanceof DOMException) || error.name !== "OverconstrainedError") throw error;
    found = await open(usually);
  }
  if (found === undefined) throw new DOMException("No such device", "NotFoundError");
  return found;
}

export function openMicrophone(): Promise<MediaStreamTrack> {
  const { microphone, noiseSuppression } = chosenDevices();
  const audio = { echoCancellation: true, autoGainControl: true, noiseSuppression };
  return track({ audio: { ...audio, ...exact(microphone) } }, { audio });
}

export function openCamera(): Promise<MediaStreamTrack> {
  const video = { width: { ideal: 1280 }, height: { ideal: 720 } };
  return track({ video: { ...video, ...exact(chosenDevices().camera) } }, { video });
}

/** One microphone for all calls, open only while there is one: the browser's light tells the truth. */
export class Microphone implements MediaSource {
  #track: Promise<MediaStreamTrack> | undefined;

  microphone(): Promise<MediaStreamTrack> {
    this.#track ??= openMicrophone();
    const track = this.#track;
    track.catch(() => {
      if (this.#track === track) this.#track = undefined;
    });
    return track;
  }

  camera(): Promise<MediaStreamTrack> {
    return openCamera();
  }

  release(): void {
    void this.#track?.then(
      (track) => track.stop(),
      () => {},
    );
    this.#track = undefined;
  }
}

/** Levels of a track, 0 to 1, for a meter; the function returned ends it. */
export function followLevel(track: MediaStreamTrack, heard: (level: number) => void): () => void {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
  return followed(context, analyser, heard);
}

/** Two tones, one after the other, out of the chosen speaker, with their level as it comes out; the function returned ends it. */
export function testSpeaker(heard: (level: number) => void, over: () => void): () => void {
  const context = new AudioContext();
  const settable = context as AudioContext & { setSinkId?: (id: string) => Promise<void> };
  void settable.setSinkId?.(chosenDevices().speaker).catch(() => {});
  void context.resume();
  const gain = context.createGain();
  gain.gain.value = 0.25;
  const analyser = context.createAnalyser();
  gain.connect(analyser).connect(context.destination);
  const oscillator = context.createOscillator();
  oscillator.frequency.setValueAtTime(523.25, 0);
  oscillator.frequency.setValueAtTime(659.25, context.currentTime + testSeconds / 2);
  oscillator.connect(gain);
  oscillator.onended = over;
  oscillator.start();
  oscillator.stop(context.currentTime + testSeconds);
  const unfollow = followed(context, analyser, heard);
  return () => {
    oscillator.onended = null;
    unfollow();
  };
}
const testSeconds = 2;

function followed(context: AudioContext, analyser: AnalyserNode, heard: (level: number) => void): () => void {
  analyser.fftSize = 512;
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    // -50 dB is silence, 0 dB as loud as it goes.
    heard(Math.max(0, Math.min(1, 1 + (10 * Math.log10(power + 1e-9)) / 50)));
  }, 80);
  return () => {
    clearInterval(timer);
    void context.close();
  };
}
