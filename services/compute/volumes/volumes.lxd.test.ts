import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { newId } from "../../../kernel/ids.ts";
import { silentLog } from "../../../kernel/log.ts";
import { eventually } from "../../../testing/launcher.ts";
import { lxdMissing, type TestProject, testLxd, testProject } from "../../../testing/lxd.ts";
import type { ComputeDriver } from "../driver.ts";
import { openLxdDriver } from "../drivers/lxd/index.ts";
import { gib, type TestDisks, testDisks } from "./testing/disks.ts";

const skip = lxdMissing();
const settings = { skip, timeout: 900_000 };
const mib = 1024 ** 2;

let cloud: TestDisks;
let driver: ComputeDriver;
let project: TestProject;
let image: string;
let size: string;

/** On the real engine; the network is a stand-in, as instances of this file have no cards. */
before(async () => {
  if (skip !== undefined) return;
  const lxd = await testLxd();
  project = await testProject(lxd, "khvol");
  driver = await openLxdDriver({ endpoint: lxd.socket, pool: lxd.poolName, engineProject: project.name, log: silentLog });
  cloud = await testDisks({ drivers: { engine: { driver } } });
  cloud.standIns.networks.ports = async () => new Map();
  image = newId("image");
  cloud.standIns.images.add({
    id: image as never,
    name: "debian-12",
    engineName: lxd.imageAlias,
    kind: "container",
    minimumDiskBytes: 2 * gib,
    defaultUser: "debian",
  });
  size = await cloud.size({ name: "of-this-test", vcpus: 1, memoryBytes: 512 * mib, diskBytes: 4 * gib });
});
after(async () => {
  await cloud?.stop();
  await project?.remove();
});

async function sh(instance: { id: string }, command: string): Promise<string> {
  const { exitCode, stdout, stderr } = await driver.instanceExec(cloud.engineName(instance.id), {
    command: ["sh", "-c", command],
    maxOutputBytes: 65_536,
  });
  assert.equal(exitCode, 0, `${command}: ${Buffer.from(stderr)}${Buffer.from(stdout)}`);
  return Buffer.from(stdout).toString().trim();
}
const newInstance = (name: string) => cloud.instance({ name, image, size });
const report = async (volume: { id: string }) =>
  (await driver.volumeList()).find(({ name }) => name === cloud.engineName(volume.id));

