import { newId } from "../../kernel/ids.ts";
import type { Case, Input } from "./authorizationCase.ts";
import { as, bucket, cloud, organisation, project, unique } from "./authorizationWalk.ts";

/** There is no engine here that could make one: only the record. */
const newInstance = async (state = "running") => {
  const id = newId("instance");
  await cloud.database
    .sql`insert into compute.instances (id, organisation_id, project_id, name, engine_name, kind, state, size_name, vcpus,
      memory_bytes, disk_bytes, image_name, created_at)
    values (${id}, ${organisation}, ${project}, ${unique("walked")}, ${`kh-${id.slice(-12)}`}, 'container', ${state}, 'small', 1, 1073741824,
      10737418240, 'debian-12', now())`;
  return id;
};
const onInstance = (body?: object, state?: string): Case => ({
  // Whoever may do it is told that there is no engine.
  ownerStatus: 409,
  input: async () => ({ params: { instance: await newInstance(state) }, ...(body ? { body } : {}) }),
});
const newImage = async () => {
  const id = newId("image");
  await cloud.database
    .sql`insert into compute.images (id, organisation_id, project_id, name, engine_name, kind, state, size_bytes, default_user, visibility,
      source_kind, source_name, created_at)
    values (${id}, ${organisation}, ${project}, ${unique("walked")}, ${`kh-${id.slice(-12)}`}, 'container', 'ready', 1, 'root', 'private',
      'upload', 'walked', now())`;
  return id;
};
const newDifference = async () => {
  const id = newId("difference");
  await cloud.database
    .sql`insert into compute.differences (id, kind, resource_kind, resource_id, resource_name, detail, first_seen_at, last_seen_at)
    values (${id}, 'volume_orphan', 'volume', ${unique("kh")}, 'walked', 'A test.', now(), now())`;
  return id;
};
const newNetwork = async () => (await as("owner", "networkCreate", { body: { project, name: unique("walk") } }))["id"];
const newSecurityGroup = async () =>
  (await as("owner", "securityGroupCreate", { body: { project, name: unique("walk") } }))["id"];
