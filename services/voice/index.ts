import type { Routes } from "../../kernel/contract.ts";
import { defineService, type ServiceDefinition } from "../../kernel/service.ts";
import contract from "./contract.ts";
import type { Area, VoiceParts } from "./parts.ts";

export interface Voice {
  service: ServiceDefinition<typeof contract>;
  parts: VoiceParts;
}

/** The records of phone systems, for the control plane; calls are the voice process's. */
export function createVoice(parts: VoiceParts): Voice {
  const areas: Area<Routes>[] = [];
  return {
    parts,
    service: defineService<typeof contract>({
      contract,
      migrations: new URL("./migrations/", import.meta.url),
      handlers: {},
      operations: areas.flatMap(({ operations }) => operations ?? []),
      workers: areas.flatMap(({ workers }) => workers ?? []),
      metrics: async () => (await Promise.all(areas.map(({ metrics }) => metrics?.() ?? []))).flat(),
      async stop() {
        for (const { stop } of areas.toReversed()) await stop?.();
      },
    }),
  };
}