test(
  "data on a volume survives rebuild, snapshot and restore; the guest's root writes to it, and so does the next one's",
  settings,
  async () => {
    const instance = await newInstance("writer");
    const volume = await cloud.volume({ name: "data", sizeBytes: gib });
    await cloud.attach(volume.id, instance.id, "/mnt/data");
    assert.equal(await sh(instance, "stat -c '%u %g %F' /mnt/data"), "0 0 directory");
    await sh(
      instance,
      "echo first > /mnt/data/a && mkdir /mnt/data/d && chown 1000:1000 /mnt/data/d && head -c 5000000 /dev/urandom > /mnt/data/d/b && sync",
    );
    const sum = await sh(instance, "sha256sum /mnt/data/d/b");
    assert.deepEqual((await report(volume))?.attachedTo, [cloud.engineName(instance.id)]);

    await cloud.act("POST", `/instances/${instance.id}/rebuild`, { confirm: "writer" });
    assert.equal(await sh(instance, "cat /mnt/data/a; sha256sum /mnt/data/d/b; stat -c %u /mnt/data/d"), `first\n${sum}\n1000`);

    const snapshot = await cloud.snapshot({ volume: volume.id }, "before");
    await sh(instance, "echo second > /mnt/data/a; rm -r /mnt/data/d; sync");
    // The storage counts what was deleted a moment later; the cloud, which may have asked before that, within five minutes.
    await eventually(
      () => driver.volumeSnapshotList(cloud.engineName(volume.id)),
      ([report]) => (report?.sizeBytes ?? 0) >= 5_000_000,
    );
    await cloud.work("compute.snapshot_sizes");
    assert.ok((await cloud.get(`/snapshots/${snapshot.id}`)).usedBytes > 0);
    const lost = await cloud.call("editor", "POST", `/snapshots/${snapshot.id}/restore`, { confirm: "data" });
    assert.equal(lost.body.reason, "instance_running");
    await cloud.act("POST", `/snapshots/${snapshot.id}/restore`, { confirm: "data", stopFirst: true });
    assert.equal(await sh(instance, "cat /mnt/data/a; sha256sum /mnt/data/d/b; stat -c %u /mnt/data/d"), `first\n${sum}\n1000`);
    await sh(instance, "touch /mnt/data/after");

    await cloud.act("POST", `/volumes/${volume.id}/resize`, { sizeBytes: 2 * gib });
    assert.equal((await report(volume))?.sizeBytes, 2 * gib);
    await cloud.act("POST", `/volumes/${volume.id}/detach`, {});
    assert.equal(await sh(instance, "ls /mnt/data 2>/dev/null | wc -l"), "0");
    const second = await newInstance("reader");
    await cloud.attach(volume.id, second.id, "/srv");
    assert.equal(
      await sh(second, "cat /srv/a; sha256sum < /srv/d/b | head -c 64; stat -c ' %u' /srv/d"),
      `first\n${sum.slice(0, 64)} 1000`,
    );
    await sh(second, "echo mine > /srv/a");

    const clone = await cloud.volume({ name: "of-the-snapshot", snapshot: snapshot.id });
    await cloud.attach(clone.id, second.id, "/mnt/clone");
    assert.equal(await sh(second, "cat /srv/a /mnt/clone/a; touch /mnt/clone/x"), "mine\nfirst");
    // The instance goes, its volumes stay.
    await cloud.act("DELETE", `/instances/${second.id}`);
    assert.equal((await cloud.get(`/volumes/${clone.id}`)).state, "available");
    assert.deepEqual((await report(clone))?.attachedTo, []);
    await cloud.act("DELETE", `/volumes/${clone.id}?confirm=of-the-snapshot`);
    await cloud.act("DELETE", `/volumes/${volume.id}?confirm=data`);
    assert.deepEqual([await report(volume), await report(clone)], [undefined, undefined]);
    await cloud.act("DELETE", `/instances/${instance.id}`);
  },
);

test(
  "an instance goes back to its snapshot and keeps what it has now: volumes and size; a clone of it boots",
  settings,
  async () => {
    const instance = await newInstance("traveller");
    await sh(instance, "echo then > /root/when; sync");
    const snapshot = await cloud.snapshot({ instance: instance.id }, "then");
    const volume = await cloud.volume({ sizeBytes: gib });
    await cloud.attach(volume.id, instance.id, "/mnt/data");
    await sh(instance, "echo now > /root/when; echo kept > /mnt/data/k; sync");
    await cloud.act("POST", `/snapshots/${snapshot.id}/restore`, { confirm: "traveller", stopFirst: true });
    assert.equal(await sh(instance, "cat /root/when /mnt/data/k"), "then\nkept");
    const { resource } = await cloud.act("POST", `/snapshots/${snapshot.id}/clone`, { name: "twin" });
    assert.equal(await sh({ id: resource }, "cat /root/when; ls /mnt/data 2>/dev/null | wc -l"), "then\n0");
    assert.deepEqual(await cloud.compute.parts.volumes.reconcile(), { repaired: [], missing: [], orphans: [] });
    for (const id of [resource, instance.id]) await cloud.act("DELETE", `/instances/${id}`);
    assert.equal(await cloud.get(`/snapshots/${snapshot.id}`), undefined);
  },
);

