import type { CallMedia } from "./media.ts";

/** A conference in this browser: each side hears our microphone and all the others, nobody hears themselves. */
export class Mixer {
  #context: AudioContext | undefined;
  #mixed = new Map<string, { media: CallMedia; output: MediaStreamAudioDestinationNode }>();

  async mix(calls: ReadonlyMap<string, CallMedia>): Promise<void> {
    await this.#end();
    if (calls.size < 2) return;
    const context = new AudioContext();
    this.#context = context;
    await context.resume();
    const inputs = [...calls].map(([id, media]) => ({ id, media, theirs: sourceOf(context, media.remote.getAudioTracks()[0]) }));
    for (const { id, media } of inputs) {
      const output = context.createMediaStreamDestination();
      sourceOf(context, media.microphone)?.connect(output);
      for (const other of inputs) if (other.id !== id) other.theirs?.connect(output);
      this.#mixed.set(id, { media, output });
      await media.audioSender?.replaceTrack(output.stream.getAudioTracks()[0] ?? null);
    }
  }

  async #end(): Promise<void> {
    for (const { media } of this.#mixed.values())
      if (media.connection.signalingState !== "closed") await media.audioSender?.replaceTrack(media.microphone ?? null);
    this.#mixed.clear();
    await this.#context?.close();
    this.#context = undefined;
  }
}

const sourceOf = (context: AudioContext, track: MediaStreamTrack | undefined) =>
  track && context.createMediaStreamSource(new MediaStream([track]));
