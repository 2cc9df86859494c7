import assert from "node:assert/strict";
import { before, test } from "node:test";
import { type RouteDefinition, roleIncludes, roles } from "../kernel/contract.ts";
import { newId } from "../kernel/ids.ts";
import { contracts } from "../services/contracts.ts";
import { startCloud, testOwner } from "../testing/cloud.ts";
import type { Case, Input, Json } from "./testing/authorizationCase.ts";
import { backupCases } from "./testing/backupCases.ts";
import { voiceCases, voiceForeignThings, voicePublicRoutes } from "./testing/voiceCases.ts";
import { voiceElementCases, voiceElementForeignThings } from "./testing/voiceElementCases.ts";
import { voiceLiveCases, voiceLiveForeignThings } from "./testing/voiceLiveCases.ts";

/**
 * Every route of every contract is called by a stranger to the cloud (401), by an owner of another organisation (404), by a member
 * whose role is too low (403), and by the owner (2xx), each time with the same valid input. A route without a case fails.
 */
const { http, cloud } = await startCloud();

const routes = Object.fromEntries(
  contracts.flatMap((contract) => Object.entries(contract.routes as Record<string, RouteDefinition>)),
);
/** Whoever makes a route public says so here too. */
const publicRoutes = [
  "cloudGet",
  "setupComplete",
  "signUpCreate",
  "sessionCreate",
  "passkeyChallengeCreate",
  "passwordResetComplete",
  "invitationInspect",
  "invitationAccept",
  "sharedObjectGet",
  "sharedObjectDownload",
  ...voicePublicRoutes,
];

const tokens: Record<string, string> = {};
const cookies: Record<string, string> = {};
let organisation = "";
let project = "";
let ownerId = "";
let bucket = "";
let counter = 0;
const unique = (prefix: string) => `${prefix}-${++counter}`;

async function request(key: string, as: string | undefined, input: Input) {
  const route = routes[key] as RouteDefinition;
  const path = route.path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(String(input.params?.[name])));
  const query = new URLSearchParams(Object.entries(input.query ?? {}).map(([name, value]) => [name, String(value)]));
  return http.inject({
    method: route.method,
    url: `/api${path}?${query}`,
    headers: {
      // A person's own things are for sessions, which a cookie names.
      ...(as === undefined
        ? {}
        : route.permission === "self" && cookies[as]
          ? { cookie: cookies[as], "x-khmara-csrf": "1" }
          : { authorization: `Bearer ${tokens[as] ?? as}` }),
      ...(input.bytes === undefined ? {} : { "content-type": "text/plain" }),
    },
    ...(input.bytes !== undefined ? { payload: input.bytes } : input.body ? { payload: input.body } : {}),
    // A stream of events has no end: its head is enough.
    ...(route.stream?.response === "events" ? { payloadAsStream: true } : {}),
  });
}
async function as(principal: string, key: string, input: Input): Promise<Json> {
  const answer = await request(key, principal, input);
  assert.ok(answer.statusCode < 300, `${key}: ${answer.statusCode} ${answer.body}`);
  return answer.body ? answer.json() : {};
}

async function newMember(name: string, at: string, role: string): Promise<void> {
  const email = `${name}@example.org`;
  const { link } = await as("owner", "invitationCreate", { body: { organisation: at, email, role } });
  const password = "a long enough password";
  await as("", "invitationAccept", { body: { token: link?.split("#")[1], name, password } });
  tokens[name] = await newToken(name, email, password);
}
async function newToken(name: string, email: string, password: string): Promise<string> {
  const session = await http.inject({ method: "POST", url: "/api/v1/sessions", payload: { email, password } });
  assert.equal(session.statusCode, 201, session.body);
  const cookie = String(session.headers["set-cookie"]).split(";")[0] as string;
  cookies[name] = cookie;
  const token = await http.inject({
    method: "POST",
    url: "/api/v1/api-tokens",
    headers: { cookie, "x-khmara-csrf": "1" },
    payload: { name: "walk" },
  });
  assert.equal(token.statusCode, 201, token.body);
  return token.json().token;
}

before(async () => {
  tokens["owner"] = await newToken("owner", testOwner.email, testOwner.password);
  const identity = await as("owner", "identityGet", {});
  ownerId = identity["principal"].id;
  organisation = (await as("owner", "organisationCreate", { body: { name: "Walked" } }))["id"];
  project = (await as("owner", "projectCreate", { body: { organisation, name: "Walked" } }))["id"];
  const other = (await as("owner", "organisationCreate", { body: { name: "Other" } }))["id"];
  await newMember("stranger", other, "owner");
  for (const role of roles) await newMember(role === "owner" ? "second-owner" : role, organisation, role);
  bucket = (await newBucket())["id"];
});

