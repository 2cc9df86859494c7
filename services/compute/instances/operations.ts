import type { ComputeParts } from "../parts.ts";
import { createEngineFacts } from "./engineFacts.ts";
import { defineConfigure } from "./operations/configure.ts";
import { defineCreate } from "./operations/create.ts";
import { defineDelete } from "./operations/delete.ts";
import { definePowerOperations } from "./operations/power.ts";
import { defineRebuild } from "./operations/rebuild.ts";
import { defineResize } from "./operations/resize.ts";

export type InstanceOperations = ReturnType<typeof defineInstanceOperations>;

export function defineInstanceOperations(parts: ComputeParts) {
  const facts = createEngineFacts(parts);
  const { start, ...power } = definePowerOperations(parts);
  const definitions = {
    ...defineCreate(parts, facts, { start }),
    ...power,
    instanceResize: defineResize(parts),
    instanceRebuild: defineRebuild(parts, { start }),
    instanceDelete: defineDelete(parts),
    instanceConfigure: defineConfigure(parts),
  };
  return { ...definitions, facts, all: Object.values(definitions) };
}
