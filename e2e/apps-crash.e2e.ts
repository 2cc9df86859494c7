import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { mkdirSync, openAsBlob, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "../client/client.ts";
import { CloudError } from "../kernel/errors.ts";
import type { AppEngine } from "../services/apps/driver.ts";
import { eventually } from "../testing/launcher.ts";
import { processTree } from "../testing/processes.ts";
import { EngineOf } from "./app-engine.ts";
import { type Client, exec, finished, newCloud } from "./cloud.ts";
import { Visitors, visit } from "./visitors.ts";

/**
 * Processes of Khmara are killed with -9 at random moments while apps are deployed, rolled back, scaled and set anew, and databases are
 * made. People ask one of the apps all the time, and every answer has to be right; the other has a disk, and must never run twice.
 */
const rounds = Number(process.env["KHMARA_APPS_CRASH_ROUNDS"] ?? 15);
const versions = 4;
const databases = 2;
const cloud = await newCloud({ apps: true });
const httpPort = Number(cloud.apps?.httpPort);
let engine: EngineOf;
let driver: AppEngine;
let client: Client;
/** One that asks once: the test itself is the one who tries again. */
let impatient: Client;
let organisationId: string;
let projectId: string;
const killed: Record<string, number> = {};

/** In Perl, which the image has. On a disk it holds a lock, and tells when somebody else has it. */
const program = (version: number) => `use strict; use Fcntl ":flock"; use IO::Socket::INET;
my $held;
if (-d "/data") {
  open($held, ">>", "/data/lock") or die "lock: $!";
  unless (flock($held, LOCK_EX | LOCK_NB)) { open(my $file, ">>", "/data/conflicts"); print $file "release $ENV{KHMARA_RELEASE};"; close $file }
}
my $going = 1;
$SIG{TERM} = sub { $going = 0 };
my $server = IO::Socket::INET->new(LocalPort => 8080, Listen => 128, ReuseAddr => 1) or die $!;
while ($going) {
  my $client = $server->accept or next;
  my $path = "";
  while (defined(my $line = <$client>)) { $path = $1 if $line =~ /^GET (\\S+)/; last if $line =~ /^\\s*$/ }
  my $conflicts = do { local (@ARGV, $/) = ("/data/conflicts"); -e $ARGV[0] ? <> : "" };
  my $text = $path eq "/conflicts" ? "conflicts: $conflicts" : "release $ENV{KHMARA_RELEASE}, version ${version}, mark " . ($ENV{MARK} // "none");
  print $client "HTTP/1.1 200 OK\\r\\nContent-Length: " . length($text) . "\\r\\nConnection: close\\r\\n\\r\\n$text";
  close $client;
}
`;
const archives: Blob[] = [];

async function makeArchives(): Promise<void> {
  for (let version = 0; version < versions; version++) {
    const folder = join(cloud.folder, `version-${version}`);
    mkdirSync(folder);
    writeFileSync(join(folder, "server.pl"), program(version));
    const dockerfile =
      'FROM base.khmara.internal/static:12\nCOPY server.pl /app/server.pl\nEXPOSE 8080\nCMD ["perl", "/app/server.pl"]\n';
    writeFileSync(join(folder, "Dockerfile"), dockerfile);
    await exec("tar", ["-cf", `${folder}.tar`, "-C", folder, "."]);
    archives.push(await openAsBlob(`${folder}.tar`));
  }
}

const untilEnded = (operation: string, withinMs = 180_000) =>
  eventually(
    () => client.operationGet({ operation: operation as never }),
    ({ state }) => ["succeeded", "failed", "cancelled"].includes(state),
    withinMs,
  );

before(async () => {
  await cloud.start();
  const signedIn = await cloud.signIn();
  ({ client, organisationId, projectId } = signedIn);
  impatient = createClient({ baseUrl: cloud.url, retries: 0, headers: () => ({ authorization: `Bearer ${signedIn.token}` }) });
  engine = await EngineOf.open(cloud);
  driver = engine.driver();
  await engine.giveBase("static", "12");
  await engine.givePostgres("15");
  await makeArchives();
});
after(async () => {
  driver?.close();
  await cloud.remove();
  await engine?.remove();
});

/** One process of the cloud; the gateway is none, as people would see that. */
async function kill(): Promise<void> {
  const tree = processTree(cloud.pid);
  const of = (pattern: RegExp) => tree.filter(({ command }) => pattern.test(command)).map(({ pid }) => pid);
  const control = of(/server\/control\.[jt]s/);
  const kinds: [string, number[]][] = [
    ["control", control],
    ["control", control],
    ["control", control],
    ["supervisor", [cloud.pid]],
    ["postmaster", of(/bin\/postgres /)],
    ["backend", of(/^postgres:/)],
  ];
  const there = kinds.filter(([, pids]) => pids.length > 0);
  const [kind, pids] = there[randomInt(there.length)] as [string, number[]];
  killed[kind] = (killed[kind] ?? 0) + 1;
  if (kind === "supervisor") {
    await cloud.kill();
    await cloud.start();
    return;
  }
  try {
    process.kill(pids[randomInt(pids.length)] as number, "SIGKILL");
  } catch {
    // It went by itself in between.
  }
}

const untilServing = () =>
  eventually(
    () =>
      fetch(`${cloud.url}/readyz`, { signal: AbortSignal.timeout(5000) }).then(
        ({ ok }) => ok,
        () => false,
      ),
    (ok) => ok,
    60_000,
  );

/** What was acknowledged: operations, and the value that was said last (with those after it that nobody answered for). */
const operations: string[] = [];
const marks = new Map<string, Set<string>>();
const counts = new Map<string, Set<number>>();
const madeDatabases = { acknowledged: new Set<string>(), attempted: new Set<string>() };

async function attempt<T>(possible: Set<T>, value: T, work: () => Promise<{ id?: string } | undefined>): Promise<void> {
  possible.add(value);
  const answer = await work();
  possible.clear();
  possible.add(value);
  if (answer?.id !== undefined) operations.push(answer.id);
}

/** Changes an app as people do; refusals of a cloud that is just dying, or has its hands full, are part of it. */
async function churn(app: { id: string; name: string }, hasDisk: boolean, stop: AbortSignal): Promise<void> {
  const possibleMarks = marks.get(app.name) as Set<string>;
  const possibleCounts = counts.get(app.name) as Set<number>;
  const id = app.id as never;
  const signal = AbortSignal.timeout(600_000);
  for (let count = 0; !stop.aborted; count++) {
    try {
      const what = randomInt(hasDisk ? 3 : 5);
      if (what === 0) {
        const { id: operation } = await impatient.appDeploy(
          { app: id },
          { rawBody: archives[randomInt(versions)] as Blob, signal },
        );
        operations.push(operation);
      } else if (what === 1) {
        const { items } = await impatient.releaseList({ app: id });
        const back = items.filter(({ canRollBack, isLive }) => canRollBack && !isLive);
        const release = back[randomInt(Math.max(1, back.length))];
        if (release) operations.push((await impatient.appRollback({ app: id, release: release.number })).id);
      } else if (what === 2) {
        const value = `${app.name}-${count}`;
        await attempt(possibleMarks, value, async () => {
          await impatient.settingUpdate({ app: id, set: { MARK: value } } as never);
          return undefined;
        });
      } else {
        const value = randomInt(1, 4);
        await attempt(possibleCounts, value, () => impatient.processScale({ app: id, process: "web", count: value }));
      }
    } catch (error) {
      if (!CloudError.is(error)) throw error;
      if (CloudError.is(error, "invalid_argument") || CloudError.is(error, "quota_exceeded")) throw error;
    }
    await sleep(randomInt(200, 2500), undefined, { signal: stop }).catch(() => {});
  }
}

async function makeDatabases(stop: AbortSignal): Promise<void> {
  for (let count = 0; count < databases && !stop.aborted; ) {
    const name = `data-${count}`;
    madeDatabases.attempted.add(name);
    try {
      const body = { project: projectId as never, name, version: "15" as const, memoryBytes: 256 * 2 ** 20, diskBytes: 2 ** 30 };
      operations.push((await impatient.databaseCreate(body)).id);
      madeDatabases.acknowledged.add(name);
      count++;
    } catch (error) {
      if (!CloudError.is(error)) throw error;
      // An attempt without an answer may have made it.
      if (CloudError.is(error, "already_exists")) count++;
    }
    await sleep(randomInt(1000, 4000), undefined, { signal: stop }).catch(() => {});
  }
}

const appNamed = async (name: string) => {
  const { items } = await client.appList({ project: projectId as never });
  return items.find((each) => each.name === name) ?? assert.fail(`${name} is lost`);
};
const answer = async (name: string, path = "/") => (await visit(httpPort, `${name}.default.localhost`, { path })).text;
/** What the engine runs of an app's processes. */
const containersOf = async (app: { id: string }) =>
  (await driver.containerList()).filter(({ labels }) => labels["app"] === app.id && labels["kind"] === "app-process");

test(`${rounds} rounds of kill -9 while apps change and people visit them`, { timeout: 3_000_000 }, async (t) => {
  for (const name of ["site", "notes"]) {
    const { id } = await client.appCreate({ project: projectId as never, name });
    marks.set(name, new Set(["none"]));
    counts.set(name, new Set([1]));
    if (name === "notes") await client.appDiskCreate({ app: id, name: "data", path: "/data" });
    await finished(client, await client.appDeploy({ app: id }, { rawBody: archives[0] as Blob }));
  }
  const [site, notes] = [await appNamed("site"), await appNamed("notes")];
  const visitors = new Visitors(httpPort, "site.default.localhost", { people: 2 });
  const stop = new AbortController();
  const work = [churn(site, false, stop.signal), churn(notes, true, stop.signal), makeDatabases(stop.signal)];
  const working = Promise.all(work);
  working.catch(() => stop.abort());
  for (let round = 0; round < rounds && !stop.signal.aborted; round++) {
    await sleep(randomInt(300, 4000), undefined, { signal: stop.signal }).catch(() => {});
    await kill();
    // Otherwise a slow machine would do nothing but start.
    await untilServing();
  }
  stop.abort();
  await working;
  t.diagnostic(`killed: ${JSON.stringify(killed)}; ${operations.length} operations and ${visitors.answers} answers`);
  assert.ok(operations.length > rounds / 2, "the clients came to do their work");

  await t.test("every operation that was acknowledged comes to its end, and none for no reason", async () => {
    const ended = [];
    for (const id of operations) ended.push(await untilEnded(id, 300_000));
    await eventually(
      async () => (await client.operationList({ organisation: organisationId as never, active: "true" } as never)).items,
      (items) => items.length === 0,
      180_000,
    );
    assert.deepEqual(
      ended.filter(({ state }) => state === "failed").map(({ kind, error }) => `${kind}: ${error?.code} ${error?.message}`),
      [],
    );
    assert.ok(ended.some(({ state }) => state === "succeeded"));
  });

  await t.test("what is live is what answers, as often as was said last, and nothing else runs", async () => {
    for (const { name } of [site, notes]) {
      const app = await appNamed(name);
      assert.equal(app.state, "running", app.stateReason ?? name);
      const live = (await client.releaseList({ app: app.id })).items.find(({ isLive }) => isLive);
      const words = new RegExp(`^release ${live?.number}, `);
      await eventually(
        () => answer(name),
        (now) => words.test(now),
        60_000,
      );
      const wanted = app.processes.find((each) => each.name === "web")?.wanted ?? 0;
      assert.ok(counts.get(name)?.has(wanted), `${name}: ${wanted} of ${[...(counts.get(name) ?? [])]}`);
      const now = await eventually(
        () => containersOf(app),
        (all) => all.length === wanted && all.every(({ state }) => state === "running"),
        90_000,
      );
      for (const { labels } of now) assert.equal(labels["release"], live?.id);
    }
    assert.equal(await answer("notes", "/conflicts"), "conflicts: ", "two wrote to one disk");
  });

  await t.test("settings that were acknowledged are there, and reach the app", async () => {
    for (const { name, id } of [site, notes]) {
      const { items } = await client.settingList({ app: id });
      const mark = items.find((each) => each.name === "MARK")?.value ?? "none";
      assert.ok(marks.get(name)?.has(mark), `${name}: ${mark} of ${[...(marks.get(name) ?? [])]}`);
      // A rollback that came after them has brought those of its release: the next change brings all of now.
      const { operationId } = await client.settingUpdate({ app: id, set: { PROBE: "1" } } as never);
      await finished(client, { id: String(operationId) });
      assert.match(await answer(name), new RegExp(`, mark ${mark}$`));
    }
  });

  await t.test("databases that were acknowledged are there, once, and run", async () => {
    const { items } = await client.databaseList({ project: projectId as never });
    const names = items.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    for (const name of madeDatabases.acknowledged) assert.ok(names.includes(name), `${name} is lost`);
    for (const { id, name } of items) {
      assert.ok(madeDatabases.attempted.has(name), name);
      await eventually(
        () => client.databaseGet({ database: id }),
        ({ state }) => state === "running",
        120_000,
      );
      const { rows } = await client.databaseQuery({ database: id, sql: "select 1" });
      assert.deepEqual(rows, [["1"]]);
    }
  });

  await t.test("people got an answer all the time", async () => {
    await visitors.stop();
    assert.deepEqual(visitors.failures, []);
    assert.ok(visitors.answers > rounds * 20, `${visitors.answers} answers`);
  });

  await t.test("quotas, audit and engine agree, and when all is deleted nothing is left", async () => {
    assert.equal((await client.auditVerify({})).valid, true);
    for (const { id, name } of (await client.databaseList({ project: projectId as never })).items)
      await finished(client, await client.databaseDelete({ database: id, confirm: name }));
    for (const { id, name } of [site, notes]) await finished(client, await client.appDelete({ app: id, confirm: name }));
    await eventually(
      () => engine.leftovers().then(String),
      (left) => left === "",
      90_000,
    );
    const { items } = await client.quotaList({ organisation: organisationId as never });
    const held = items.filter(({ name, used }) => /^(apps|databases)\./.test(name) && used !== 0);
    assert.deepEqual(
      held.map(({ name, used }) => `${name} ${used}`),
      [],
    );
  });
});
