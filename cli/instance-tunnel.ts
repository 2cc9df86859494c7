import { createServer, type Socket } from "node:net";
import { CloudError } from "../kernel/errors.ts";
import type { Cloud } from "./cloud.ts";
import { sendFrom, writeTo } from "./pipes.ts";
import type { Run } from "./run.ts";
import { UsageError } from "./usage-error.ts";

interface Target {
  instance: never;
  port: number;
}

/** `khmara instance tunnel NAME --port N`: standard input and output are the connection, as ssh's ProxyCommand wants it. */
export async function runTunnel(run: Run): Promise<number> {
  const { cloud, extra, terminal, values } = run;
  const target = { instance: values["instance"] as never, port: Number(values["port"] ?? 22) };
  const listen = extra["listen"];
  if (typeof listen === "string") {
    const { server, address } = await listenTunnel(cloud, target, listen, (text) => terminal.note(text));
    terminal.note(`${address} leads to port ${target.port} of ${run.named["instance"] ?? target.instance}. Ctrl-C ends it.\n`);
    await new Promise((resolve) => server.once("close", resolve));
    return 0;
  }
  const socket = await cloud.client.instanceTunnel(target, {
    onBytes: (bytes) => writeTo(terminal.stdout, bytes),
  });
  sendFrom(terminal.stdin, socket).then(
    () => socket.end(),
    () => socket.close(),
  );
  const { error } = await socket.closed;
  terminal.stdin.destroy();
  if (error) throw error;
  return 0;
}

/** `8080`, `0.0.0.0:8080` or `:8080` */
function addressOf(text: string): { host: string; port: number } {
  const [, host = "", port = ""] = /^(?:(.*):)?(\d{1,5})$/.exec(text) ?? [];
  const number = Number(port);
  if (port === "" || number > 65_535) throw new UsageError(`--listen is a port or ADDRESS:PORT, not "${text}".`);
  return { host: host.replace(/^\[|\]$/g, "") || "127.0.0.1", port: number };
}

/** Each connection to a local port becomes one to the instance. */
export async function listenTunnel(
  cloud: Cloud,
  target: Target,
  listen: string,
  say: (text: string) => void,
): Promise<{ server: ReturnType<typeof createServer>; address: string }> {
  const { host, port } = addressOf(listen);
  const server = createServer({ allowHalfOpen: true }, (local) => {
    carry(cloud, target, local).catch((error) => {
      local.destroy();
      say(`khmara: ${(error as Error).message}\n`);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      reject(
        error.code === "EADDRINUSE"
          ? new CloudError("failed_precondition", `Something listens on ${host}:${port} already. Choose another port.`)
          : error,
      ),
    );
    server.listen(port, host, resolve);
  });
  const at = server.address() as { address: string; port: number };
  return { server, address: `${at.address.includes(":") ? `[${at.address}]` : at.address}:${at.port}` };
}

async function carry(cloud: Cloud, target: Target, local: Socket): Promise<void> {
  local.on("error", () => local.destroy());
  local.setNoDelay(true);
  const leaving = new AbortController();
  local.once("close", () => leaving.abort());
  const socket = await cloud.client.instanceTunnel(target, {
    onBytes: (bytes) => (local.destroyed ? undefined : writeTo(local, bytes)),
    onEnd: () => local.end(),
    signal: leaving.signal,
  });
  sendFrom(local, socket).then(
    () => socket.end(),
    () => socket.close(),
  );
  const { error } = await socket.closed;
  if (error && !leaving.signal.aborted) throw error;
  local.end();
}
