import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "../client/client.ts";
import { CloudError } from "../kernel/errors.ts";
import { eventually } from "../testing/launcher.ts";
import { processTree } from "../testing/processes.ts";
import { type Client, exec, newCloud, uploadDebian } from "./cloud.ts";

/**
 * The control plane, or all of Khmara, is killed with -9 at a random moment, again and again, while servers and volumes are made and
 * deleted. In the end the records, the engine, the networks of the host, quotas and usage tell the same.
 */
const rounds = Number(process.env["KHMARA_COMPUTE_CRASH_ROUNDS"] ?? 100);
const cloud = await newCloud({ engine: true });
let client: Client;
/** One that asks once: the test itself is the one who tries again. */
let impatient: Client;
let organisationId: string;
let projectId: string;
const killed: Record<string, number> = {};

before(async () => {
  await cloud.start();
  const signedIn = await cloud.signIn();
  ({ client, organisationId, projectId } = signedIn);
  impatient = createClient({ baseUrl: cloud.url, retries: 0, headers: () => ({ authorization: `Bearer ${signedIn.token}` }) });
  for (const name of ["compute.instances", "compute.vcpus", "compute.volumes"])
    await client.quotaUpdate({ organisation: organisationId as never, name, limit: 10_000 });
  await uploadDebian(cloud, signedIn.token);
});
after(() => cloud.remove());

/** In every eighth round all of Khmara, else the control plane. */
async function kill(round: number): Promise<void> {
  const tree = processTree(cloud.pid);
  const control = tree.find(({ command }) => /server\/control\.[jt]s/.test(command));
  if (control === undefined || round % 8 === 7) {
    killed["supervisor"] = (killed["supervisor"] ?? 0) + 1;
    await cloud.kill();
    await cloud.start();
    return;
  }
  killed["control"] = (killed["control"] ?? 0) + 1;
  try {
    process.kill(control.pid, "SIGKILL");
  } catch {
    // It went by itself in between.
  }
}

/** Makes and deletes, never two things of one name; refusals of a cloud that is just dying are part of it. */
async function churn(worker: number, stop: AbortSignal): Promise<void> {
  for (let count = 0; !stop.aborted; count++) {
    const name = `w${worker}-${count}`;
    try {
      const made =
        count % 3 === 2
          ? await impatient.volumeCreate({ project: projectId as never, name, sizeBytes: 2 ** 30 } as never)
          : await impatient.instanceCreate({
              project: projectId as never,
              name,
              size: "nano",
              image: "debian-12",
              start: count % 2 === 0,
            } as never);
      await sleep(randomInt(2500), undefined, { signal: stop }).catch(() => {});
      // Some stay, for the comparison at the end.
      if (count % 5 === 4) continue;
      if (made.resource?.kind === "volume") await impatient.volumeDelete({ volume: made.resource.id as never, confirm: name });
      else await impatient.instanceDelete({ instance: made.resource?.id as never, force: true });
    } catch (error) {
      if (!CloudError.is(error)) throw error;
      await sleep(200);
    }
  }
}

