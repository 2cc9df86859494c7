import { CloudError } from "../../../../kernel/errors.ts";
import { defineOperation, type OperationDefinition } from "../../../../kernel/operations/definition.ts";
import type { ComputeParts } from "../../parts.ts";
import { choosePlace, type EngineFacts } from "../engineFacts.ts";
import { removeRecord } from "../recordRemoval.ts";
import { specOf } from "../spec.ts";
import { hold, setState, settle } from "../states.ts";
import { groupStore } from "../store/groups.ts";
import { instanceStore } from "../store/instances.ts";
import { momentIn, type OnInstance } from "./outcome.ts";
import type { PowerOperations } from "./power.ts";

/** Where the root disk comes from. */
export type DiskSource =
  | { kind: "image"; engineName: string }
  | { kind: "clone"; instance: string; snapshot?: string | undefined }
  | { kind: "backup"; backupId: string };

export type CreateInput = OnInstance & { source: DiskSource; defaultUser: string; start: boolean };

const goneMeanwhile = () => new CloudError("failed_precondition", "The instance was deleted while it was being created.");

/**
 * Creating takes as long as an image takes to be unpacked; a backup may be as large as the pool. They differ in nothing but the
 * deadline, so that what takes long has a kind of its own.
 */
export function defineCreate(parts: ComputeParts, facts: EngineFacts, power: Pick<PowerOperations, "start">) {
  const driver = () => parts.engine();
  const define = (kind: string, diskSeconds: number, long?: true): OperationDefinition<CreateInput> =>
    defineOperation<CreateInput>({
      kind,
      ...(long ? { long } : {}),
      steps: [
        {
          name: "place",
          deadlineSeconds: 60,
          async run({ input, memory, database }) {
            const { clustered } = await facts.info();
            memory["clustered"] = clustered;
            const members = await facts.members(clustered ? "now" : undefined);
            await database.transaction("system", async (tx) => {
              const row = await instanceStore.find(tx, input.instanceId);
              if (!row) throw goneMeanwhile();
              // Whoever places another one of the group waits here until this one's place is written down.
              const group = row.groupId ? await groupStore.lock(tx, row.groupId) : undefined;
              const others = row.groupId ? await instanceStore.inGroup(tx, row.groupId, row.id) : [];
              const placed = others.flatMap(({ member }) => (member === null ? [] : [member]));
              const member = choosePlace(members, row.member ?? undefined, group ? { row: group, others: placed } : undefined);
              if (member !== undefined && member !== row.member) await instanceStore.update(tx, row.id, { member });
              memory["placed"] = member !== undefined;
            });
          },
        },
        {
          name: "disk",
          deadlineSeconds: diskSeconds,
          async run({ input, memory, projectId, signal, database, progress }) {
            memory["engine"] = "made";
            const { member, ...rest } = await database.transaction("system", async (tx) => {
              const row = await instanceStore.find(tx, input.instanceId);
              if (!row) throw goneMeanwhile();
              return specOf(tx, parts, row, input.defaultUser);
            });
            // A single host has no choice of members to be told of.
            const spec = memory["clustered"] === true && member !== undefined ? { ...rest, member } : rest;
            const options = { signal, progress };
            const make = async () => {
              const { source } = input;
              if (source.kind === "image")
                await driver().instanceCreate({ ...spec, image: { name: source.engineName } }, options);
              else if (source.kind === "clone") await driver().instanceClone(spec, source, options);
              else {
                // Begun again, it cannot go on in the middle of a stream.
                await driver().instanceDelete(input.engineName, { signal });
                await parts.volumes.readBackup(source.backupId, options, (content) =>
                  driver().instanceImport(spec, content, { signal }),
                );
              }
              memory["madeAt"] ??= Date.now();
            };
            const connect = () => parts.networks.apply(projectId as string, signal);
            // Of a cluster: where its networks are decides where it can be. Of one machine the bridge is needed only at the start.
            if (memory["clustered"] === true) await connect();
            const results = await Promise.allSettled(memory["clustered"] === true ? [make()] : [make(), connect()]);
            for (const result of results) if (result.status === "rejected") throw result.reason;
            if (memory["placed"] !== true)
              memory["member"] = (await driver().instanceGet(input.engineName, { signal }))?.member || undefined;
          },
          async undo({ input, memory, projectId, signal, database, log }) {
            memory["engine"] = "made";
            await driver().instanceDelete(input.engineName, { signal });
            memory["engine"] = "removed";
            await database.transaction("system", (tx) => parts.networks.deletePorts(tx, input.instanceId));
            try {
              await parts.networks.apply(projectId as string, signal);
            } catch (error) {
              log.warn({ err: error, project: projectId }, "the network still has the port of an instance that was not created");
            }
          },
        },
        {
          name: "start",
          deadlineSeconds: 300,
          async run(context) {
            if (context.input.start) await power.start(context);
          },
        },
      ],
      async finish(tx, { input, memory, error }, outcome) {
        const row = await instanceStore.find(tx, input.instanceId, { lock: true });
        if (!row) return undefined;
        const madeAt = momentIn(memory, "madeAt");
        if (outcome === "succeeded") {
          const held = await hold(tx, row, madeAt);
          const member = memory["member"] as string | undefined;
          // One that is being deleted keeps that state, and pays for what it held until then.
          const after = await settle(tx, held, {
            state: input.start ? "running" : "stopped",
            at: input.start ? momentIn(memory, "at") : madeAt,
            member,
          });
          if (row.state === "deleting") await setState(tx, after, "deleting");
          return { instanceId: row.id };
        }
        if (memory["engine"] === "made") {
          const held = memory["madeAt"] === undefined ? row : await hold(tx, row, madeAt);
          if (row.state !== "deleting")
            await setState(
              tx,
              held,
              "error",
              `It could not be created, and what there is of it could not be removed; delete it. ${error?.message ?? "It was cancelled."}`,
            );
          return undefined;
        }
        await removeRecord(tx, parts, row, new Date());
        return undefined;
      },
    });
  return {
    create: define("compute.instance.create", 1800),
    import: define("compute.instance.import", 12 * 3600, true),
  };
}
