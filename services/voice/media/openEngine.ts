import { EmbeddedEngine } from "./embedded/engine.ts";
import { type EngineOptions, type MediaEngine, MediaError } from "./engine.ts";

/** @throws MediaError no_ports */
export async function openMediaEngine(options: EngineOptions): Promise<MediaEngine> {
  if (options.kind === "embedded") return new EmbeddedEngine(options);
  throw new MediaError("unsupported", "rtpengine is not there.");
}
