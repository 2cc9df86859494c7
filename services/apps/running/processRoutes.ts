import { actorOf } from "../../../kernel/auth/principal.ts";
import { isoTime } from "../../../kernel/clock.ts";
import { CloudError, invalid } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { viewOperation } from "../../../kernel/operations/view.ts";
import type { StreamContext } from "../../../kernel/service.ts";
import type { ContainerReport } from "../driver.ts";
import type { Area } from "../parts.ts";
import { openApp, subjectOf } from "../subjects.ts";
import type { AppContainer, AppProcess, runningRoutes } from "./contract.ts";
import { eachOf, type Runtime } from "./runtime.ts";
import { fineStep } from "./sampling.ts";
import type { Scaling } from "./scaling.ts";
import { endOf } from "./starting.ts";
import { type ContainerRow, containerName, containerStore } from "./store/containers.ts";
import { diskStore } from "./store/disks.ts";
import { type ProcessChange, type ProcessRow, processStore } from "./store/processes.ts";
import { sampleStore } from "./store/samples.ts";

type Routes = Pick<typeof runningRoutes, "processList" | "processScale" | "containerList">;

const viewProcess = (row: ProcessRow, running: number): AppProcess => ({
  name: row.name,
  ...(row.command !== null && { command: row.command }),
  count: row.count,
  running,
  memoryBytes: row.memoryBytes,
  cpus: row.cpus,
  ...(row.autoscaleMinimum !== null && {
    autoscale: {
      minimum: row.autoscaleMinimum,
      maximum: row.autoscaleMaximum ?? row.autoscaleMinimum,
      cpuPercent: row.autoscaleCpuPercent ?? 70,
    },
  }),
  revision: row.revision,
});

export function processRoutes(runtime: Runtime, scaling: Scaling): Area<Routes>["handlers"] {
  const { parts } = runtime;
  return {
    async processList(context, { params, query }) {
      const app = await openApp(parts, context, context.tx, params.app);
      const [after] = decodeCursor(query.cursor, 1) ?? [];
      const rows = await processStore.page(context.tx, {
        appId: app.id,
        after: after === undefined ? undefined : String(after),
        limit: query.limit + 1,
      });
      const healthy = await containerStore.healthy(context.tx, [app.id]);
      const running = (name: string) => healthy.find(({ process }) => process === name)?.count ?? 0;
      return toPage(
        rows,
        query.limit,
        (row) => viewProcess(row, running(row.name)),
        ({ name }) => [name],
      );
    },

    async processScale(context, { params, body }) {
      const { tx } = context;
      const app = await openApp(parts, context, tx, params.app, { lock: true });
      parts.engine();
      parts.deploying.checkAction(app, "scale");
      const rows = await processStore.ofApp(tx, app.id, { lock: true });
      const row = rows.find(({ name, inRelease }) => inRelease && name === params.process);
      if (!row) {
        const names = rows.filter(({ inRelease }) => inRelease).map(({ name }) => name);
        throw new CloudError(
          "not_found",
          names.length > 0
            ? `The app ${app.name} has no process ${params.process}. It has: ${names.join(", ")}.`
            : `Nothing was deployed to the app ${app.name} yet.`,
          { details: { resource: "process" } },
        );
      }
      if (context.ifMatch !== undefined && context.ifMatch !== row.revision)
        throw new CloudError("conflict", "The process was changed since it was read. Read it again.", {
          details: { reason: "revision" },
        });
      const change = changeOf(row, body);
      const after = { ...row, ...change };
      if ((after.count > 1 || after.autoscaleMaximum !== null) && (await diskStore.ofApp(tx, app.id)).length > 0)
        throw new CloudError(
          "failed_precondition",
          `The app ${app.name} has a disk, and two containers never write to one: each of its processes has one container at the most.`,
          { details: { reason: "disk_single_writer" } },
        );
      const record = await scaling.begin(tx, app, row, change, actorOf(context.principal));
      context.audit({ ...subjectOf(app), before: auditOf(row), after: auditOf(after) });
      return viewOperation(record);
    },

    async containerList(context, { params, query }) {
      const { rows, limits } = await context.transaction(async (tx) => {
        const app = await openApp(parts, context, tx, params.app);
        const [process, number] = decodeCursor(query.cursor, 2) ?? [];
        const rows = await containerStore.page(tx, {
          appId: app.id,
          after: process === undefined ? undefined : [String(process), Number(number)],
          limit: query.limit + 1,
        });
        return { rows, limits: await sampleStore.latest(tx, app.id, fineStep, new Date(Date.now() - 120_000)) };
      });
      const engine = parts.engine();
      const reports = new Map<string, ContainerReport>();
      await eachOf(rows.slice(0, query.limit), 8, async ({ engineName }) => {
        const report = await engine.containerGet(engineName, { signal: boundedBy(context) });
        if (report) reports.set(engineName, report);
      });
      return toPage(
        rows,
        query.limit,
        (row) =>
          viewContainer(
            row,
            reports.get(row.engineName),
            limits.find(({ process, container }) => process === row.process && container === row.number),
          ),
        ({ process, number }) => [process, number],
      );
    },
  };
}