test(
  "an instance comes back from its backup and boots; the drill proves it, and fails on a damaged object",
  settings,
  async () => {
    const bucket = await cloud.bucket();
    const instance = await newInstance("shop");
    const volume = await cloud.volume({ sizeBytes: gib });
    await cloud.attach(volume.id, instance.id, "/mnt/data");
    await sh(instance, "echo sold > /root/orders; sync");
    const backup = await cloud.backup({ instance: instance.id }, bucket.name);
    assert.ok(backup.sizeBytes > 10 * mib);
    const drill = async (body: object) => {
      const answer = await cloud.call("editor", "POST", `/backups/${backup.id}/verify`, body);
      const operation = await cloud.ended(answer.body.id);
      const [verification] = (await cloud.call("editor", "GET", `/backups/${backup.id}/verifications`)).body.items;
      return { operation, verification };
    };
    const command = "grep sold /root/orders && test ! -e /sys/class/net/eth0 && test ! -e /mnt/data/x";
    const good = await drill({ command });
    assert.equal(good.operation.state, "succeeded", good.verification.log);
    assert.match(good.verification.log, /systemd says (running|degraded)/);
    const bad = await drill({ command: "grep stolen /root/orders" });
    assert.deepEqual([bad.operation.state, bad.verification.state], ["failed", "failed"]);
    assert.match(bad.verification.message, /exit code 1/);

    await cloud.act("DELETE", `/instances/${instance.id}`);
    const restored = await cloud.call("editor", "POST", `/backups/${backup.id}/restore`, { name: "shop-again" });
    assert.equal((await cloud.ended(restored.body.id)).state, "succeeded");
    const again = await cloud.get(`/instances/${restored.body.resource.id}`);
    assert.equal(again.state, "running");
    // Its new name is cloud-init's to set, a moment later.
    await sh(again, "cloud-init status --wait >/dev/null || true");
    assert.equal(await sh(again, "cat /root/orders; hostname"), "sold\nshop-again");
    await cloud.act("DELETE", `/instances/${again.id}`);

    // The last byte of the object is another one now.
    const path = `/buckets/${bucket.id}/object/content?key=${encodeURIComponent(backup.key)}`;
    const bytes = Buffer.from(await (await cloud.fetch("editor", path)).arrayBuffer());
    bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
    assert.equal((await cloud.fetch("editor", path, { method: "PUT", body: bytes })).status, 201);
    const damaged = await drill({});
    assert.deepEqual([damaged.operation.state, damaged.verification.state], ["failed", "failed"]);
    assert.match(damaged.verification.message, /is damaged/);
    const refused = await cloud.call("editor", "POST", `/backups/${backup.id}/restore`, { name: "shop-damaged" });
    const ended = await cloud.ended(refused.body.id);
    assert.equal(ended.state, "failed");
    await eventually(
      () => driver.instanceList(),
      ({ length }) => length === 0,
    );
    assert.equal((await cloud.get(`/backups/${backup.id}`)).verification, "failed");
    await cloud.act("DELETE", `/backups/${backup.id}`);
  },
);

test("a volume comes back from its backup with every file as it was; its drill compares them", settings, async () => {
  const bucket = await cloud.bucket();
  const instance = await newInstance("scribe");
  const volume = await cloud.volume({ name: "books", sizeBytes: gib });
  await cloud.attach(volume.id, instance.id, "/srv");
  await sh(
    instance,
    "mkdir -p /srv/a/b && head -c 3000000 /dev/urandom > /srv/a/b/c && ln -s a/b/c /srv/l && ln /srv/a/b/c /srv/hard && chown -R 33:33 /srv/a && chmod 4750 /srv/a/b/c && touch -d '2020-01-02 03:04:05' /srv/a/b/c && mkfifo /srv/pipe && sync",
  );
  const look = (at: string) =>
    sh(instance, `cd ${at} && find . ! -path . -printf '%p %y %m %U %G %s %l\\n' | grep -v ' d ' | sort; sha256sum a/b/c hard`);
  const before = await look("/srv");
  const backup = await cloud.backup({ volume: volume.id }, bucket.name);
  const answer = await cloud.call("editor", "POST", `/backups/${backup.id}/verify`, {});
  const operation = await cloud.ended(answer.body.id);
  const [verification] = (await cloud.call("editor", "GET", `/backups/${backup.id}/verifications`)).body.items;
  assert.equal(operation.state, "succeeded", `${verification.log} ${JSON.stringify(operation.error)}`);
  assert.match(verification.log, /files with \d+ bytes were restored/);
  const restored = await cloud.volume({ name: "books-again", backup: backup.id, sizeBytes: 2 * gib });
  assert.equal((await report(restored))?.sizeBytes, 2 * gib);
  await cloud.attach(restored.id, instance.id, "/mnt/again");
  assert.equal(await look("/mnt/again"), before);
  await cloud.act("DELETE", `/instances/${instance.id}`);
  for (const { id, name } of [volume, restored]) await cloud.act("DELETE", `/volumes/${id}?confirm=${name}`);
  assert.deepEqual([await report(volume), await report(restored)], [undefined, undefined]);
  assert.ok((await driver.volumeList()).every(({ labels }) => labels["restore-drill"] === undefined));
});