let versioned: Promise<string> | undefined;
/** One that keeps versions and locks them; "k" in it has old ones. */
async function versionedBucket(): Promise<string> {
  versioned ??= newBucket().then(async ({ id }) => {
    await as("owner", "bucketSettingsUpdate", { params: { bucket: id }, body: { versioning: "enabled", lock: {} } });
    return id as string;
  });
  return versioned;
}
async function oldVersion(): Promise<string> {
  const params = { bucket: await versionedBucket() };
  for (const bytes of ["old", "new"]) await as("owner", "objectUpload", { params, query: { key: "k" }, bytes });
  const { items } = (await as("owner", "objectVersionList", { params, query: { key: "k" } })) as unknown as {
    items: { versionId: string }[];
  };
  return items[1]!.versionId;
}
async function newWebsite(): Promise<string> {
  const { id } = await newBucket();
  await as("owner", "bucketWebsiteUpdate", { params: { bucket: id }, body: { indexDocument: "index.html" } });
  return id;
}
/** Rows, as there is no engine to make them on. */
const newLink = async () => {
  const id = newId("appLink");
  await cloud.database
    .sql`insert into apps.links (id, app_id, organisation_id, project_id, kind, resource_id, resource_name, prefix, access, state,
      credential_id, created_by, created_at, changed_at)
    values (${id}, ${await routedApp()}, ${organisation}, ${project}, 'bucket', ${bucket}, 'walk', ${`P${++counter}`}, 'read_write', 'active', '',
      ${cloud.database.sql.json({ kind: "system", name: "test" })}, now(), now())`;
  return id;
};
/** Of nobody (RFC 2606). */
const mailServer = { host: "smtp.example.invalid", sender: "walk@example.org" };
const newMailAccount = async (): Promise<string> =>
  (await as("owner", "mailAccountCreate", { body: { ...mailServer, project, name: unique("walk") } }))["id"];
const newCronJob = async (): Promise<string> =>
  (
    await as("owner", "cronJobCreate", {
      params: { app: await routedApp() },
      body: { name: unique("walk"), schedule: "@daily", command: "true" },
    })
  )["id"];
const newCronRun = async () => {
  const id = newId("cronRun");
  await cloud.database.sql`insert into apps.cron_runs (id, job_id, app_id, organisation_id, project_id, state, due_at)
    values (${id}, ${await newCronJob()}, ${await routedApp()}, ${organisation}, ${project}, 'starting', now())`;
  return id;
};
/** Of nobody, too. */
const bucketWebhook = () => ({ name: unique("walk"), url: "https://hook.example.org/" });
const onBucketWebhook = (rest: Input = {}): Case => ({
  input: async () => {
    const { webhook } = await as("owner", "bucketWebhookCreate", { body: { ...bucketWebhook(), project } });
    return { params: { bucketWebhook: webhook.id }, ...rest };
  },
});
const newBucket = () => as("owner", "bucketCreate", { body: { project, name: unique("walk") } });
const newObject = async (key = unique("object")) => {
  await as("owner", "objectUpload", { params: { bucket }, query: { key }, bytes: "some text" });
  return key;
};
const newUpload = async () =>
  (await as("owner", "uploadCreate", { params: { bucket }, body: { key: unique("upload"), sizeBytes: 5 } }))["id"];
const newProject = async () => (await as("owner", "projectCreate", { body: { organisation, name: unique("project") } }))["id"];
const newUser = async () => {
  const name = unique("user");
  await newMember(name, organisation, "viewer");
  const members = (await as("owner", "userList", { query: { search: name } }))["items"];
  return members[0]?.id as string;
};
const newServiceAccount = async () =>
  (await as("owner", "serviceAccountCreate", { body: { organisation, name: unique("robot") } }))["id"];
const newAccessKey = async () => (await as("owner", "accessKeyCreate", { body: { project } }))["id"];
const newTrash = async () => {
  const operation = await as("owner", "objectTrash", { params: { bucket }, body: { keys: [await newObject()] } });
  const done = await as("owner", "operationWait", { params: { operation: operation["id"] } });
  return done["result"].trashId;
};
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

const anOperation = async () =>
  (await as("owner", "objectTrash", { params: { bucket }, body: { keys: [await newObject()] } }))["id"];
const period = () => ({ organisation, from: new Date(Date.now() - 86_400_000).toISOString(), to: new Date().toISOString() });
const inOrganisation = { input: () => ({ params: { organisation } }) };

/** Into an instance: without an engine that ends there, once it is clear that the owner may. */
const inside = (query?: Input["query"]): Case => ({
  ownerStatus: 409,
  input: async () => ({ params: { instance: await newInstance() }, ...(query ? { query } : {}) }),
});