const newAddress = async () => (await as("owner", "addressCreate", { body: { project } }))["id"];
const newPort = async () => {
  const [id, network] = [newId("port"), await newNetwork()];
  await cloud.database
    .sql`insert into compute.ports (id, organisation_id, project_id, network_id, instance_id, host_name, ipv4, mac_address, position, created_at)
    values (${id}, ${organisation}, ${project}, ${network}, ${await newInstance()}, 'walked', '10.64.0.2', ${id.slice(-12)}, 0, now())`;
  return id;
};
const newPortForward = async () => {
  const id = newId("portForward");
  await cloud.database
    .sql`insert into compute.port_forwards (id, organisation_id, project_id, port_id, protocol, listen_address, listen_port, target_port, created_at)
    values (${id}, ${organisation}, ${project}, ${await newPort()}, 'tcp', '0.0.0.0', 20000, 80, now())`;
  return id;
};
const newLoadBalancer = async () => {
  const id = newId("loadBalancer");
  await cloud.database
    .sql`insert into compute.load_balancers (id, organisation_id, project_id, name, listen_address, listen_port, algorithm,
      check_interval_seconds, check_failures, created_at)
    values (${id}, ${organisation}, ${project}, ${unique("walked")}, '0.0.0.0', 20000, 'source', 5, 3, now())`;
  return id;
};
const newAddressPool = async () => {
  const id = newId("addressPool");
  await cloud.database.sql`insert into compute.address_pools (id, name, range, created_at)
    values (${id}, ${unique("walked")}, '198.51.100.0/28', now())`;
  return id;
};
const newVolume = async () => {
  const id = newId("volume");
  await cloud.database
    .sql`insert into compute.volumes (id, organisation_id, project_id, name, engine_name, size_bytes, state, created_at)
    values (${id}, ${organisation}, ${project}, ${unique("walked")}, ${`kh-${id.slice(-12)}`}, 1073741824, 'available', now())`;
  return id;
};
const newSnapshot = async () => {
  const id = newId("snapshot");
  await cloud.database
    .sql`insert into compute.snapshots (id, organisation_id, project_id, volume_id, name, engine_name, state, disk_bytes, created_at)
    values (${id}, ${organisation}, ${project}, ${await newVolume()}, 'walked', ${`kh-${id.slice(-12)}`}, 'available', 1073741824, now())`;
  return id;
};
const newBackup = async () => {
  const id = newId("backup");
  await cloud.database
    .sql`insert into compute.backups (id, organisation_id, project_id, source_kind, source_id, source_name, name, state, bucket_id, bucket_name,
      key, size_bytes, sha256, disk_bytes, created_at)
    values (${id}, ${organisation}, ${project}, 'volume', ${newId("volume")}, 'walked', 'walked', 'available', ${bucket}, 'walked', ${id}, 1, '00',
      1073741824, now())`;
  return id;
};
const scheduleBody = async () => ({ volume: await newVolume(), name: "walked", kind: "snapshot", frequency: "day", at: "03:00" });
const newSchedule = async () => (await as("owner", "snapshotScheduleCreate", { body: await scheduleBody() }))["id"];
/** Whoever may do it is told that there is no engine. */
const onDisk = (params: () => Promise<Record<string, string>>, body?: object): Case => ({
  ownerStatus: 409,
  input: async () => ({ params: await params(), ...(body ? { body } : {}) }),
});
/** As there is no engine that could run it: only the record, with one task. */
const newJob = async (state = "queued") => {
  const [id, task] = [newId("job"), newId("task")];
  const over = state === "queued" ? null : new Date();
  await cloud.database
    .sql`insert into compute.jobs (id, organisation_id, project_id, name, state, image_id, image_name, size_name, vcpus, memory_bytes, disk_bytes,
      script, array_size, priority, maximum_retries, timeout_seconds, created_by, queued, created_at, finished_at)
    values (${id}, ${organisation}, ${project}, 'walked', ${state}, ${newId("image")}, 'debian-12', 'small', 1, 1073741824, 10737418240,
      'true', 1, 50, 0, 60, ${cloud.database.sql.json({ kind: "system", name: "walk" })}, ${over ? 0 : 1}, now(), ${over})`;
  await cloud.database.sql`insert into compute.tasks (id, organisation_id, project_id, job_id, index, state, created_at)
    values (${task}, ${organisation}, ${project}, ${id}, 0, ${state}, now())`;
  return { job: id, task };
};
const onJob = (state?: string): Case => ({ input: async () => ({ params: { job: (await newJob(state)).job } }) });
const onTask: Case = { input: async () => ({ params: { task: (await newJob()).task } }) };
const newAlertRule = async () =>
  (await as("owner", "alertRuleCreate", { body: { project, name: unique("walk"), metric: "cpu_percent", threshold: 90 } }))["id"];
const onRule = (body?: object, more?: Partial<Case>): Case => ({
  input: async () => ({ params: { alertRule: await newAlertRule() }, ...(body ? { body } : {}) }),
  ...more,
});
const newAlert = async () => {
  const id = newId("alert");
  await cloud.database
    .sql`insert into compute.alerts (id, organisation_id, project_id, rule_name, instance_id, instance_name, state, metric, comparison, threshold,
      value, worst_value, last_value, began_at, fired_at, seen_at)
    values (${id}, ${organisation}, ${project}, 'walked', ${newId("instance")}, 'walked', 'firing', 'cpu_percent', 'above', 90, 91, 91, 91, now(),
      now(), now())`;
  return id;
};
const onAlert: Case = { input: async () => ({ params: { alert: await newAlert() } }) };
const newSize = async () =>
  (
    await as("owner", "sizeCreate", {
      body: { name: unique("size"), vcpus: 1, memoryBytes: 1024 ** 3, diskBytes: 10 * 1024 ** 3, pricePerHour: "0.01" },
    })
  )["id"];
const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPdXo4dFs1TgVX8FOFr/eH7EvXKrvJFxAIHsXp3rxrmv walk";

/** Into an instance: without an engine that ends there, once it is clear that the owner may. */
const inside = (query?: Input["query"]): Case => ({
  ownerStatus: 409,
  input: async () => ({ params: { instance: await newInstance() }, ...(query ? { query } : {}) }),
});

