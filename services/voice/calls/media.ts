import type { MediaCall, MediaEngine, MediaLeg } from "../media/engine.ts";

/** The media of one call: closed when the last of its legs is. */
export class CallMedia {
  readonly engine: MediaEngine;
  private readonly call: MediaCall;
  private open = 0;

  constructor(engine: MediaEngine, id: string) {
    this.engine = engine;
    this.call = engine.call(id);
  }

  leg(name: string): MediaLeg {
    this.open++;
    return this.call.leg(name);
  }

  async close(leg: MediaLeg): Promise<void> {
    await leg.close();
    if (--this.open === 0) await this.call.close();
  }
}