const cases: Record<string, Case> = {
  ...voiceCases({ as, unique, newProject }),
  ...voiceElementCases({ as, unique, newProject }, () => cloud.database),
  ...voiceLiveCases({ as, unique, newProject }, () => cloud.database),
  objectsVerify: { atCloud: true, input: () => ({}) },
  objectVerificationGet: { atCloud: true, input: () => ({}) },
  bucketSafetyGet: { input: () => ({ params: { bucket } }) },
  damagedObjectList: { input: () => ({ params: { bucket } }) },
  cloudUpdate: { atCloud: true, input: () => ({ body: { name: "Cloud" } }) },
  userList: { atCloud: true, input: () => ({}) },
  userGet: { atCloud: true, input: async () => ({ params: { user: await newUser() } }) },
  userSuspend: { atCloud: true, input: async () => ({ params: { user: await newUser() }, body: { reason: "A test." } }) },
  userResume: {
    atCloud: true,
    input: async () => {
      const user = await newUser();
      await as("owner", "userSuspend", { params: { user }, body: { reason: "A test." } });
      return { params: { user }, body: {} };
    },
  },
  passwordResetCreate: { atCloud: true, input: async () => ({ params: { user: await newUser() }, body: {} }) },
  organisationCreate: { atCloud: true, input: () => ({ body: { name: unique("Organisation") } }) },
  organisationGet: inOrganisation,
  organisationUpdate: { input: () => ({ params: { organisation }, body: { name: "Walked again" } }) },
  organisationSuspend: {
    input: async () => ({ params: { organisation: await spareOrganisation() }, body: { reason: "A test." } }),
  },
  organisationResume: {
    input: async () => {
      const spare = await spareOrganisation();
      await as("owner", "organisationSuspend", { params: { organisation: spare }, body: { reason: "A test." } });
      return { params: { organisation: spare }, body: {} };
    },
  },
  organisationDelete: { input: async () => ({ params: { organisation: await spareOrganisation() } }) },
  projectList: { input: () => ({ query: { organisation } }) },
  projectCreate: { input: () => ({ body: { organisation, name: unique("project") } }) },
  projectGet: { input: () => ({ params: { project } }) },
  projectUpdate: { input: () => ({ params: { project }, body: { name: "Walked" } }) },
  projectDelete: { input: async () => ({ params: { project: await newProject() } }) },
  memberList: inOrganisation,
  memberDelete: { input: async () => ({ params: { organisation, principal: await newUser() } }) },
  roleBindingList: { input: () => ({ query: { organisation } }) },
  roleBindingCreate: { input: async () => ({ body: { organisation, principal: await newUser(), role: "editor" } }) },
  roleBindingDelete: {
    input: async () => {
      const binding = await as("owner", "roleBindingCreate", {
        body: { organisation, principal: await newUser(), role: "editor" },
      });
      return { params: { roleBinding: binding["id"] } };
    },
  },
  invitationList: { input: () => ({ query: { organisation } }) },
  invitationCreate: { input: () => ({ body: { organisation, email: `${unique("guest")}@example.org`, role: "viewer" } }) },
  invitationDelete: {
    input: async () => {
      const invitation = await as("owner", "invitationCreate", {
        body: { organisation, email: `${unique("guest")}@example.org`, role: "viewer" },
      });
      return { params: { invitation: invitation["id"] } };
    },
  },
  serviceAccountList: { input: () => ({ query: { organisation } }) },
  serviceAccountCreate: { input: () => ({ body: { organisation, name: unique("robot") } }) },
  serviceAccountUpdate: {
    input: async () => ({ params: { serviceAccount: await newServiceAccount() }, body: { description: "Walks." } }),
  },
  serviceAccountDelete: { input: async () => ({ params: { serviceAccount: await newServiceAccount() } }) },
  accessKeyList: { input: () => ({ query: { project } }) },
  accessKeyCreate: { input: () => ({ body: { project } }) },
  accessKeyUpdate: { input: async () => ({ params: { accessKey: await newAccessKey() }, body: { enabled: false } }) },
  accessKeyDelete: { input: async () => ({ params: { accessKey: await newAccessKey() } }) },
  quotaList: { input: () => ({ query: { organisation } }) },
  quotaUpdate: { input: () => ({ body: { organisation, name: "objects.buckets", limit: 500 } }) },

  bucketList: { input: () => ({ query: { project } }) },
  bucketCreate: { input: () => ({ body: { project, name: unique("walk") } }) },
  bucketWebhookList: { input: () => ({ query: { project } }) },
  bucketWebhookCreate: { input: () => ({ body: { ...bucketWebhook(), project } }) },
  bucketWebhookUpdate: onBucketWebhook({ body: { enabled: false } }),
  bucketWebhookDelete: onBucketWebhook(),
  bucketWebhookDeliveryList: onBucketWebhook(),
  bucketWebhookTest: {
    input: async () => {
      const { webhook } = await as("owner", "bucketWebhookCreate", { body: { ...bucketWebhook(), project } });
      return { params: { bucketWebhook: webhook.id }, body: { bucket } };
    },
  },
  bucketWebhookDeliverySend: {
    input: async () => {
      const { webhook } = await as("owner", "bucketWebhookCreate", { body: { ...bucketWebhook(), project } });
      const params = { bucketWebhook: webhook.id };
      const { id } = await as("owner", "bucketWebhookTest", { params, body: { bucket } });
      return { params: { ...params, delivery: id } };
    },
  },
  bucketNotificationGet: { input: () => ({ params: { bucket } }) },
  bucketNotificationUpdate: { input: () => ({ params: { bucket }, body: { rules: [] } }) },
  bucketNotificationDeliveryList: { input: () => ({ params: { bucket } }) },
  bucketLoggingGet: { input: () => ({ params: { bucket } }) },
  bucketLoggingUpdate: { input: () => ({ params: { bucket }, body: { targetBucket: bucket } }) },
  bucketLoggingDelete: { input: () => ({ params: { bucket } }) },
  bucketQuotaGet: { input: () => ({ params: { bucket } }) },
  bucketQuotaUpdate: { input: () => ({ params: { bucket }, body: {} }) },
  bucketSettingsGet: { input: () => ({ params: { bucket } }) },
  bucketSettingsUpdate: { input: () => ({ params: { bucket }, body: { versioning: "enabled" } }) },
  bucketWebsiteGet: { input: async () => ({ params: { bucket: await newWebsite() } }) },
  bucketWebsiteUpdate: {
    input: async () => ({ params: { bucket: (await newBucket())["id"] }, body: { indexDocument: "index.html" } }),
  },
  bucketWebsiteDelete: { input: async () => ({ params: { bucket: await newWebsite() } }) },
  bucketAccessGet: { input: () => ({ params: { bucket } }) },
  bucketAccessUpdate: { input: () => ({ params: { bucket }, body: { policy: null } }) },
  publicAccessGet: { input: () => ({ params: { organisation } }) },
  publicAccessUpdate: { input: () => ({ params: { organisation }, body: { isForbidden: false } }) },
  bucketCorsGet: { input: () => ({ params: { bucket } }) },
  bucketCorsUpdate: { input: () => ({ params: { bucket }, body: { rules: [] } }) },
  bucketLifecycleGet: { input: () => ({ params: { bucket } }) },
  bucketLifecycleUpdate: { input: () => ({ params: { bucket }, body: { rules: [] } }) },
  bucketLifecyclePreview: { input: () => ({ params: { bucket }, body: { rules: [] } }) },
  objectVersionList: { input: () => ({ params: { bucket } }) },
  objectVersionRestore: {
    input: async () => ({ params: { bucket: await versionedBucket() }, body: { key: "k", versionId: await oldVersion() } }),
  },
  objectVersionDelete: {
    input: async () => ({ params: { bucket: await versionedBucket() }, query: { key: "k", versionId: await oldVersion() } }),
  },
  objectUndelete: {
    input: async () => {
      const params = { bucket: await versionedBucket() };
      const key = unique("deleted");
      await as("owner", "objectUpload", { params, query: { key }, bytes: "text" });
      await as("owner", "objectDelete", { params, query: { key } });
      return { params, body: { key } };
    },
  },
  objectTagsUpdate: { input: async () => ({ params: { bucket }, body: { key: await newObject(), tags: { a: "b" } } }) },
  objectLockUpdate: {
    input: async () => {
      const params = { bucket: await versionedBucket() };
      const key = unique("locked");
      await as("owner", "objectUpload", { params, query: { key }, bytes: "text" });
      return { params, body: { key, legalHold: true } };
    },
  },
  bucketGet: { input: () => ({ params: { bucket } }) },
  bucketDelete: { input: async () => ({ params: { bucket: (await newBucket())["id"] } }) },
  bucketRelocate: { input: () => ({ params: { bucket }, body: { engine: "local" as const } }) },
  ...backupCases({ as, unique, newProject }, () => cloud.database),
  bucketEmpty: {
    input: async () => {
      const { id, name } = await newBucket();
      return { params: { bucket: id as string }, body: { confirm: name } };
    },
  },
  objectList: { input: () => ({ params: { bucket } }) },
  objectGet: { input: async () => ({ params: { bucket }, query: { key: await newObject() } }) },
  objectDownload: { input: async () => ({ params: { bucket }, query: { key: await newObject() } }) },
  objectUpload: { input: () => ({ params: { bucket }, query: { key: unique("object") }, bytes: "text" }) },
  objectDelete: { input: async () => ({ params: { bucket }, query: { key: await newObject() } }) },
  objectMove: { input: async () => ({ params: { bucket }, body: { keys: [await newObject()], targetPrefix: "moved/" } }) },
  objectTrash: { input: async () => ({ params: { bucket }, body: { keys: [await newObject()] } }) },
  trashList: { input: () => ({ params: { bucket } }) },
  trashRestore: { input: async () => ({ params: { bucket, trash: await newTrash() }, body: {} }) },
  trashDelete: { input: async () => ({ params: { bucket, trash: await newTrash() } }) },
  uploadCreate: { input: () => ({ params: { bucket }, body: { key: unique("upload"), sizeBytes: 5 } }) },
  uploadList: { input: () => ({ params: { bucket } }) },
  uploadPartPut: { input: async () => ({ params: { bucket, upload: await newUpload(), part: 1 }, bytes: "12345" }) },
  uploadPartList: { input: async () => ({ params: { bucket, upload: await newUpload() } }) },
  uploadComplete: {
    input: async () => {
      const upload = await newUpload();
      const { etag } = await as("owner", "uploadPartPut", { params: { bucket, upload, part: 1 }, bytes: "12345" });
      return { params: { bucket, upload }, body: { parts: [{ number: 1, etag }] } };
    },
  },
  uploadDelete: { input: async () => ({ params: { bucket, upload: await newUpload() } }) },
  shareList: { input: () => ({ params: { bucket } }) },
  shareCreate: { input: async () => ({ params: { bucket }, body: { key: await newObject() } }) },
  shareDelete: {
    input: async () => ({
      params: {
        share: (await as("owner", "shareCreate", { params: { bucket }, body: { key: await newObject() } }))["id"],
      },
    }),
  },

  operationList: { input: () => ({ query: { organisation } }) },
  operationGet: { input: async () => ({ params: { operation: await anOperation() } }) },
  operationWait: { input: async () => ({ params: { operation: await anOperation() } }) },
  // It is over before it can be cancelled; that the owner may ask is seen in the 409.
  operationCancel: {
    ownerStatus: 409,
    input: async () => {
      const operation = await anOperation();
      await as("owner", "operationWait", { params: { operation } });
      return { params: { operation } };
    },
  },
  eventWatch: { input: () => ({ query: { organisation } }) },
  usageRecordList: { input: () => ({ query: period() }) },
  usageSummarize: { input: () => ({ query: { ...period(), step: "hour" } }) },
  auditEntryList: { input: () => ({ query: { organisation } }) },
  auditVerify: { input: () => ({ body: { organisation } }) },

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

  // apps: deploying (there is no engine)
  appList: { input: () => ({ query: { project } }) },
  appCreate: { input: () => ({ body: { project, name: unique("walk") } }) },
  appGet: { input: async () => ({ params: { app: await newApp() } }) },
  appUpdate: { input: async () => ({ params: { app: await newApp() }, body: { description: "walked" } }) },
  appDelete: {
    input: async () => {
      const name = unique("walk");
      return { params: { app: await newApp(name) }, query: { confirm: name } };
    },
  },
  appDeploy: { ownerStatus: 409, input: async () => ({ params: { app: await newApp() }, bytes: "an archive" }) },
  appDeployImage: {
    ownerStatus: 409,
    input: async () => ({ params: { app: await newApp() }, body: { image: "docker.io/library/nginx:1" } }),
  },
  appUploadImage: { ownerStatus: 409, input: async () => ({ params: { app: await newApp() }, bytes: "an image" }) },
  appRollback: { ownerStatus: 409, input: async () => ({ params: { app: await newApp() }, body: { release: 1 } }) },
  appStart: { ownerStatus: 409, input: async () => ({ params: { app: await newApp() } }) },
  appStop: { ownerStatus: 409, input: async () => ({ params: { app: await newApp() } }) },
  appRestart: { ownerStatus: 409, input: async () => ({ params: { app: await newApp() } }) },
  deploymentList: { input: async () => ({ params: { app: await newApp() } }) },
  deploymentGet: { input: async () => ({ params: { deployment: await newDeployment() } }) },
  deploymentLog: { input: async () => ({ params: { deployment: await newDeployment() } }) },
  deploymentCancel: { input: async () => ({ params: { deployment: await newDeployment() } }) },
  releaseList: { input: async () => ({ params: { app: await newApp() } }) },
  settingList: { input: async () => ({ params: { app: await newApp() } }) },
  settingUpdate: { input: async () => ({ params: { app: await newApp() }, body: { set: { COLOUR: "red" } } }) },

  // apps: running (there is no engine)
  processList: onApp(),
  processScale: {
    ownerStatus: 409,
    input: async () => ({ params: { app: await routedApp(), process: "web" }, body: { count: 2 } }),
  },
  containerList: onApp({ ownerStatus: 409 }),
  appLogList: onApp(),
  appLogFollow: onApp(),
  appLogDownload: onApp(),
  appMetrics: onApp(),
  appRun: onApp({ ownerStatus: 409 }),
  appTerminal: { ownerStatus: 409, input: async () => ({ params: { app: await routedApp(), container: "web-1" } }) },
  appDiskList: onApp(),
  appDiskCreate: {
    input: async () => ({ params: { app: await routedApp() }, body: { name: unique("walk"), path: `/${unique("walk")}` } }),
  },
  appDiskDelete: {
    ownerStatus: 409,
    input: async () => {
      const name = unique("walk");
      const disk = await as("owner", "appDiskCreate", { params: { app: await routedApp() }, body: { name, path: `/${name}` } });
      return { params: { disk: disk["id"] }, query: { confirm: name } };
    },
  },

  // apps: links (there is no engine that the S3 door could be opened to), cron jobs
  appLinkList: onApp(),
  appLinkCreate: { ownerStatus: 409, input: async () => ({ params: { app: await routedApp() }, body: { bucket } }) },
  appLinkDelete: { input: async () => ({ params: { link: await newLink() } }) },
  mailAccountList: { input: () => ({ query: { project } }) },
  mailAccountCreate: { input: () => ({ body: { ...mailServer, project, name: unique("walk") } }) },
  mailAccountGet: { input: async () => ({ params: { mailAccount: await newMailAccount() } }) },
  mailAccountUpdate: { input: async () => ({ params: { mailAccount: await newMailAccount() }, body: { port: 465 } }) },
  mailAccountDelete: { input: async () => ({ params: { mailAccount: await newMailAccount() } }) },
  mailAccountTest: { input: async () => ({ params: { mailAccount: await newMailAccount() }, body: {} }) },
  cronJobList: onApp(),
  cronJobCreate: {
    input: async () => ({
      params: { app: await routedApp() },
      body: { name: unique("walk"), schedule: "@daily", command: "true" },
    }),
  },
  cronJobUpdate: { input: async () => ({ params: { cronJob: await newCronJob() }, body: { paused: true } }) },
  cronJobDelete: { input: async () => ({ params: { cronJob: await newCronJob() } }) },
  cronJobRun: { ownerStatus: 409, input: async () => ({ params: { cronJob: await newCronJob() } }) },
  cronRunList: { input: async () => ({ params: { cronJob: await newCronJob() } }) },
  cronRunGet: { input: async () => ({ params: { cronRun: await newCronRun() } }) },
  cronRunCancel: { input: async () => ({ params: { cronRun: await newCronRun() } }) },

  // apps: backups and catalogue (there is no engine)
  appBackupList: { input: () => ({ query: { project } }) },
  appBackupCreate: { ownerStatus: 409, input: async () => ({ params: { app: await newApp() }, body: { bucket } }) },
  appBackupGet: { input: async () => ({ params: { appBackup: await newAppBackup() } }) },
  appBackupRestore: {
    ownerStatus: 409,
    input: async () => ({ params: { appBackup: await newAppBackup() }, body: { app: await newApp(), confirm: "walked" } }),
  },
  appBackupDelete: { input: async () => ({ params: { appBackup: await newAppBackup() } }) },
  templateList: { input: () => ({ query: { project } }) },
  templateGet: { input: () => ({ params: { template: "guest-book" }, query: { project } }) },
  appInstall: { ownerStatus: 409, input: () => ({ body: { project, template: "guest-book", name: unique("walk") } }) },
  installationList: { input: () => ({ query: { project } }) },
  installationGet: { input: async () => ({ params: { installation: (await newInstallation()).id } }) },
  installationUpdate: {
    ownerStatus: 409,
    input: async () => ({ params: { installation: (await newInstallation()).id }, body: {} }),
  },
  installationDelete: {
    input: async () => {
      const { id, name } = await newInstallation();
      return { params: { installation: id }, query: { confirm: name } };
    },
  },

  // apps: routing
  domainList: { input: async () => ({ params: { app: await routedApp() } }) },
  domainAdd: { input: async () => ({ params: { app: await routedApp() }, body: { host: `${unique("walk")}.example.com` } }) },
  domainCheck: { input: async () => ({ params: { domain: await newDomain() } }) },
  domainDelete: { input: async () => ({ params: { domain: await newDomain() } }) },
  appAccessGet: { input: async () => ({ params: { app: await routedApp() } }) },
  appAccessUpdate: { input: async () => ({ params: { app: await routedApp() }, body: { maintenance: true } }) },
  imageTagList: { input: async () => ({ params: { app: await routedApp() } }) },
  // Nothing was pushed.
  imageTagDelete: { ownerStatus: 404, input: async () => ({ params: { app: await routedApp(), tag: "latest" } }) },
  previewSettingsGet: { input: async () => ({ params: { app: await routedApp() } }) },
  previewSettingsUpdate: { input: async () => ({ params: { app: await routedApp() }, body: { enabled: true } }) },
  previewList: { input: async () => ({ params: { app: await routedApp() } }) },
  previewExtend: { input: async () => ({ params: { preview: await newPreview() } }) },
  previewDelete: { input: async () => ({ params: { preview: await newPreview() } }) },
  appEngineUpdate: { atCloud: true, input: () => ({ body: { appsDomain: "apps.example.org" } }) },
  nodeList: { atCloud: true, ownerStatus: 409, input: () => ({}) },
  nodeInvite: { atCloud: true, ownerStatus: 409, input: () => ({ body: { name: "node-2" } }) },
  nodeDrain: { atCloud: true, foreignStatus: 403, ownerStatus: 409, input: () => ({ params: { node: "node-2" }, body: {} }) },
  nodeActivate: { atCloud: true, foreignStatus: 403, ownerStatus: 409, input: () => ({ params: { node: "node-2" }, body: {} }) },
  nodeDelete: { atCloud: true, foreignStatus: 403, ownerStatus: 409, input: () => ({ params: { node: "node-2" } }) },

  // databases (there is no engine)
  databaseList: { input: () => ({ query: { project } }) },
  databaseCreate: { ownerStatus: 409, input: () => ({ body: { project, name: unique("walk") } }) },
  databaseGet: { input: async () => ({ params: { database: await newDatabase() } }) },
  databaseUpdate: { input: async () => ({ params: { database: await newDatabase() }, body: { keepDays: 3 } }) },
  databaseConnectionGet: onDatabase(),
  databaseRestart: onDatabase(),
  databaseStop: onDatabase(),
  databaseStart: onDatabase(),
  databaseRename: onDatabase({ name: "walked-anew" }),
  databaseResize: onDatabase({ cpus: 2 }),
  databaseUpgrade: onDatabase({ version: "18" }),
  databaseClone: onDatabase({ name: "walked-clone" }),
  databaseRecover: onDatabase({ name: "walked-before", at: "2026-01-01T00:00:00Z" }),
  databaseDelete: {
    ownerStatus: 409,
    input: async () => ({ params: { database: await newDatabase() }, query: { confirm: "walked" } }),
  },
  databaseUserList: { input: async () => ({ params: { database: await newDatabase() } }) },
  databaseUserCreate: onDatabase({ name: "walker" }),
  databaseUserRotate: { ownerStatus: 409, input: async () => ({ params: { databaseUser: await newDatabaseUser() } }) },
  databaseUserDelete: { ownerStatus: 409, input: async () => ({ params: { databaseUser: await newDatabaseUser() } }) },
  databaseExtensionList: onDatabase(),
  databaseExtensionEnable: onDatabase({ extension: "hstore" }),
  databaseExtensionDisable: {
    ownerStatus: 409,
    input: async () => ({ params: { database: await newDatabase(), extension: "hstore" } }),
  },
  databaseTableList: onDatabase(),
  databaseQuery: onDatabase({ sql: "select 1" }),
  databaseStatementList: onDatabase(),
  databaseScriptRun: onDatabase({ sql: "select 1; select 2" }),
  databaseSessionList: onDatabase(),
  databaseSessionTerminate: { ownerStatus: 409, input: async () => ({ params: { database: await newDatabase(), pid: 42 } }) },
  databaseMetricsGet: onDatabase(),
  databaseHistoryGet: { input: async () => ({ params: { database: await newDatabase() } }) },
  databaseBackupList: { input: () => ({ query: { project } }) },
  databaseBackupCreate: onDatabase(),
  databaseBackupGet: { input: async () => ({ params: { databaseBackup: await newDatabaseBackup() } }) },
  databaseBackupVerify: { ownerStatus: 409, input: async () => ({ params: { databaseBackup: await newDatabaseBackup() } }) },
  databaseBackupRestore: {
    ownerStatus: 409,
    input: async () => ({ params: { databaseBackup: await newDatabaseBackup() }, body: { name: "walked-again" } }),
  },
  databaseBackupDelete: { ownerStatus: 409, input: async () => ({ params: { databaseBackup: await newDatabaseBackup() } }) },
};

