import { auditedSession } from "../../../kernel/http/socketSessions.ts";
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

/** A session in an instance, with its beginning and its end in the audit. */
export const auditedEntry = (
  context: StreamContext,
  action: string,
  instance: InstanceView,
  socket: SocketConnection,
  what: Record<string, unknown>,
  run: () => Promise<{ exitCode: number } | undefined>,
): Promise<void> => auditedSession(context, action, factOf(instance, what), socket, what, run);
