/**
 * The media engines with one worker: calls that they bridge, and conferences that they mix. Where packets are passed on as they are (SRTP is taken off and put on) each
 * carries the moment when it was sent; where they are transcoded the beginnings of sounds are looked for. All parties are this process, and its own part is
 * measured without a worker between.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { CodecName, MediaEngine } from "../services/voice/media/engine.ts";
import { openMediaEngine } from "../services/voice/media/openEngine.ts";
import { startRtpengine } from "../services/voice/media/testing/rtpengine.ts";
import { pssBytes } from "../testing/processes.ts";
import { Party, type PartyOptions } from "./mediaParties.ts";
import { cpuSeconds, figure, table, tell } from "./report.ts";
import type { BenchOptions } from "./run.ts";

const warmUpMs = 1500;

/** All of them say a packet every 20 ms, spread over that time, for so long. */
async function talk(parties: readonly Party[], ms: number): Promise<void> {
  const end = performance.now() + ms;
  let next = performance.now();
  let turn = 0;
  const step = 20 / parties.length;
  while (performance.now() < end) {
    for (; next <= performance.now(); next += step) parties[turn++ % parties.length]!.say();
    await sleep(1);
  }
}

interface Scenario {
  name: string;
  engine: MediaEngine | undefined;
  /** Processes that take part. */
  pids: readonly number[];
  calls: number;
  prepare: () => Promise<Party[]>;
  /** Somebody makes sound of its own: packets come whether we send or not. */
  isMade?: boolean;
}

async function measure({ name, pids, calls, prepare, isMade = false }: Scenario, ms: number): Promise<string[]> {
  const cpuNow = () => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const memoryNow = () => pids.reduce((sum, pid) => sum + pssBytes(pid), 0);
  const [cpuIdle, memoryIdle] = [cpuNow(), memoryNow()];
  const parties = await prepare();
  const setUp = (1000 * (cpuNow() - cpuIdle)) / calls;
  await talk(parties, warmUpMs);
  // A pause would be a jitter of that length to who makes audio of its own: their packets' timestamps go on without a gap.
  if (!isMade) await sleep(300);
  for (const { figures } of parties) Object.assign(figures, { sent: 0, received: 0, delays: [] });
  const before = cpuNow();
  const began = performance.now();
  await talk(parties, ms);
  const cpu = ((cpuNow() - before) / (performance.now() - began)) * 1e5;
  // What is under way.
  if (!isMade) await sleep(300);
  const sum = (of: (party: Party) => number): number => parties.reduce((all, party) => all + of(party), 0);
  const delays = parties.flatMap(({ figures }) => figures.delays).sort((a, b) => a - b);
  const at = (share: number): string => (delays.length === 0 ? "" : figure(delays[Math.floor(share * (delays.length - 1))]!));
  const [sent, received] = [sum(({ figures }) => figures.sent), sum(({ figures }) => figures.received)];
  const memory = (memoryNow() - memoryIdle) / calls / 1024;
  tell(`${name}: ${sent} sent, ${received} received, p50 ${at(0.5)}, p99 ${at(0.99)}, ${cpu.toFixed(0)} %`);
  for (const party of parties) party.close();
  const ofProcesses =
    pids.length === 0 ? ["", "", ""] : [`${cpu.toFixed(0)} %`, `${setUp.toFixed(1)} ms`, `${memory.toFixed(0)} KiB`];
  return [name, String(sent), String(received), at(0.5), at(0.99), ...ofProcesses];
}

async function bridged(engine: MediaEngine, calls: number, one: PartyOptions, other: PartyOptions): Promise<Party[]> {
  const parties: Party[] = [];
  for (let i = 0; i < calls; i++) {
    const call = engine.call(`bench-${i}`);
    const pair = [await Party.open(one), await Party.open(other)] as const;
    [pair[0].other, pair[1].other] = [pair[1], pair[0]];
    const legs = [call.leg(), call.leg()] as const;
    await Promise.all([pair[0].call(legs[0]), pair[1].call(legs[1])]);
    await engine.bridge(legs[0], legs[1]);
    parties.push(...pair);
  }
  return parties;
}