function onDatabase(body?: object): Case {
  return { ownerStatus: 409, input: async () => ({ params: { database: await newDatabase() }, ...(body ? { body } : {}) }) };
}
async function newDatabase(): Promise<string> {
  const id = newId("database");
  await cloud.database
    .sql`insert into databases.databases (id, organisation_id, project_id, name, engine, version, state, memory_bytes, cpus, disk_bytes,
      database_name, owner_name, backup_hour, keep_days, created_at)
    values (${id}, ${organisation}, ${project}, ${unique("walked")}, 'postgres', '15', 'running', 268435456, 1, 1073741824, 'walked', 'walked', 2, 7,
      now())`;
  return id;
}
async function newDatabaseUser(): Promise<string> {
  const id = newId("databaseUser");
  await cloud.database
    .sql`insert into databases.users (id, organisation_id, project_id, database_id, name, access, state, created_at, changed_at)
    values (${id}, ${organisation}, ${project}, ${await newDatabase()}, 'walker', 'read_write', 'active', now(), now())`;
  return id;
}
async function newDatabaseBackup(): Promise<string> {
  const id = newId("databaseBackup");
  await cloud.database
    .sql`insert into databases.backups (id, organisation_id, project_id, database_id, database_name, inner_name, owner_name, version, memory_bytes,
      cpus, disk_bytes, state, bucket_id, bucket_name, prefix, automatic, created_at)
    values (${id}, ${organisation}, ${project}, ${newId("database")}, 'walked', 'walked', 'walked', '15', 268435456, 1, 1073741824, 'available',
      ${bucket}, 'walked', 'databases/walked/1/', false, now())`;
  return id;
}

