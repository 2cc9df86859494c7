import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { freePort } from "../../../../testing/ports.ts";
import { installTestTools } from "../../../../tools/test-tools.ts";
import { NgClient } from "../rtpengine/ng.ts";

export interface TestRtpengine {
  host: string;
  port: number;
  child: ChildProcess;
  /** With `kill -9`. */
  stop(): Promise<void>;
}

/** An rtpengine of the tests' own, without its kernel module, on free ports of 127.0.0.1, or where one was before. It answers already. */
export async function startRtpengine(
  ports: readonly [number, number],
  again?: TestRtpengine,
  interfaces: readonly string[] = ["127.0.0.1"],
): Promise<TestRtpengine> {
  await installTestTools({ "/usr/bin/rtpengine": "rtpengine-daemon" });
  const port = again?.port ?? (await freePort());
  const words = [
    // The package's own names ports that are the same for all.
    "--config-file=none",
    "--foreground",
    "--log-stderr",
    "--log-level=3",
    "--table=-1",
    "--endpoint-learning=immediate",
    ...interfaces.map((address) => `--interface=phones/${address}`),
    `--listen-ng=127.0.0.1:${port}`,
    // TCP, where the one above is UDP: it tells digits there.
    `--listen-tcp-ng=127.0.0.1:${port}`,
    "--dtmf-log-ng-tcp",
  ];
  const child = spawn("/usr/bin/rtpengine", [...words, `--port-min=${ports[0]}`, `--port-max=${ports[1]}`], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  };
  const ng = new NgClient("127.0.0.1", port);
  for (const deadline = Date.now() + 60_000; ; ) {
    try {
      await ng.ask("ping");
      break;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
  ng.close();
  return { host: "127.0.0.1", port, child, stop };
}