/** Of virtual servers. There is no engine: whoever may do something is told so. */
export const computeCases: Record<string, Case> = {
  // compute: instances
  sizeCreate: {
    atCloud: true,
    input: () => ({
      body: { name: unique("size"), vcpus: 1, memoryBytes: 1024 ** 3, diskBytes: 10 * 1024 ** 3, pricePerHour: "0.01" },
    }),
  },
  sizeUpdate: {
    atCloud: true,
    foreignStatus: 403,
    input: async () => ({ params: { size: await newSize() }, body: { pricePerHour: "0.02" } }),
  },
  sizeDelete: { atCloud: true, foreignStatus: 403, input: async () => ({ params: { size: await newSize() } }) },
  instanceList: { input: () => ({ query: { project } }) },
  instanceCreate: {
    ownerStatus: 409,
    input: () => ({ body: { project, name: unique("walk"), size: "small", image: "debian-12" } }),
  },
  instanceGet: { input: async () => ({ params: { instance: await newInstance() } }) },
  instanceUpdate: { input: async () => ({ params: { instance: await newInstance() }, body: { description: "Walked." } }) },
  instanceStart: onInstance(undefined, "stopped"),
  instanceStop: onInstance({}),
  instanceRestart: onInstance({}),
  instanceFreeze: onInstance(),
  instanceUnfreeze: onInstance(undefined, "frozen"),
  instanceResize: onInstance({ size: "small" }),
  instanceRebuild: onInstance({ confirm: "web" }),
  instanceDelete: onInstance(),
  instancePasswordReset: onInstance({}),
  sshKeyList: { input: () => ({ query: { project } }) },
  sshKeyCreate: { input: () => ({ body: { project, name: unique("key"), publicKey } }) },
  sshKeyDelete: {
    input: async () => ({
      params: { sshKey: (await as("owner", "sshKeyCreate", { body: { project, name: unique("key"), publicKey } }))["id"] },
    }),
  },
  instanceGroupList: { input: () => ({ query: { project } }) },
  instanceGroupCreate: { input: () => ({ body: { project, name: unique("group") } }) },
  instanceGroupDelete: {
    input: async () => ({
      params: { instanceGroup: (await as("owner", "instanceGroupCreate", { body: { project, name: unique("group") } }))["id"] },
    }),
  },

  // compute: access
  instanceTerminal: inside(),
  instanceConsole: inside(),
  instanceDisplay: inside(),
  instanceExec: { ...inside(), input: async () => ({ ...(await inside().input()), body: { command: ["true"] } }) },
  instanceExecStream: inside(),
  instanceLog: inside(),
  instanceFileList: inside(),
  instanceFileDownload: inside({ path: "/etc/hostname" }),
  instanceFileUpload: { ...inside(), input: async () => ({ ...(await inside({ path: "/srv/x" }).input()), bytes: "text" }) },
  instanceSshGet: inside(),
  instanceTunnel: inside(),

  // compute: images
  imageList: { input: () => ({ query: { project } }) },
  imageGet: { input: async () => ({ params: { image: await newImage() } }) },
  imageBuild: { ownerStatus: 409, input: () => ({ body: { project, recipe: "debian-12" } }) },
  imageFetch: { ownerStatus: 409, input: () => ({ body: { project, alias: "debian/12" } }) },
  imageUpload: { ownerStatus: 409, input: () => ({ query: { project, name: unique("image") }, bytes: "no image" }) },
  imageImport: { ownerStatus: 409, input: () => ({ body: { project, bucket, key: "image.tar.gz", name: unique("image") } }) },
  imageCreate: { ownerStatus: 409, input: async () => ({ body: { instance: await newInstance(), name: unique("image") } }) },
  imageUpdate: { input: async () => ({ params: { image: await newImage() }, body: { description: "Walked." } }) },
  imageShare: { input: async () => ({ params: { image: await newImage() }, body: { visibility: "organisation" } }) },
  imageDownload: { ownerStatus: 409, input: async () => ({ params: { image: await newImage() } }) },
  imageExport: { ownerStatus: 409, input: async () => ({ params: { image: await newImage() }, body: { project, bucket } }) },
  imageDelete: { ownerStatus: 409, input: async () => ({ params: { image: await newImage() } }) },

  // compute: networks
  networkList: { input: () => ({ query: { project } }) },
  networkCreate: { input: () => ({ body: { project, name: unique("walk") } }) },
  networkGet: { input: async () => ({ params: { network: await newNetwork() } }) },
  networkUpdate: {
    ownerStatus: 409,
    input: async () => ({ params: { network: await newNetwork() }, body: { internet: false } }),
  },
  networkDelete: { input: async () => ({ params: { network: await newNetwork() } }) },
  portList: { input: () => ({ query: { project } }) },
  portCreate: {
    ownerStatus: 409,
    input: async () => ({ body: { instance: await newInstance(), network: await newNetwork() } }),
  },
  portGet: { input: async () => ({ params: { port: await newPort() } }) },
  portUpdate: { ownerStatus: 409, input: async () => ({ params: { port: await newPort() }, body: { securityGroups: [] } }) },
  portDelete: { ownerStatus: 409, input: async () => ({ params: { port: await newPort() } }) },
  securityGroupList: { input: () => ({ query: { project } }) },
  securityGroupCreate: { input: () => ({ body: { project, name: unique("walk") } }) },
  securityGroupGet: { input: async () => ({ params: { securityGroup: await newSecurityGroup() } }) },
  securityGroupUpdate: {
    ownerStatus: 409,
    input: async () => ({ params: { securityGroup: await newSecurityGroup() }, body: { rules: [] } }),
  },
  securityGroupDelete: { input: async () => ({ params: { securityGroup: await newSecurityGroup() } }) },
  addressPoolCreate: {
    atCloud: true,
    ownerStatus: 409,
    input: () => ({ body: { name: unique("walk"), range: "203.0.113.0/28" } }),
  },
  addressPoolUpdate: {
    atCloud: true,
    foreignStatus: 403,
    input: async () => ({ params: { addressPool: await newAddressPool() }, body: { description: "Walked." } }),
  },
  addressPoolDelete: {
    atCloud: true,
    foreignStatus: 403,
    input: async () => ({ params: { addressPool: await newAddressPool() } }),
  },
  addressList: { input: () => ({ query: { project } }) },
  addressCreate: { input: () => ({ body: { project } }) },
  addressGet: { input: async () => ({ params: { address: await newAddress() } }) },
  addressUpdate: { input: async () => ({ params: { address: await newAddress() }, body: { description: "Walked." } }) },
  addressAttach: {
    ownerStatus: 409,
    input: async () => ({ params: { address: await newAddress() }, body: { port: await newPort() } }),
  },
  addressDetach: { ownerStatus: 409, input: async () => ({ params: { address: await newAddress() } }) },
  addressDelete: { ownerStatus: 409, input: async () => ({ params: { address: await newAddress() } }) },
  portForwardList: { input: () => ({ query: { project } }) },
  portForwardCreate: { ownerStatus: 409, input: async () => ({ body: { port: await newPort(), targetPort: 80 } }) },
  portForwardGet: { input: async () => ({ params: { portForward: await newPortForward() } }) },
  portForwardDelete: { ownerStatus: 409, input: async () => ({ params: { portForward: await newPortForward() } }) },
  loadBalancerList: { input: () => ({ query: { project } }) },
  loadBalancerCreate: { ownerStatus: 409, input: () => ({ body: { project, name: unique("walk") } }) },
  loadBalancerGet: { input: async () => ({ params: { loadBalancer: await newLoadBalancer() } }) },
  loadBalancerUpdate: {
    ownerStatus: 409,
    input: async () => ({ params: { loadBalancer: await newLoadBalancer() }, body: { description: "Walked." } }),
  },
  loadBalancerDelete: { ownerStatus: 409, input: async () => ({ params: { loadBalancer: await newLoadBalancer() } }) },

  // compute: the engine
  engineReconcile: { atCloud: true, ownerStatus: 409, input: () => ({ body: {} }) },
  engineMemberList: { atCloud: true, ownerStatus: 409, input: () => ({}) },
  engineMemberGet: { atCloud: true, foreignStatus: 403, ownerStatus: 409, input: () => ({ params: { member: "host" } }) },
  engineMemberEvacuate: {
    atCloud: true,
    foreignStatus: 403,
    ownerStatus: 409,
    input: () => ({ params: { member: "host" }, body: {} }),
  },
  engineMemberRestore: {
    atCloud: true,
    foreignStatus: 403,
    ownerStatus: 409,
    input: () => ({ params: { member: "host" }, body: {} }),
  },
  instanceMove: { ...onInstance({ member: "host" }), atCloud: true },
  differenceList: { atCloud: true, input: () => ({}) },
  differenceRepair: {
    atCloud: true,
    foreignStatus: 403,
    ownerStatus: 409,
    input: async () => ({ params: { difference: await newDifference() }, body: { action: "delete" } }),
  },
  differenceUpdate: {
    atCloud: true,
    foreignStatus: 403,
    input: async () => ({ params: { difference: await newDifference() }, body: { ignored: true } }),
  },

  // compute: volumes, snapshots, schedules, backups
  volumeList: { input: () => ({ query: { project } }) },
  volumeCreate: { ownerStatus: 409, input: () => ({ body: { project, name: unique("walk"), sizeBytes: 1024 ** 3 } }) },
  volumeGet: { input: async () => ({ params: { volume: await newVolume() } }) },
  volumeUpdate: { input: async () => ({ params: { volume: await newVolume() }, body: { description: "Walked." } }) },
  volumeAttach: {
    ownerStatus: 409,
    input: async () => ({ params: { volume: await newVolume() }, body: { instance: await newInstance(), path: "/mnt/data" } }),
  },
  volumeDetach: onDisk(async () => ({ volume: await newVolume() })),
  volumeResize: onDisk(async () => ({ volume: await newVolume() }), { sizeBytes: 2 * 1024 ** 3 }),
  volumeDelete: {
    ownerStatus: 409,
    input: async () => ({ params: { volume: await newVolume() }, query: { confirm: "walked" } }),
  },
  snapshotList: { input: () => ({ query: { project } }) },
  snapshotCreate: { ownerStatus: 409, input: async () => ({ body: { instance: await newInstance() } }) },
  snapshotGet: { input: async () => ({ params: { snapshot: await newSnapshot() } }) },
  snapshotUpdate: { input: async () => ({ params: { snapshot: await newSnapshot() }, body: { description: "Walked." } }) },
  snapshotRestore: onDisk(async () => ({ snapshot: await newSnapshot() }), { confirm: "walked" }),
  snapshotClone: onDisk(async () => ({ snapshot: await newSnapshot() }), { name: "walked-clone" }),
  snapshotDelete: onDisk(async () => ({ snapshot: await newSnapshot() })),
  snapshotScheduleList: { input: () => ({ query: { project } }) },
  snapshotScheduleCreate: { input: async () => ({ body: await scheduleBody() }) },
  snapshotScheduleGet: { input: async () => ({ params: { snapshotSchedule: await newSchedule() } }) },
  snapshotScheduleUpdate: {
    input: async () => ({ params: { snapshotSchedule: await newSchedule() }, body: { enabled: false } }),
  },
  snapshotScheduleDelete: { input: async () => ({ params: { snapshotSchedule: await newSchedule() } }) },
  backupList: { input: () => ({ query: { project } }) },
  backupCreate: { ownerStatus: 409, input: async () => ({ body: { volume: await newVolume(), bucket } }) },
  backupGet: { input: async () => ({ params: { backup: await newBackup() } }) },
  backupRestore: onDisk(async () => ({ backup: await newBackup() }), { name: "walked-again" }),
  backupVerify: onDisk(async () => ({ backup: await newBackup() }), {}),
  backupVerificationList: { input: async () => ({ params: { backup: await newBackup() } }) },
  backupDelete: { input: async () => ({ params: { backup: await newBackup() } }) },

  // compute: jobs
  jobList: { input: () => ({ query: { project } }) },
  jobCreate: {
    ownerStatus: 409,
    input: () => ({ body: { project, name: "walked", image: "debian-12", size: "small", script: "true" } }),
  },
  jobGet: onJob(),
  jobCancel: onJob(),
  jobDelete: onJob("failed"),
  taskList: onJob(),
  taskGet: onTask,
  taskLogGet: onTask,
  taskLogDownload: onTask,
  jobCapacityGet: { atCloud: true, input: () => ({}) },
  jobCapacityUpdate: { atCloud: true, input: () => ({ body: { vcpuPercent: 90 } }) },

  // compute: metrics and alerts
  instanceMetricsGet: { input: async () => ({ params: { instance: await newInstance() } }) },
  instanceMetricsList: { input: () => ({ query: { project } }) },
  engineMetricsGet: { atCloud: true, input: () => ({}) },
  alertRuleList: { input: () => ({ query: { project } }) },
  alertRuleCreate: { input: () => ({ body: { project, name: unique("walk"), metric: "cpu_percent", threshold: 90 } }) },
  alertRuleGet: onRule(),
  alertRuleUpdate: onRule({ enabled: false }),
  alertRuleDelete: onRule(),
  // It has no webhook that could be tried.
  alertRuleTest: onRule(undefined, { ownerStatus: 409 }),
  alertList: { input: () => ({ query: { project } }) },
  alertGet: onAlert,
  alertAcknowledge: onAlert,
  webhookSettingsGet: { atCloud: true, input: () => ({}) },
  webhookSettingsUpdate: { atCloud: true, input: () => ({ body: { allowedNetworks: ["10.0.0.0/8"] } }) },
};