async function newApp(name = unique("walk")): Promise<string> {
  return (await as("owner", "appCreate", { body: { project, name } }))["id"];
}
async function newDeployment(): Promise<string> {
  const id = newId("deployment");
  await cloud.database
    .sql`insert into apps.deployments (id, organisation_id, project_id, app_id, number, kind, state, source, request, created_by, created_at)
    values (${id}, ${organisation}, ${project}, ${await newApp()}, 1, 'build', 'queued', '{"kind":"archive","description":"walked"}',
      '{"what":"source","from":"archive"}', '{"kind":"system","name":"walked"}', now())`;
  return id;
}

async function newAppBackup(): Promise<string> {
  const id = newId("appBackup");
  await cloud.database
    .sql`insert into apps.backups (id, organisation_id, project_id, app_id, app_name, reason, state, bucket_id, bucket_name, created_by, created_at)
    values (${id}, ${organisation}, ${project}, ${await newApp()}, 'walked', 'person', 'available', ${bucket}, 'walked', '{"kind":"system","name":"walked"}', now())`;
  return id;
}
async function newInstallation(): Promise<{ id: string; name: string }> {
  const id = newId("installation");
  const name = unique("walk");
  await cloud.database
    .sql`insert into apps.installations (id, organisation_id, project_id, app_id, template, version, state, created_by, created_at, updated_at)
    values (${id}, ${organisation}, ${project}, ${await newApp(name)}, 'gone', '1', 'installed', '{"kind":"system","name":"walked"}', now(), now())`;
  return { id, name };
}

