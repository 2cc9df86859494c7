import { once } from "node:events";
import { finished } from "node:stream/promises";
import { CloudError } from "../../../kernel/errors.ts";
import type { SocketHandler, StreamContext } from "../../../kernel/service.ts";
import type { ComputeDriver } from "../driver.ts";
import { type ComputeParts, openInstance } from "../parts.ts";
import { auditedEntry, enter } from "./entry.ts";

/** In the order in which clients prefer them. */
const keyFiles = ["ed25519", "ecdsa", "rsa"].map((type) => `/etc/ssh/ssh_host_${type}_key.pub`);
const maxKeyBytes = 16 * 1024;
const connectSeconds = 10;

export function createSsh(parts: ComputeParts) {
  return {
    async show(context: StreamContext, instanceId: string) {
      const found = await context.transaction(async (tx) => {
        const instance = await openInstance(parts, context, tx, instanceId);
        const engine = parts.engine();
        parts.instances.checkAction(instance, "terminal");
        const image = instance.imageId === undefined ? undefined : await parts.images.find(tx, instance.imageId);
        const ports = (await parts.networks.ports(tx, [instance.id])).get(instance.id) ?? [];
        return { instance, engine, user: image?.defaultUser ?? "root", ports };
      });
      const keys = await Promise.all(
        keyFiles.map((path) => hostKey(found.engine, found.instance.engineName, path, context.signal)),
      );
      return {
        user: found.user,
        port: 22,
        hostKeys: keys.filter((key) => key !== undefined),
        addresses: found.ports.flatMap(({ ipv4, floatingAddress }) => [
          ...(floatingAddress === undefined ? [] : [{ kind: "floating" as const, address: floatingAddress }]),
          { kind: "private" as const, address: ipv4 },
        ]),
      };
    },

    async tunnel(context: StreamContext, instanceId: string, port: number): Promise<SocketHandler> {
      const { instance } = await enter(parts, context, instanceId);
      parts.network();
      return (socket) =>
        auditedEntry(context, "compute.instance.tunnel", instance, socket, { port }, async () => {
          const signal = AbortSignal.any([socket.signal, AbortSignal.timeout(connectSeconds * 1000)]);
          const tcp = await parts.networks.connect(instance.id, port, signal).catch((error) => {
            throw socket.signal.aborted ? error : unreachable(error, instance.name, port);
          });
          tcp.on("error", () => tcp.destroy());
          if (socket.signal.aborted) tcp.destroy();
          socket.signal.addEventListener("abort", () => tcp.destroy(), { once: true });
          tcp.setNoDelay(true);
          // The end of each direction is passed on by itself.
          socket.bytes.pipe(tcp);
          tcp.pipe(socket.bytes);
          if (!tcp.closed) await Promise.race([once(tcp, "close"), finished(tcp)]).catch(() => {});
          if (!socket.signal.aborted && !socket.bytes.writableFinished && tcp.readableEnded) await once(socket.bytes, "finish");
          return undefined;
        });
    },
  };
}

/** `ssh-ed25519 AAAA…`, without the comment; undefined where the guest has no such key. */
async function hostKey(engine: ComputeDriver, name: string, path: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const file = await engine.fileRead(name, path, { signal });
    if (file.kind !== "file") return undefined;
    let text = "";
    for await (const piece of file.content) {
      text += piece;
      if (text.length > maxKeyBytes) return undefined;
    }
    return /^(ssh-[a-z0-9-]+|ecdsa-[a-z0-9-]+) +[A-Za-z0-9+/=]+/.exec(text)?.[0];
  } catch (error) {
    if (CloudError.is(error, "not_found")) return undefined;
    throw error;
  }
}

/** What a failed connection means to a person. */
function unreachable(error: unknown, name: string, port: number): CloudError {
  const { code } = error as NodeJS.ErrnoException;
  if (CloudError.is(error) && error.code !== "deadline_exceeded") return error;
  if (code === "ECONNREFUSED") {
    return new CloudError(
      "failed_precondition",
      `Nothing listens on port ${port} of ${name}. ${port === 22 ? `It may still be starting, or have no SSH server: khmara instance terminal ${name}` : "Is the program started, and not on 127.0.0.1 only?"}`,
      { cause: error, details: { reason: "connection_refused" } },
    );
  }
  return new CloudError(
    "unavailable",
    `${name} does not answer on port ${port}. It may still be starting, or its firewall drops it.`,
    {
      cause: error,
      details: { reason: "no_answer" },
    },
  );
}
