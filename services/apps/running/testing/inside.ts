import { spawn } from "node:child_process";
import { once } from "node:events";
import { Duplex } from "node:stream";
import type { Connect } from "../runtime.ts";

/** Connections from inside a network namespace: containers of an engine that has one of its own are reached from there alone. */
export const insideOf =
  (network: string): Connect =>
  async (address, port, signal) => {
    const child = spawn("nsenter", [`--net=${network}`, "busybox", "nc", address, String(port)], {
      stdio: ["pipe", "pipe", "ignore"],
      signal,
    });
    child.on("error", () => {});
    child.stdin.on("error", () => {});
    await once(child, "spawn");
    const socket = Duplex.from({ readable: child.stdout, writable: child.stdin } as unknown as NodeJS.ReadWriteStream);
    socket.once("close", () => child.kill("SIGKILL"));
    return socket;
  };