/** Of what runs of an app. */
function onApp(more: Partial<Case> = {}): Case {
  return { input: async () => ({ params: { app: await routedApp() } }), ...more };
}

let routed: string | undefined;
async function routedApp(): Promise<string> {
  routed ??= (await as("owner", "appCreate", { body: { project, name: unique("routed") } }))["id"] as string;
  return routed;
}

/** As a push of a branch makes it. */
async function newPreview(): Promise<string> {
  const { id } = await as("owner", "appCreate", { body: { project, name: unique("preview") } });
  await cloud.database.sql`
    insert into apps.previews (app_id, parent_id, organisation_id, project_id, branch, commit, expires_at, pushed_at, created_at)
    values (${id}, ${await routedApp()}, ${organisation}, ${project}, ${unique("branch")}, 'c0ffee', now() + interval '1 day', now(), now())`;
  return id;
}

async function newDomain(): Promise<string> {
  const host = `${unique("walk")}.example.org`;
  return (await as("owner", "domainAdd", { params: { app: await routedApp() }, body: { host } }))["id"];
}

const spares: string[] = [];
/** One with a viewer of the walked members, so that a too low role can be tried there as well. */
async function spareOrganisation(): Promise<string> {
  const spare = (await as("owner", "organisationCreate", { body: { name: unique("Spare") } }))["id"];
  const viewer = (await as("viewer", "identityGet", {}))["principal"];
  await as("owner", "roleBindingCreate", { body: { organisation: spare, principal: viewer.id, role: "viewer" } });
  spares.push(spare);
  return spare;
}

