import { newId } from "../kernel/ids.ts";
import { summaryOf, viewTemplate } from "../services/apps/catalogue/area.ts";
import { openTemplates } from "../services/apps/catalogue/template.ts";
import { person, place, type Sent, shopId } from "./madePlace.ts";

/** What the catalogue answers, for the looks: its own templates, an app of one of them with an update, backups of its disks. */
const templates = await openTemplates().list();
const installationId = newId("installation");
const bucket = { id: newId("bucket"), name: "backups" };
const at = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
export const operationIds = {
  running: newId("operation"),
  failed: newId("operation"),
  old: newId("operation"),
  done: newId("operation"),
};

const grafana = templates.find(({ id }) => id === "grafana");
const installation = {
  id: installationId,
  ...place,
  appId: shopId,
  name: "timetable-of-the-lyceum-and-homework",
  url: "https://lyceum.example/",
  template: { id: "grafana", name: "Grafana", icon: grafana?.icon, isListed: true },
  version: "13.1.0",
  update: {
    version: "13.2.0",
    notes: {
      en: "Alerts have silences by label.",
      fr: "Les alertes se taisent par étiquette.",
      uk: "Сповіщення приглушуються за міткою.",
    },
  },
  state: "installed",
  stateReason:
    "The update failed: Grafana could not be deployed: web ends right after its start with exit code 1. The version before goes on.",
  allowedActions: ["update", "remove"],
  bucket,
  hasDisks: true,
  firstSteps: (grafana?.firstSteps ?? []).map(({ en, fr, uk }) => {
    const filled = (text: string) =>
      text.replaceAll(/\{\{[^}]*\}\}/g, (each) => (each === "{{url}}" ? "https://lyceum.example" : "admin"));
    return { en: filled(en), fr: filled(fr), uk: filled(uk) };
  }),
  createdBy: person,
  createdAt: at(60 * 24 * 30),
  updatedAt: at(60 * 24 * 3),
  revision: 4,
};
const backup = (minutes: number, more: object) => ({
  id: newId("appBackup"),
  projectId: place.projectId,
  appId: shopId,
  appName: installation.name,
  releaseNumber: 11,
  reason: "update",
  state: "available",
  bucket,
  disks: [
    { name: "uploads", path: "/data/uploads", key: "apps/a/b/uploads.tar.gz", sizeBytes: 734_003_200, sha256: "0".repeat(64) },
  ],
  sizeBytes: 734_003_200,
  createdBy: person,
  createdAt: at(minutes),
  finishedAt: at(minutes - 1),
  ...more,
});
const backups = [
  backup(30, { state: "creating", reason: "person", disks: [], sizeBytes: 0 }),
  backup(60 * 24 * 3, {}),
  backup(60 * 24 * 9, { state: "error", stateReason: "The bucket backups is full.", disks: [], sizeBytes: 0 }),
];
const step = (name: string, state: string) => ({ name, state, attempts: 1, startedAt: at(2) });
const operation = (id: string, state: string, more: object) => ({
  id,
  kind: "apps.installation.create",
  state,
  ...place,
  resource: { kind: "installation", id: installationId, name: "graphs" },
  progress: state === "succeeded" ? 1 : 0.7,
  cancelRequested: false,
  createdBy: person,
  createdAt: at(3),
  updatedAt: at(1),
  ...more,
});
const operations: Record<string, object> = {
  [operationIds.running]: operation(operationIds.running, "running", {
    steps: [step("app", "done"), step("database", "done"), step("deploy", "running")],
  }),
  [operationIds.failed]: operation(operationIds.failed, "failed", {
    steps: [step("app", "undone"), step("database", "undone"), step("deploy", "undone")],
    error: {
      code: "failed_precondition",
      message:
        "Grafana could not be deployed: the registry docker.io did not answer.\n--> fetching docker.io/grafana/grafana:13.2.0",
      step: "deploy",
      details: {
        reason: "deployment_failed",
        name: "Grafana",
        because: {
          code: "unavailable",
          message: "the registry docker.io did not answer.",
          details: { reason: "registry_unreachable", registry: "docker.io" },
        },
        output: "--> fetching docker.io/grafana/grafana:13.2.0",
      },
    },
    finishedAt: at(1),
  }),
  // Kept before reasons were.
  [operationIds.old]: operation(operationIds.old, "failed", {
    steps: [step("app", "undone")],
    error: { code: "unavailable", message: "The engine did not answer that day.", step: "app" },
    finishedAt: at(1),
  }),
  [operationIds.done]: operation(operationIds.done, "succeeded", {
    steps: [step("app", "done"), step("database", "done"), step("deploy", "done")],
    finishedAt: at(1),
  }),
};

export const catalogueAnswers: Record<string, (sent: Sent) => unknown> = {
  templateList: () => ({ items: templates.map(summaryOf) }),
  templateGet({ params }) {
    const template = templates.find(({ id }) => id === params["template"]);
    return template && viewTemplate(template);
  },
  installationList: ({ query }) => ({ items: [null, String(shopId)].includes(query.get("app")) ? [installation] : [] }),
  installationGet: () => installation,
  appBackupList: ({ query }) => ({ items: query.get("app") === shopId ? backups : [] }),
  bucketList: () => ({ items: [] }),
  operationGet: ({ params }) => operations[params["operation"] ?? ""],
};