const boundedBy = (context: StreamContext): AbortSignal => AbortSignal.any([context.signal, AbortSignal.timeout(15_000)]);

type ScaleBody = Parameters<Area<Routes>["handlers"]["processScale"]>[1]["body"];

function changeOf(row: ProcessRow, { count, memoryBytes, cpus, autoscale }: ScaleBody): ProcessChange {
  if (count === undefined && memoryBytes === undefined && cpus === undefined && autoscale === undefined)
    throw invalid("body", "What should change? Give count, memoryBytes, cpus or autoscale.");
  if (count !== undefined && autoscale)
    throw invalid("body.count", "With autoscale the count is found automatically: give one of the two.");
  if (count !== undefined && autoscale === undefined && row.autoscaleMinimum !== null)
    throw invalid("body.count", `The process ${row.name} scales by itself. Give autoscale null as well, to do it by hand again.`);
  const change: ProcessChange = {};
  if (count !== undefined) change.count = count;
  if (memoryBytes !== undefined) change.memoryBytes = memoryBytes;
  if (cpus !== undefined) change.cpus = cpus;
  if (autoscale === null) Object.assign(change, { autoscaleMinimum: null, autoscaleMaximum: null, autoscaleCpuPercent: null });
  else if (autoscale) {
    const { minimum, maximum, cpuPercent } = autoscale;
    Object.assign(change, { autoscaleMinimum: minimum, autoscaleMaximum: maximum, autoscaleCpuPercent: cpuPercent });
    change.count = Math.min(maximum, Math.max(minimum, row.count));
  }
  return change;
}

const auditOf = (row: ProcessRow) => ({
  process: row.name,
  count: row.count,
  memoryBytes: row.memoryBytes,
  cpus: row.cpus,
  ...(row.autoscaleMinimum !== null && {
    autoscale: { minimum: row.autoscaleMinimum, maximum: row.autoscaleMaximum, cpuPercent: row.autoscaleCpuPercent },
  }),
});

function viewContainer(
  row: ContainerRow,
  report: ContainerReport | undefined,
  sample: { cpuPercent: number | null; memoryBytes: number } | undefined,
): AppContainer {
  const running = report?.state === "running" || report?.state === "paused";
  const state: AppContainer["state"] =
    row.state === "draining"
      ? "draining"
      : report === undefined || report.state === "created"
        ? "starting"
        : report.state === "restarting"
          ? "restarting"
          : !running
            ? "exited"
            : row.state === "starting"
              ? row.process === "web"
                ? "starting"
                : "running"
              : row.state;
  const reason =
    report && !running && report.state !== "created" ? endOf(report, row) : row.state === "healthy" ? null : row.stateReason;
  return {
    name: containerName(row),
    process: row.process,
    releaseNumber: row.releaseNumber,
    state,
    ...(reason !== null && { stateReason: reason }),
    ...(report?.startedAt && { startedAt: isoTime(report.startedAt) }),
    restarts: report?.restarts ?? 0,
    ...(report?.exitCode !== undefined && { exitCode: report.exitCode }),
    ...(running && sample && sample.cpuPercent !== null && { cpuPercent: Math.round(sample.cpuPercent * 10) / 10 }),
    ...(running && sample && { memoryBytes: sample.memoryBytes }),
    memoryLimitBytes: row.memoryBytes,
    ...(row.node !== null && { node: row.node }),
  };
}