test("every route has its case, and every public one is named as such", () => {
  const special = (key: string) => routes[key]?.permission === "public" || routes[key]?.permission === "self";
  assert.deepEqual(
    Object.keys(routes).filter((key) => !special(key) && !cases[key]),
    [],
    "routes without a case",
  );
  assert.deepEqual(
    Object.keys(cases).filter((key) => !routes[key]),
    [],
    "cases without a route",
  );
  assert.deepEqual(
    Object.keys(routes)
      .filter((key) => routes[key]?.permission === "public")
      .sort(),
    publicRoutes.sort(),
  );
});

for (const [key, route] of Object.entries(routes)) {
  if (route.permission === "public" || !cases[key]) continue;
  const { input, atCloud, ownerStatus, foreignStatus: known } = cases[key] as Case;
  test(`${key}: ${route.permission}`, async () => {
    const given = await input();
    assert.equal((await request(key, undefined, given)).statusCode, 401, "anonymous");
    assert.equal((await request(key, "khm_wrong", given)).statusCode, 401, "a token that is none");
    const foreign = await request(key, "stranger", given);
    const foreignStatus = known ?? (atCloud && !given.params ? 403 : 404);
    assert.equal(foreign.statusCode, foreignStatus, `the owner of another organisation: ${foreign.body}`);
    const tooLow = roles.find((role) => role !== "owner" && !route.roles?.some((lowest) => roleIncludes[role].includes(lowest)));
    const member = atCloud ? "admin" : spares.includes(given.params?.["organisation"] as string) ? "viewer" : tooLow;
    if (member) {
      const low = await request(key, member, given);
      assert.equal(low.statusCode, 403, `${member}: ${low.body}`);
    } else
      assert.ok(
        roles.every((role) => route.roles?.some((lowest) => roleIncludes[role].includes(lowest))),
        "every member may do it",
      );
    const owner = await request(key, "owner", given);
    if (route.stream?.response === "events") owner.stream().destroy();
    assert.ok(
      ownerStatus ? owner.statusCode === ownerStatus : owner.statusCode < 300,
      `the owner: ${owner.statusCode} ${route.stream?.response ? "" : owner.body}`,
    );
  });
}

