import { EmbeddedEngine } from "./embedded/engine.ts";
import type { EngineOptions, MediaEngine } from "./engine.ts";
import { openRtpengine } from "./rtpengine/engine.ts";

/** @throws MediaError no_ports */
export async function openMediaEngine(options: EngineOptions): Promise<MediaEngine> {
  return options.kind === "embedded" ? new EmbeddedEngine(options) : await openRtpengine(options);
}
