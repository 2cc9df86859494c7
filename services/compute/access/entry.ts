import { CloudError } from "../../../kernel/errors.ts";
import type { SocketConnection, StreamContext } from "../../../kernel/service.ts";
import type { ComputeDriver } from "../driver.ts";
import { type ComputeParts, type InstanceView, openInstance } from "../parts.ts";

/** An instance that the caller may enter, and the engine that it runs in. */
export interface Entered {
  instance: InstanceView;
  engine: ComputeDriver;
}

/**
 * Checks who is there and whether there is somewhere to go: permission first, then the engine, then the state. `audit` is written down in the
 * same transaction: what is run leaves its trace even when it brings the process down.
 */
export async function enter(
  parts: ComputeParts,
  context: StreamContext,
  instanceId: string,
  options: { anyState?: true; audit?: Record<string, unknown> } = {},
): Promise<Entered> {
  return context.transaction(async (tx) => {
    const instance = await openInstance(parts, context, tx, instanceId);
    const engine = parts.engine();
    if (!options.anyState) parts.instances.checkAction(instance, "terminal");
    if (options.audit) context.audit(tx, factOf(instance, options.audit));
    return { instance, engine };
  });
}

const factOf = (instance: InstanceView, after: Record<string, unknown>) => ({
  organisationId: instance.organisationId,
  projectId: instance.projectId,
  resource: { kind: "instance", id: instance.id, name: instance.name },
  after,
});

/** Writes down that a session began, and when it is over why and how much went through it; never what. */
export async function auditedSession(
  context: StreamContext,
  action: string,
  instance: InstanceView,
  socket: SocketConnection,
  what: Record<string, unknown>,
  run: () => Promise<{ exitCode: number } | undefined>,
): Promise<void> {
  const begun = Date.now();
  await context.transaction(async (tx) => context.audit(tx, factOf(instance, what)));
  let exitCode: number | undefined;
  let failure: string | undefined;
  try {
    exitCode = (await run())?.exitCode;
  } catch (error) {
    failure = CloudError.is(error) ? error.message : "It failed.";
    throw error;
  } finally {
    const after = {
      reason: socket.closedBecause ?? failure ?? "it ended",
      ...(exitCode !== undefined && { exitCode }),
      seconds: Math.round((Date.now() - begun) / 1000),
      receivedBytes: socket.receivedBytes,
      sentBytes: socket.sentBytes,
    };
    await context
      .transaction(async (tx) => context.audit(tx, { ...factOf(instance, after), action: `${action}.end` }))
      .catch((error) => context.log.warn({ err: error, instance: instance.id }, "the end of a session was not written down"));
  }
}

const auditedLetters = 2000;

/** A command as the audit keeps it. */
export function auditedCommand(command: readonly string[]): string[] {
  let left = auditedLetters;
  const kept: string[] = [];
  for (const word of command) {
    kept.push(word.length > left ? `${word.slice(0, left)}…` : word);
    left -= word.length;
    if (left <= 0) break;
  }
  return kept;
}
