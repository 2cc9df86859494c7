/**
 * Calls through the whole phone system, by SIPp: from one trunk in, to another one out, each with media legs that are bridged, an active call and a record. Beside
 * it, in turns, Kamailio as a plain proxy, which does none of that, and SIPp with SIPp. Then the same with phones that register all the time.
 */
import { spawnSync } from "node:child_process";
import { cpus } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { TestCloud } from "../e2e/cloud.ts";
import { type SippFigures, startSipp } from "../services/voice/testing/sipp.ts";
import { freePort } from "../testing/ports.ts";
import { processTree } from "../testing/processes.ts";
import { installTestTools } from "../tools/test-tools.ts";
import { startKamailio } from "./kamailio.ts";
import { cpuSeconds, figure, table, tell } from "./report.ts";
import type { BenchOptions } from "./run.ts";

const providerIn = "127.0.0.31";
const providerOut = "127.0.0.32";
const number = "+33199000001";
const elsewhere = "+33299000002";
/** How long each call lasts. */
const talkSeconds = 1;
const registrationsPerMinute = 2000;

interface Load {
  name: string;
  /** What the callers call. */
  target: string;
  answerPort: number;
  rate: number;
  seconds: number;
  /** Whose processor time counts, by what it is called in the table. */
  pids: Record<string, () => number[]>;
}

/** PostgreSQL's processes end with their connections, each minute: what those took is their parent's. */
const cpuOf = (pids: Load["pids"]): Record<string, number> =>
  Object.fromEntries(
    Object.entries(pids).map(([name, of]) => [name, of().reduce((sum, pid) => sum + cpuSeconds(pid, name === "PostgreSQL"), 0)]),
  );

/** Processes, and what they start, on these processors alone. */
const pin = (pids: readonly number[], processors: string): void => {
  for (const pid of pids) spawnSync("taskset", ["-a", "-c", "-p", processors, String(pid)]);
};

/** Calls of so many a second until all are over. */
async function load({ name, target, answerPort, rate, seconds, pids }: Load): Promise<string[]> {
  const calls = rate * seconds;
  // It ends after so many, and counts what comes late from the load before.
  const called = await startSipp({ scenario: "uas", host: providerOut, port: answerPort, calls: 2 * calls + 1000 });
  const before = cpuOf(pids);
  const callers = { host: providerIn, service: number, timed: true, limit: 10_000, seconds: talkSeconds } as const;
  const caller = await startSipp({ scenario: "uac", target, calls, rate, ...callers });
  let figures: SippFigures;
  try {
    figures = await caller.finished((seconds + 60) * 1000);
  } finally {
    await Promise.all([caller.close(), called.close()]);
  }
  const after = cpuOf(pids);
  const { times, failed, retransmissions } = figures;
  const at = (share: number) => figure(times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? Number.NaN);
  const cpu = Object.keys(pids)
    .map((part) => `${part} ${figure((((after[part] as number) - (before[part] as number)) * 1000) / calls)}`)
    .join(", ");
  tell(`voice: ${name}, ${rate}/s: p99 ${at(0.99)} ms, ${failed} failed`);
  return [name, String(rate), String(calls), String(failed), String(retransmissions), at(0.5), at(0.99), cpu];
}

type Account = { userName: string; password: string; domain: string };

const register = (server: string): string => `<?xml version="1.0"?><scenario name="register">
${[1, 2]
  .map(
    (cseq) => `<send retrans="500"><![CDATA[
REGISTER sip:[field2] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
From: <sip:[field0]@[field2]>;tag=[call_number]
To: <sip:[field0]@[field2]>
Call-ID: [call_id]
CSeq: ${cseq} REGISTER
Contact: <sip:[field0]@[local_ip]:[local_port]>;expires=600
${cseq === 2 ? "[field3]\n" : ""}Max-Forwards: 70
Content-Length: 0

]]></send>
${cseq === 1 ? '<recv response="401" auth="true"></recv>' : '<recv response="200"></recv>'}`,
  )
  .join("\n")}
</scenario><!-- ${server} -->`;

/** Each phone again and again, for so long. */
async function refresh(server: string, accounts: Account[], seconds: number): Promise<{ failed: number; calls: number }> {
  const rate = Math.round(registrationsPerMinute / 60);
  const fields = accounts.map(({ userName, password, domain }) => [
    ...[userName, password, domain],
    `[authentication username=${userName} password=${password}]`,
  ]);
  const lines = Array.from({ length: rate * seconds }, (_, i) => fields[i % fields.length] as string[]);
  const sipp = await startSipp({
    scenario: register(server),
    target: server,
    calls: lines.length,
    rate,
    limit: 1000,
    fields: lines,
  });
  try {
    return await sipp.finished((seconds + 60) * 1000);
  } finally {
    await sipp.close();
  }
}

