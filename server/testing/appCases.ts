import { newId } from "../../kernel/ids.ts";
import type { Case } from "./authorizationCase.ts";
import { as, bucket, cloud, organisation, project, unique } from "./authorizationWalk.ts";

/** Rows, as there is no engine to make them on. */
const newLink = async () => {
  const id = newId("appLink");
  await cloud.database
    .sql`insert into apps.links (id, app_id, organisation_id, project_id, kind, resource_id, resource_name, prefix, access, state,
      credential_id, created_by, created_at, changed_at)
    values (${id}, ${await routedApp()}, ${organisation}, ${project}, 'bucket', ${bucket}, 'walk', ${unique("P").replace("-", "_")}, 'read_write', 'active', '',
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

/** Of apps. There is no engine. */
export const appCases: Record<string, Case> = {
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
};
