import { CloudError } from "../../../kernel/errors.ts";
import type { ComputeParts } from "../parts.ts";
import type { DifferenceKind } from "./contract.ts";
import type { MemberWatch } from "./members.ts";
import { differenceStore, type Finding, recordStore } from "./store.ts";

/** So long an orphan is looked at before it is called one: what makes or deletes it may still be at work. */
export const orphanGraceMs = 180_000;

export interface Reconciler {
  /** One round. Quietly nothing without an engine, or while it does not answer. */
  run(signal: AbortSignal): Promise<void>;
}

/** What is found together, and together is found no more. */
interface Source {
  kinds: readonly DifferenceKind[];
  look(signal: AbortSignal): Promise<Finding[]>;
}

/**
 * Compares records and engine: each part puts right what is safe (states, attachments, half-deleted things) and answers the
 * rest, which is kept for a person to decide. What does not carry our labels is never looked at.
 */
export function createReconciler(parts: ComputeParts, watch: MemberWatch, options: { orphanGraceMs?: number } = {}): Reconciler {
  const { database, log } = parts;
  const grace = options.orphanGraceMs ?? orphanGraceMs;
  /** When each orphan was seen first, by kind and name. */
  const since = new Map<string, number>();

  /** Those that have been there long enough. */
  function settled<T extends { name: string }>(kind: string, orphans: readonly T[]): T[] {
    const now = Date.now();
    const keys = new Set(orphans.map(({ name }) => `${kind} ${name}`));
    for (const key of since.keys()) if (key.startsWith(`${kind} `) && !keys.has(key)) since.delete(key);
    for (const key of keys) if (!since.has(key)) since.set(key, now);
    return orphans.filter(({ name }) => now - (since.get(`${kind} ${name}`) as number) >= grace);
  }

  const instances: Source = {
    kinds: ["instance_missing", "instance_orphan"],
    async look(signal) {
      const { orphans } = await parts.instances.reconcile(signal);
      const found: Finding[] = settled("instance", orphans).map((orphan) => ({
        kind: "instance_orphan",
        resource: { kind: "instance", id: orphan.name, name: orphan.name },
        ...placeIn(orphan.labels),
        detail: `The engine has this instance since ${orphan.createdAt.toISOString()}, and no record knows it.`,
      }));
      for (let after: string | undefined; ; ) {
        const page = await database.transaction("system", (tx) =>
          parts.instances.list(tx, { states: ["missing"], limit: 500, ...(after === undefined ? {} : { after }) }),
        );
        for (const { id, name, organisationId, projectId, member } of page) {
          found.push({
            kind: "instance_missing",
            resource: { kind: "instance", id, name },
            organisationId,
            projectId,
            member,
            detail: "It was deleted from the engine without Khmara's doing.",
          });
        }
        if (page.length < 500) return found;
        after = page.at(-1)?.id;
      }
    },
  };

  const volumes: Source = {
    kinds: ["volume_missing", "volume_orphan"],
    async look(signal) {
      const { orphans } = await parts.volumes.reconcile(signal);
      const missing = await database.transaction("system", recordStore.missingVolumes);
      return [
        ...settled("volume", orphans).map(
          (orphan): Finding => ({
            kind: "volume_orphan",
            resource: { kind: "volume", id: orphan.name, name: orphan.name },
            ...placeIn(orphan.labels),
            detail: "The engine has this volume, and no record knows it.",
          }),
        ),
        ...missing.map(
          ({ id, name, organisationId, projectId }): Finding => ({
            kind: "volume_missing",
            resource: { kind: "volume", id, name },
            organisationId,
            projectId,
            detail: "It was deleted from the engine without Khmara's doing.",
          }),
        ),
      ];
    },
  };

  const images: Source = {
    kinds: ["image_missing", "image_orphan"],
    async look(signal) {
      const { orphans, missing } = await parts.images.reconcile(signal);
      return [
        ...settled("image", orphans).map(
          (orphan): Finding => ({
            kind: "image_orphan",
            resource: { kind: "image", id: orphan.name, name: orphan.name },
            ...placeIn(orphan.labels),
            detail: "The engine has this image, and no record knows it.",
          }),
        ),
        ...missing.map(
          ({ id, name, organisationId, projectId }): Finding => ({
            kind: "image_missing",
            resource: { kind: "image", id, name },
            organisationId,
            projectId,
            detail: "It was deleted from the engine without Khmara's doing.",
          }),
        ),
      ];
    },
  };

  /** Networks look after their routers themselves, in a round of their own; what they cannot mend is shown with the rest. */
  const routers: Source = {
    kinds: ["router_broken"],
    async look() {
      const broken = await database.transaction("system", recordStore.brokenRouters);
      return broken.map(
        ({ organisationId, projectId, projectName, error }): Finding => ({
          kind: "router_broken",
          resource: { kind: "project", id: projectId, name: projectName },
          organisationId,
          projectId,
          detail: `The networks of the project ${projectName} are not what their records say: ${error}`,
        }),
      );
    },
  };

  let running: Promise<void> | undefined;

  return {
    run(signal) {
      // Whoever asks in the middle of a round gets the end of that one.
      running ??= round(signal).finally(() => {
        running = undefined;
      });
      return running;
    },
  };

  async function round(signal: AbortSignal): Promise<void> {
    let at = new Date();
    const write = (source: Pick<Source, "kinds">, findings: readonly Finding[]) =>
      database.transaction("system", (tx) => differenceStore.replace(tx, source.kinds, findings, at));
    const engine = attempt(() => parts.engine());
    if (engine) {
      const members = await engine.members({ signal });
      const back = await watch.look(members);
      for (const source of [instances, volumes, images]) {
        at = new Date();
        await one(source, write, signal);
      }
      await watch.welcome(back);
      at = new Date();
      await write({ kinds: ["member_offline", "instance_unavailable"] }, await watch.failOver(members));
    }
    at = new Date();
    await one(routers, write, signal);
  }

  /** What one part cannot find out keeps the others from nothing; what was known of it stays. */
  async function one(
    source: Source,
    write: (source: Source, findings: readonly Finding[]) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await write(source, await source.look(signal));
    } catch (error) {
      signal.throwIfAborted();
      if (CloudError.is(error, "unavailable")) throw error;
      log.warn({ err: error, kinds: source.kinds }, "records and engine could not be compared; they will be again");
    }
  }
}

function attempt<T>(get: () => T): T | undefined {
  try {
    return get();
  } catch (error) {
    if (CloudError.is(error, "failed_precondition")) return undefined;
    throw error;
  }
}

const placeIn = (labels: Record<string, string>) => ({
  organisationId: labels["organisation"],
  projectId: labels["project"],
});