async function conference(engine: MediaEngine, parties: number, codec: CodecName): Promise<Party[]> {
  const room = engine.conference("bench");
  const members: Party[] = [];
  for (let i = 0; i < parties; i++) {
    const leg = engine.call(`bench-${i}`).leg();
    const party = await Party.open({ codec });
    await party.call(leg);
    await room.join(leg);
    members.push(party);
  }
  return members;
}

/** Pairs that send to each other directly. */
async function pairs(calls: number, kind: "rtp" | "srtp"): Promise<Party[]> {
  const parties: Party[] = [];
  for (let i = 0; i < 2 * calls; i++) parties.push(await Party.open({ codec: "PCMU", kind, isPassedOn: true }));
  for (const [i, party] of parties.entries()) party.connect(parties[i ^ 1]!);
  return parties;
}

const passedOn = { codec: "PCMU", isPassedOn: true } as const;
const browser = { ...passedOn, kind: "browser" } as const;
const securePhone = { ...passedOn, kind: "srtp" } as const;
const opusBrowser = { codec: "opus", kind: "browser" } as const;
const pcmaPhone = { codec: "PCMA", kind: "srtp" } as const;

type Row = Pick<Scenario, "name" | "calls" | "isMade"> & { prepare: (engine: MediaEngine) => Promise<Party[]> };

const row = (calls: number, what: string, one: PartyOptions, other: PartyOptions): Row => ({
  name: `${calls} calls, ${what}`,
  calls,
  isMade: !one.isPassedOn,
  prepare: (engine) => bridged(engine, calls, one, other),
});

const embeddedRows: readonly Row[] = [
  row(50, "browser to SRTP, PCMU passed on", browser, securePhone),
  row(100, "browser to SRTP, PCMU passed on", browser, securePhone),
  row(20, "browser to SRTP, Opus to PCMA", opusBrowser, pcmaPhone),
  row(50, "browser to SRTP, Opus to PCMA", opusBrowser, pcmaPhone),
  row(50, "SRTP to RTP, PCMU passed on", securePhone, passedOn),
  row(100, "SRTP to RTP, PCMU passed on", securePhone, passedOn),
  {
    name: "a conference of 30, PCMU, all talk",
    calls: 30,
    isMade: true,
    prepare: (engine) => conference(engine, 30, "PCMU"),
  },
  {
    name: "a conference of 30, Opus, all talk",
    calls: 30,
    isMade: true,
    prepare: (engine) => conference(engine, 30, "opus"),
  },
];

const rtpengineRows: readonly Row[] = [
  row(50, "browser to SRTP, PCMU, rtpengine", browser, securePhone),
  row(100, "browser to SRTP, PCMU, rtpengine", browser, securePhone),
  row(100, "SRTP to RTP, PCMU, rtpengine", securePhone, passedOn),
];

const embedded = { kind: "embedded", workers: 1, ports: [34_000, 34_999], advertised: ["127.0.0.1"] } as const;

async function withEngine(each: Row, ms: number, engine: MediaEngine, more: readonly number[] = []): Promise<string[]> {
  try {
    // A worker is started with its first leg.
    const first = engine.call("first");
    await first.leg().offer();
    await first.close();
    const pid = (await engine.figures()).workers[0]!.pid!;
    return await measure({ ...each, engine, pids: [pid, ...more], prepare: () => each.prepare(engine) }, ms);
  } finally {
    await engine.close();
  }
}

export async function run({ seconds = 10 }: Partial<BenchOptions>): Promise<string> {
  const ms = seconds * 1000;
  const rows: string[][] = [];
  for (const kind of ["rtp", "srtp"] as const) {
    const name = `floor: 50 pairs, ${kind.toUpperCase()}, without a worker`;
    rows.push(await measure({ name, engine: undefined, pids: [], calls: 50, prepare: () => pairs(50, kind) }, ms));
  }
  for (const each of embeddedRows) rows.push(await withEngine(each, ms, await openMediaEngine(embedded)));
  for (const each of rtpengineRows) {
    const edge = await startRtpengine([35_000, 36_999]);
    try {
      const engine = await openMediaEngine({ kind: "rtpengine", hosts: [edge], embedded });
      rows.push(await withEngine(each, ms, engine, [edge.child.pid!]));
    } finally {
      await edge.stop();
    }
  }
  const head = [
    "one worker",
    "sent",
    "received",
    "delay p50, ms",
    "p99, ms",
    "of one processor",
    "to set up a call",
    "memory of a call",
  ];
  return table(head, rows);
}