/** What is one's own: only signed in, and never another's. */
const foreignThings: Record<string, Input> = {
  ...voiceForeignThings,
  ...voiceElementForeignThings,
  ...voiceLiveForeignThings,
  sessionDelete: { params: { session: newId("session") } },
  passkeyUpdate: { params: { passkey: newId("passkey") }, body: { name: "x" } },
  passkeyDelete: { params: { passkey: newId("passkey") } },
  personSshKeyDelete: { params: { personSshKey: newId("personSshKey") } },
  apiTokenDelete: { params: { apiToken: newId("apiToken") } },
};
for (const [key, route] of Object.entries(routes)) {
  if (route.permission !== "self") continue;
  test(`${key}: only signed in`, async () => {
    assert.equal((await request(key, undefined, foreignThings[key] ?? { body: {} })).statusCode, 401);
    const foreign = foreignThings[key];
    if (foreign) assert.equal((await request(key, "stranger", foreign)).statusCode, 404);
    else assert.ok(Object.keys(route.params?.shape ?? {}).length === 0, "a route with a parameter needs a foreign thing to try");
  });
}

test("another's token cannot be revoked, nor that of another's service account", async () => {
  const mine = (await as("owner", "apiTokenList", {}))["items"];
  for (const { id } of mine)
    assert.equal((await request("apiTokenDelete", "stranger", { params: { apiToken: id } })).statusCode, 404);
  const serviceAccount = await newServiceAccount();
  assert.equal((await request("apiTokenCreate", "stranger", { body: { name: "x", serviceAccount } })).statusCode, 404);
  assert.equal((await request("apiTokenList", "stranger", { query: { serviceAccount } })).statusCode, 404);
  assert.ok(ownerId);
});

test("the cloud's own audit entries are for those who administer it", async () => {
  assert.equal((await request("auditEntryList", "admin", {})).statusCode, 403);
  const { items } = await as("owner", "auditEntryList", { query: { limit: 1000 } });
  assert.ok(items.length > 0 && items.every((entry: { organisationId?: string }) => entry.organisationId === undefined));
});
