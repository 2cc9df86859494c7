import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import type { WebSocket } from "ws";
import { CloudError } from "../../../../kernel/errors.ts";
import type { CallOptions, ComputeDriver } from "../../driver.ts";
import { at, type EngineOperation } from "./client.ts";
import { powerStateOf } from "./configuration.ts";
import { type Engine, getInstance, isAbsent, noInstance } from "./engine.ts";
import { execFailure, resize } from "./exec.ts";
import { readSocket, writeSocket } from "./sockets.ts";

export type Consoles = Pick<ComputeDriver, "instanceConsole" | "instanceConsoleLog" | "instanceDisplay">;

const graceMs = 1000;
/** As large as the engine's own ring. */
const longestTail = 128 * 1024;
const mostTails = 200;
const empty: Buffer = Buffer.alloc(0);

export function createConsoles(engine: Engine): Consoles {
  const { client } = engine;

  async function open(
    name: string,
    body: Record<string, unknown>,
  ): Promise<{ data: WebSocket; control: WebSocket; operation: string }> {
    let operation: EngineOperation;
    try {
      operation = await client.start("POST", at`/1.0/instances/${name}/console`, body);
    } catch (error) {
      throw isAbsent(error) ? noInstance(name, error) : execFailure(name, error);
    }
    const fds = (operation.metadata?.["fds"] ?? {}) as Record<string, string>;
    try {
      const control = await client.operationSocket(operation.id, fds["control"] ?? "");
      const data = await client.operationSocket(operation.id, fds["0"] ?? "");
      return { data, control, operation: operation.id };
    } catch (error) {
      await client.cancel(operation.id);
      throw error;
    }
  }

  /** What has been read of those whose file is on another machine. */
  const tails = new Map<string, Buffer>();

  /** What was written since it was asked last; undefined when there is nothing, which the engine calls a failure. */
  async function readConsole(name: string, options?: CallOptions): Promise<Buffer | undefined> {
    try {
      const { content } = await client.download(at`/1.0/instances/${name}/console`, { signal: options?.signal });
      return await buffer(content);
    } catch (error) {
      if (CloudError.is(error, "cancelled") || CloudError.is(error, "unavailable")) throw error;
      return undefined;
    }
  }

  return {
    async instanceConsole(name, { columns, rows }) {
      const { data, control, operation } = await open(name, { type: "console", width: columns, height: rows });
      // It has no end and no result of its own, but that of the instance or of whoever looks at it.
      const exited = client.wait(operation, { operationTimeoutMs: Number.POSITIVE_INFINITY }).then(
        () => 0,
        () => 0,
      );
      const close = () => {
        control.close();
        void sleep(graceMs, undefined, { ref: false }).then(() => {
          data.terminate();
          control.terminate();
        });
      };
      return {
        output: readSocket(data, { ending: true }),
        input: writeSocket(data),
        resize: async (width, height) => resize(control, width, height),
        exited,
        close,
      };
    },

    async instanceConsoleLog(name, maxBytes, options) {
      const { type, status, location } = await getInstance(engine, name, options);
      const running = powerStateOf(status) === "running";
      const fresh = await readConsole(name, options);
      if (fresh === undefined && type === "virtual-machine")
        throw new CloudError(
          "not_implemented",
          "The engine keeps no log of the consoles of virtual machines. Open the console instead.",
          {
            details: { reason: "no_console_log" },
          },
        );
      // Of one that runs, the engine tells each byte once, and writes it to its file then.
      const { host } = engine;
      const kept =
        host !== undefined && (location === host.member || location === "none")
          ? await host.consoleLog(name, maxBytes)
          : undefined;
      if (kept !== undefined) return kept;
      const tail = Buffer.concat([running ? (tails.get(name) ?? empty) : empty, fresh ?? empty]).subarray(-longestTail);
      tails.delete(name);
      tails.set(name, tail);
      const [oldest] = tails.keys();
      if (tails.size > mostTails && oldest !== undefined) tails.delete(oldest);
      return tail.subarray(-maxBytes);
    },

    async instanceDisplay(name) {
      if ((await getInstance(engine, name)).type === "container")
        throw new CloudError("not_implemented", "A container has no screen. Use its terminal or its console.", {
          details: { reason: "no_display" },
        });
      // Each call is one connection to the display of SPICE, as its clients open several.
      const { data, control } = await open(name, { type: "vga", width: 0, height: 0 });
      const close = () => {
        data.close();
        control.close();
        void sleep(graceMs, undefined, { ref: false }).then(() => {
          data.terminate();
          control.terminate();
        });
      };
      return { protocol: "spice", input: writeSocket(data), output: readSocket(data), close };
    },
  };
}
