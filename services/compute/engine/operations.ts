import { defineOperation } from "../../../kernel/operations/definition.ts";
import type { ComputeParts } from "../parts.ts";

export type MemberInput = { member: string };
export type MoveInput = {
  instanceId: string;
  engineName: string;
  member: string;
  stateBefore: string;
  /** Also when it did not run before, as far as the engine knows: its member is dead. */
  start: boolean;
};

export type EngineOperations = ReturnType<typeof defineEngineOperations>;

// Disks may be large, and many.
const evacuationSeconds = 6 * 3600;
const moveSeconds = 3600;

export function defineEngineOperations(parts: ComputeParts) {
  const engineMemberEvacuate = defineOperation<MemberInput>({
    kind: "compute.engine_member.evacuate",
    steps: [
      {
        name: "evacuate",
        deadlineSeconds: evacuationSeconds,
        run: ({ input, signal, progress }) => parts.engine().memberEvacuate(input.member, { signal, progress }),
      },
      { name: "look", deadlineSeconds: 120, run: async ({ signal }) => void (await parts.instances.reconcile(signal)) },
    ],
  });

  const engineMemberRestore = defineOperation<MemberInput>({
    kind: "compute.engine_member.restore",
    steps: [
      {
        name: "restore",
        deadlineSeconds: evacuationSeconds,
        run: ({ input, signal, progress }) => parts.engine().memberRestore(input.member, { signal, progress }),
      },
      { name: "look", deadlineSeconds: 120, run: async ({ signal }) => void (await parts.instances.reconcile(signal)) },
    ],
  });

  const instanceMove = defineOperation<MoveInput>({
    kind: "compute.instance.move",
    steps: [
      {
        name: "move",
        deadlineSeconds: moveSeconds,
        async run({ input, signal, progress, projectId }) {
          // Its networks are joined with the member, if they can be.
          await parts.networks.apply(projectId as string, signal);
          await parts.engine().instanceMove(input.engineName, input.member, { signal, progress });
        },
      },
      {
        name: "start",
        deadlineSeconds: 300,
        async run({ input, signal }) {
          if (input.start) await parts.engine().instanceStart(input.engineName, { signal });
        },
      },
    ],
    async finish(tx, { input, log }, outcome) {
      const instance = await parts.instances.find(tx, input.instanceId);
      if (instance?.state === "moving") await parts.instances.setState(tx, instance.id, input.stateBefore);
      // What the engine says of it, the member too; when it does not answer now, the next comparison finds out.
      tx.afterCommit(() => {
        parts.instances
          .refresh(input.instanceId)
          .catch((error) => log.warn({ err: error, instance: input.instanceId }, "how it is after its move is seen later"));
      });
      return outcome === "succeeded" ? { member: input.member } : undefined;
    },
  });

  return { engineMemberEvacuate, engineMemberRestore, instanceMove };
}
