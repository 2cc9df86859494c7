import { setTimeout as sleep } from "node:timers/promises";
import type { WebSocket } from "ws";
import { CloudError } from "../../../../kernel/errors.ts";
import type { ComputeDriver } from "../../driver.ts";
import { at, type EngineOperation } from "./client.ts";
import { type Engine, getInstance, isAbsent, noInstance } from "./engine.ts";
import { execFailure, terminalOf } from "./exec.ts";
import { readSocket, writeSocket } from "./sockets.ts";

export type Consoles = Pick<ComputeDriver, "instanceConsole" | "instanceConsoleLog" | "instanceDisplay">;

const graceMs = 1000;

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
      return terminalOf(data, control, exited, close);
    },

    async instanceConsoleLog(name, maxBytes, options) {
      let content: AsyncIterable<Buffer>;
      try {
        ({ content } = await client.download(at`/1.0/instances/${name}/console`, { signal: options?.signal }));
      } catch (error) {
        if (isAbsent(error)) {
          // Nothing has been written yet, and the engine has no file of it.
          await getInstance(engine, name, options);
          return new Uint8Array();
        }
        throw error;
      }
      // The engine keeps a small ring of it; the tail is what is asked for.
      let tail: Buffer = Buffer.alloc(0);
      for await (const chunk of content) tail = Buffer.concat([tail, chunk]).subarray(-maxBytes);
      return tail;
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