test(`${rounds} rounds of kill -9 while servers and volumes come and go`, async (t) => {
  const stop = new AbortController();
  const workers = [0, 1, 2].map((worker) => churn(worker, stop.signal));
  for (let round = 0; round < rounds; round++) {
    await sleep(randomInt(100, 2200));
    await kill(round);
  }
  stop.abort();
  await Promise.all(workers);
  t.diagnostic(`killed: ${JSON.stringify(killed)}`);

  await t.test("every operation comes to its end", async () => {
    await eventually(
      async () => (await client.operationList({ organisation: organisationId as never, active: "true" } as never)).items,
      (items) => items.length === 0,
      180_000,
    );
  });

  const instances = async () => {
    const all = [];
    for await (const one of client.all("instanceList", { project: projectId as never, limit: 200 })) all.push(one);
    return all;
  };
  const volumes = async () => {
    const all = [];
    for await (const one of client.all("volumeList", { project: projectId as never, limit: 200 })) all.push(one);
    return all;
  };

  await t.test("records and engine are equal", async () => {
    await client.engineReconcile({} as never);
    const { items } = await client.differenceList({ limit: 100 } as never);
    assert.deepEqual(
      items.map(({ kind, resource, detail }) => `${kind} ${resource.name}: ${detail}`),
      [],
    );
    const records = await instances();
    assert.ok(records.length > 0, "nothing is left to compare");
    for (const record of records) assert.ok(["running", "stopped"].includes(record.state), `${record.name} is ${record.state}`);
    const inEngine = await engineList("instance");
    assert.deepEqual(
      inEngine.map(({ status }) => status).sort(),
      records.map(({ state }) => (state === "running" ? "Running" : "Stopped")).sort(),
    );
    const own = await volumes();
    for (const volume of own) assert.ok(["available", "attached"].includes(volume.state), `${volume.name} is ${volume.state}`);
    assert.equal((await engineList("volume")).length, own.length);
  });

  await t.test("quotas and usage say what is there", async () => {
    const records = await instances();
    const own = await volumes();
    const { items } = await client.quotaList({ organisation: organisationId as never } as never);
    const used = (name: string) => items.find((quota) => quota.name === name)?.used;
    assert.equal(used("compute.instances"), records.length);
    assert.equal(used("compute.volumes"), own.length);
    assert.equal(
      used("compute.vcpus"),
      records.reduce((sum, { vcpus }) => sum + vcpus, 0),
    );
    // What is still held counts to this moment; what ended did so longer ago.
    await sleep(6000);
    const asked = Date.now();
    const usage: { meter: string; resource: { id: string }; to: string }[] = [];
    for await (const one of client.all("usageRecordList", {
      organisation: organisationId as never,
      from: new Date(Date.now() - 3_600_000).toISOString(),
      to: new Date(Date.now() + 60_000).toISOString(),
      limit: 500,
    } as never))
      usage.push(one as { meter: string; resource: { id: string }; to: string });
    const open = (meter: string) =>
      usage
        .filter((one) => one.meter === meter && Date.parse(one.to) > asked - 3000)
        .map(({ resource }) => resource.id)
        .sort();
    assert.deepEqual(open("compute.disk"), records.map(({ id }) => id as string).sort());
    assert.deepEqual(
      open("compute.vcpus"),
      records
        .filter(({ state }) => state === "running")
        .map(({ id }) => id as string)
        .sort(),
    );
    assert.deepEqual(open("compute.volumes"), own.map(({ id }) => id as string).sort());
  });

  await t.test("everything can be deleted, and nothing is left of it", async () => {
    const begun = [];
    for (const { id } of await instances()) begun.push(await client.instanceDelete({ instance: id, force: true }));
    for (const { id, name } of await volumes()) begun.push(await client.volumeDelete({ volume: id, confirm: name }));
    for (const { id } of begun)
      await eventually(
        () => client.operationWait({ operation: id, timeoutSeconds: 20 }).then(({ state }) => state),
        (state) => state === "succeeded",
        120_000,
      );
    assert.deepEqual(await engineList("instance"), []);
    assert.deepEqual(await engineList("volume"), []);
  });
});

/** What the engine has of this cloud, asked from the engine itself. */
async function engineList(what: "instance" | "volume"): Promise<{ name: string; status: string }[]> {
  const socket = cloud.lxd?.socket as string;
  const path = what === "instance" ? "/1.0/instances" : `/1.0/storage-pools/${cloud.lxd?.poolName}/volumes/custom`;
  const answer = await exec("curl", [
    "-s",
    "--fail",
    "--unix-socket",
    socket,
    `http://engine${path}?recursion=1&project=${await engineProject()}`,
  ]);
  return (JSON.parse(answer) as { metadata: { name: string; status: string }[] }).metadata;
}

let project: string | undefined;
async function engineProject(): Promise<string> {
  if (project === undefined) {
    const { items } = await client.instanceList({ project: projectId as never, limit: 1 });
    const answer = await exec("curl", [
      "-s",
      "--unix-socket",
      cloud.lxd?.socket as string,
      "http://engine/1.0/instances?recursion=1&all-projects=true",
    ]);
    const all = (JSON.parse(answer) as { metadata: { name: string; project: string }[] }).metadata;
    project = all.find(({ name }) => String(items[0]?.id).endsWith(name.replace(/^kh-/, "")))?.project ?? "khmara";
  }
  return project;
}
