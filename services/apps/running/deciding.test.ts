import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Load, wantedCount } from "./autoscale.ts";
import { verdictOf } from "./healthOfApps.ts";
import { percentOf } from "./sampling.ts";
import type { ContainerRow } from "./store/containers.ts";

describe("what is decided about apps", () => {
  const patience = { upMs: 60_000, downMs: 300_000 };
  const load = (change: Partial<Load>): Load => ({
    count: 2,
    minimum: 1,
    maximum: 10,
    targetPercent: 70,
    cpuPercent: 70,
    sinceChangeMs: undefined,
    ...change,
  });
  const cases: [string, Partial<Load>, number][] = [
    ["at its target nothing changes", {}, 2],
    ["a little above it neither", { cpuPercent: 76 }, 2],
    ["nor a little below", { cpuPercent: 64 }, 2],
    ["busy: as many as it takes", { cpuPercent: 100 }, 3],
    ["very busy, with a low target", { cpuPercent: 100, targetPercent: 20 }, 10],
    ["idle: down to the least", { cpuPercent: 0 }, 1],
    ["half as busy: half as many", { count: 6, cpuPercent: 35 }, 3],
    ["never above the limit", { count: 9, cpuPercent: 100 }, 10],
    ["up again only after a minute", { cpuPercent: 100, sinceChangeMs: 59_000 }, 2],
    ["then it does", { cpuPercent: 100, sinceChangeMs: 60_000 }, 3],
    ["down only after five", { cpuPercent: 10, sinceChangeMs: 299_000 }, 2],
    ["then it does", { cpuPercent: 10, sinceChangeMs: 300_000 }, 1],
    ["limits hold at once, whatever was measured", { count: 12, cpuPercent: undefined, sinceChangeMs: 1 }, 10],
    ["and from below", { count: 1, minimum: 3, cpuPercent: undefined, sinceChangeMs: 1 }, 3],
    ["nothing known, nothing done", { cpuPercent: undefined }, 2],
  ];
  for (const [title, change, wanted] of cases)
    test(`scaling: ${title} (${wanted})`, () => assert.equal(wantedCount(load(change), patience), wanted));

  test("processor time between two looks is a part of what a container may use", () => {
    const then = { cpuSeconds: 10, atMs: 1000 };
    assert.equal(percentOf(then, { cpuSeconds: 15, atMs: 11_000 }, 1), 50);
    assert.equal(percentOf(then, { cpuSeconds: 15, atMs: 11_000 }, 2), 25);
    assert.equal(percentOf(then, { cpuSeconds: 40, atMs: 11_000 }, 1), 100);
    assert.equal(percentOf(undefined, { cpuSeconds: 15, atMs: 11_000 }, 1), null);
    assert.equal(percentOf(then, { cpuSeconds: 1, atMs: 11_000 }, 1), null, "another container");
    assert.equal(percentOf(then, { cpuSeconds: 15, atMs: 500_000 }, 1), null, "too long ago");
  });

  const now = Date.now();
  const row = (change: Partial<ContainerRow>): ContainerRow => ({
    engineName: "a-web-1",
    appId: "app_1",
    releaseId: "rel_1" as ContainerRow["releaseId"],
    releaseNumber: 1,
    organisationId: "org_1",
    projectId: "prj_1",
    process: "web",
    number: 1,
    memoryBytes: 1,
    cpus: 1,
    mounts: [],
    state: "healthy",
    stateReason: null,
    address: null,
    port: 80,
    crashes: 0,
    createdAt: new Date(now),
    drainingSince: null,
    node: null,
    leaving: false,
    ...change,
  });
  const web = [{ name: "web", count: 2 }];
  test("an app runs when something of each process is healthy, and fails with a reason", () => {
    const verdict = (rows: ContainerRow[], processes = web) => verdictOf(rows, processes, 30, now);
    assert.deepEqual(verdict([row({}), row({ number: 2, state: "starting" })]), { state: "running" });
    assert.equal(verdict([row({ state: "starting" })]), undefined, "it is coming up");
    assert.equal(verdict([]), undefined, "it is not there yet");
    assert.deepEqual(verdict([], [{ name: "web", count: 0 }]), { state: "running" }, "nothing is wanted");
    assert.match(
      verdict([row({ state: "unhealthy", stateReason: "GET / answered 500" })])?.reason ?? "",
      /web-1: GET \/ answered 500/,
    );
    const looping = verdict([
      row({}),
      row({ number: 2, state: "starting", crashes: 3, stateReason: "web-2 ended with exit code 1." }),
    ]);
    assert.equal(looping?.state, "failing");
    assert.match(looping?.reason ?? "", /exit code 1.*again and again/);
    const worker = [
      { name: "web", count: 1 },
      { name: "worker", count: 1 },
    ];
    assert.equal(verdict([row({})], worker), undefined, "a process of several is missing");
    const late = row({
      process: "worker",
      state: "starting",
      stateReason: "worker-1 could not be started.",
      createdAt: new Date(now - 61_000),
    });
    assert.equal(verdict([row({}), late], worker)?.state, "failing");
  });
});
