import { CloudError } from "../../../../kernel/errors.ts";
import type { ComputeDriver, InstanceChange } from "../../driver.ts";
import type { EngineEvent } from "./client.ts";
import type { EngineInstance } from "./configuration.ts";
import type { Engine } from "./engine.ts";
import { visible } from "./scratch.ts";

const kinds: Record<string, InstanceChange["kind"]> = {
  "instance-created": "created",
  "instance-started": "started",
  "instance-stopped": "stopped",
  "instance-shutdown": "shutdown",
  "instance-restarted": "restarted",
  "instance-paused": "frozen",
  "instance-resumed": "unfrozen",
  "instance-deleted": "deleted",
  "instance-renamed": "other",
  "instance-restored": "other",
  "instance-updated": "other",
};

/** Its end may be told a little before the event that it caused. */
const memoryMs = 1_000;

export function createWatch(engine: Engine): Pick<ComputeDriver, "watch"> {
  const { client, log } = engine;
  return {
    watch(onChange, signal) {
      /** The engine tells a shutdown from outside and one by the guest the same; but the first is work of the engine's. */
      const stopping = new Map<string, number>();
      let known: Map<string, string> | undefined;

      const onOperation = ({ metadata }: EngineEvent): void => {
        if (!/^(stopping|restarting) instance/i.test(String(metadata["description"] ?? ""))) return;
        const resources = (metadata["resources"] ?? {}) as Record<string, string[]>;
        const name = nameIn(resources["instances"]?.[0] ?? "");
        if (name === undefined) return;
        const forgetAtMs = Number(metadata["status_code"]) < 200 ? Number.POSITIVE_INFINITY : Date.now() + memoryMs;
        stopping.set(name, forgetAtMs);
        for (const [other, atMs] of stopping) if (atMs < Date.now()) stopping.delete(other);
      };

      const onLifecycle = ({ metadata, timestamp }: EngineEvent): void => {
        const kind = kinds[String(metadata["action"])];
        const name = nameIn(String(metadata["source"] ?? ""));
        if (kind === undefined || name === undefined) return;
        known?.delete(name);
        if (kind === "started") stopping.delete(name);
        const asked = kind === "shutdown" && (stopping.get(name) ?? 0) > Date.now();
        onChange(name, { kind: asked ? "stopped" : kind, at: new Date(timestamp) });
      };

      /** What changed while nobody listened. */
      const compare = async (): Promise<void> => {
        const all = visible(await client.list<EngineInstance>("/1.0/instances", { signal }));
        const now = new Map(all.map(({ name, status }) => [name, status]));
        const before = known;
        known = now;
        if (before === undefined) return;
        for (const name of new Set([...before.keys(), ...now.keys()])) if (before.get(name) !== now.get(name)) onChange(name);
      };

      void client.watchEvents({
        types: ["lifecycle", "operation"],
        signal,
        onEvent(event) {
          if (event.project !== undefined && event.project !== "" && event.project !== client.project) return;
          if (event.type === "operation") onOperation(event);
          else onLifecycle(event);
        },
        onConnect: () =>
          void compare().catch((error) => {
            if (!CloudError.is(error, "cancelled")) log.warn({ error }, "the engine's instances could not be read");
          }),
        onLost: (error) => log.info({ error }, "the engine's events broke off; connecting again"),
      });
    },
  };
}

/** `/1.0/instances/<name>?project=…` → the name; undefined for anything else, such as a snapshot. */
function nameIn(address: string): string | undefined {
  const name = /^\/1\.0\/(?:instances|containers|virtual-machines)\/([^/?]+)(?:\?|$)/.exec(address)?.[1];
  return name === undefined ? undefined : decodeURIComponent(name);
}
