import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { after } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { startCloud } from "../../../../testing/cloud.ts";
import { chosen } from "../leases.ts";
import { type House, rtpPorts } from "./house.ts";
import type { VoiceProcessOptions } from "./voiceProcess.ts";

export interface Other {
  child: ChildProcess;
  processId: string;
  sipPort: number;
  wssPort: number;
  server: string;
}

/** Other voice processes on the database of a house whose own is called `house`. Killed with the test file. */
export function openOthers(house: House, started: Awaited<ReturnType<typeof startCloud>>) {
  const systemId = house.office.within.phoneSystem;
  const children: ChildProcess[] = [];
  after(() => {
    for (const child of children) child.kill("SIGKILL");
  });
  return {
    /** One that is to have the phone system when it and `house` share. */
    async start(label: string, more: Partial<VoiceProcessOptions> = {}): Promise<Other> {
      let number = 0;
      while (chosen(systemId, ["house", `${label}-${number}`]) === "house") number++;
      const processId = `${label}-${number}`;
      const { databaseUrl, masterKey, dataDirectory } = started;
      const options: VoiceProcessOptions = {
        ...{ databaseUrl, dataDirectory, processId, rtpPorts: rtpPorts() },
        masterKey: masterKey.toString("base64"),
        ...more,
      };
      const script = new URL("./voiceProcess.ts", import.meta.url).pathname;
      const child = spawn(process.execPath, [script, JSON.stringify(options)], { stdio: ["ignore", "pipe", "inherit"] });
      children.push(child);
      const [line] = (await once(child.stdout, "data")) as [Buffer];
      const { sipPort, wssPort } = JSON.parse(line.toString());
      return { child, processId, sipPort, wssPort, server: `127.0.0.1:${sipPort}` };
    },
    async servedBy(processId: string): Promise<void> {
      for (const deadline = Date.now() + 60_000; ; await sleep(100)) {
        const [row] = await house.office.database.sql<{ processId: string }[]>`
          select process_id as "processId" from voice.served where system_id = ${systemId} and until > now()`;
        if (row?.processId === processId) return;
        assert.ok(Date.now() < deadline, `still served by ${row?.processId}, not by ${processId}`);
      }
    },
  };
}