export async function run({ seconds = 10 }: Partial<BenchOptions>): Promise<string> {
  await installTestTools({ "/usr/bin/sipp": "sip-tester", "/usr/sbin/kamailio": "kamailio" });
  const [sipPort, webSocketPort, answerPort] = [await freePort(), await freePort(), await freePort()];
  const phones = { sipPort, webSocketPort, rtpPorts: "24000-31999" };
  const cloud = new TestCloud(await freePort(), await freePort(), { phones });
  let kamailio: Awaited<ReturnType<typeof startKamailio>>;
  try {
    kamailio = await startKamailio(`${providerOut}:${answerPort}`);
    await cloud.start();
    const { accounts, pids } = await prepare(cloud, answerPort);
    const server = `127.0.0.1:${sipPort}`;
    const common = { answerPort, seconds };
    const rows: string[][] = [];
    await load({ ...common, name: "warm-up", target: server, rate: 20, pids: {} });
    for (const rate of [50, 100, 200]) {
      rows.push(await load({ ...common, name: "SIPp with SIPp", target: `${providerOut}:${answerPort}`, rate, pids: {} }));
      if (kamailio)
        rows.push(await load({ ...common, name: "Kamailio", target: kamailio.address, rate, pids: { proxy: kamailio.pids } }));
      rows.push(await load({ ...common, name: "Khmara", target: server, rate, pids }));
      await sleep(2000);
    }
    const [calls, registrations] = await Promise.all([
      load({ ...common, name: `Khmara, ${registrationsPerMinute} registrations a minute`, target: server, rate: 50, pids }),
      refresh(server, accounts, seconds),
    ]);
    rows.push(calls);
    // SIPp is started by us: on what is left.
    pin(
      Object.values(pids).flatMap((of) => of()),
      "0",
    );
    if (cpus().length > 1) pin([process.pid], `1-${cpus().length - 1}`);
    for (const rate of [100, 200])
      rows.push(await load({ ...common, name: "Khmara, all on one processor", target: server, rate, pids }));
    const head = [
      "calls",
      "a second",
      "in all",
      "failed",
      "sent again",
      "answer p50, ms",
      "p99, ms",
      "processor ms for each call",
    ];
    return `${table(head, rows)}\n\nOf ${registrations.calls} registrations ${registrations.failed} failed.`;
  } finally {
    await kamailio?.stop();
    await cloud.remove();
  }
}

/** Two trunks, a number that leads from one to the other, and phones. */
async function prepare(cloud: TestCloud, answerPort: number) {
  const { client, projectId } = await cloud.signIn();
  const system = await client.phoneSystemCreate({ project: projectId as never, name: "Bench", country: "FR" });
  const phoneSystem = system.id;
  await client.phoneSystemUpdate({ phoneSystem, limits: { maxExternalCalls: 10_000 } } as never);
  const line = { kind: "ip", transport: "udp", qualifySeconds: 0 } as const;
  await client.trunkCreate({ phoneSystem, name: "In", host: providerIn, sourceAddresses: [providerIn], ...line });
  const out = await client.trunkCreate({ phoneSystem, name: "Out", host: providerOut, port: answerPort, ...line });
  await client.outboundRouteCreate({ phoneSystem, name: "Out", prefixes: ["+"], trunks: [out.id] });
  await client.phoneNumberCreate({ phoneSystem, number, destination: { kind: "number", number: elsewhere } });
  const accounts: Account[] = [];
  for (let i = 0; i < 20; i++) {
    const extension = await client.extensionCreate({ phoneSystem, number: String(200 + i), name: `Phone ${i}` });
    const { account } = await client.phoneDeviceCreate({ extension: extension.id, kind: "desk", label: "Phone" });
    accounts.push(account);
  }
  const tree = (what: RegExp) => () =>
    processTree(cloud.pid)
      .filter(({ command }) => what.test(command))
      .map(({ pid }) => pid);
  const pids = { voice: tree(/server\/voice\.[jt]s/), media: tree(/embedded\/worker\.ts/), PostgreSQL: tree(/postgres/) };
  for (let attempt = 0; tree(/server\/voice\.[jt]s/)().length === 0 && attempt < 100; attempt++) await sleep(100);
  return { accounts, pids };
}
