import { setTimeout as sleep } from "node:timers/promises";
import type { Actor } from "../../../../kernel/contract.ts";
import type { Tx } from "../../../../kernel/db/database.ts";
import { CloudError, notFound } from "../../../../kernel/errors.ts";
import { newId } from "../../../../kernel/ids.ts";
import { defineOperation, type OperationDefinition, type StepContext } from "../../../../kernel/operations/definition.ts";
import { beginOperation, type OperationRecord } from "../../../../kernel/operations/store.ts";
import type { ComputeDriver } from "../../driver.ts";
import type { ComputeParts } from "../../parts.ts";
import { engineNameOf, subjectOf } from "../disks.ts";
import type { BackupContents } from "./content.ts";
import { type BackupRow, backupStore, verificationStore } from "./store.ts";
import { digestTar, type TarDigest, twice } from "./tarDigest.ts";

type DrillInput = {
  backupId: string;
  verificationId: string;
  /** Of the copy. */
  engineName: string;
  command: string | null;
  /** What was known of the backup before, for a drill that is cancelled. */
  before: Pick<BackupRow, "verification" | "verificationMessage"> & { verifiedAt: string | null };
};
type Context = StepContext<DrillInput>;

export type DrillOperation = OperationDefinition<DrillInput>;

const day = 24 * 3600;
/** How long a copy may take to come up. */
const bootSeconds = 600;
const commandSeconds = 1800;
const outputBytes = 16 * 1024;
const logBytes = 64 * 1024;

/** Not the labels of an instance or volume: copies have no records, and are no orphans. */
const drillLabels = (backup: BackupRow): Record<string, string> => ({
  "restore-drill": backup.id,
  project: backup.projectId,
  organisation: backup.organisationId,
});

/**
 * A restore drill: the backup is restored under another name, without a network, and has to prove that it works; then the copy is
 * deleted. Of an instance the copy is started, and is up when its systemd says so (or, where there is none, when a command answers); of
 * a volume its files are compared one by one with those in the backup.
 */
export function defineDrill(parts: Pick<ComputeParts, "engine">, contents: BackupContents): DrillOperation {
  const remove = (driver: ComputeDriver, backup: BackupRow, name: string, signal: AbortSignal) =>
    backup.sourceKind === "instance" ? driver.instanceDelete(name, { signal }) : driver.volumeDelete(name, { signal });

  async function restoreInstance({ input, signal, progress, attempt }: Context): Promise<void> {
    const driver = parts.engine();
    // Begun again, it cannot go on in the middle of a stream.
    if (attempt > 1) await driver.instanceDelete(input.engineName, { signal });
    await contents.read(input.backupId, { signal, progress }, (content, backup) => {
      const was = backup.instance;
      return driver.instanceImport(
        {
          name: input.engineName,
          kind: was?.kind ?? "container",
          size: { vcpus: was?.vcpus ?? 1, memoryBytes: was?.memoryBytes ?? 1024 ** 3, diskBytes: backup.diskBytes },
          hostName: "restore-drill",
          cloudInit: {},
          interfaces: [],
          autoRestart: false,
          labels: drillLabels(backup),
        },
        content,
        { signal },
      );
    });
  }

  async function restoreVolume({ input, memory, signal, progress, attempt }: Context): Promise<void> {
    const driver = parts.engine();
    if (attempt > 1) await driver.volumeDelete(input.engineName, { signal });
    await contents.read(input.backupId, { signal, progress }, async (content, backup) => {
      const [forEngine, forDigest] = twice(content);
      const digest = digestTar(forDigest);
      digest.catch(() => {});
      const spec = { name: input.engineName, sizeBytes: backup.diskBytes, labels: drillLabels(backup) };
      await driver.volumeImport(spec, forEngine, { signal });
      memory["digest"] = await digest;
    });
  }

  async function compareVolume(context: Context): Promise<void> {
    const { input, memory, signal } = context;
    const backedUp = memory["digest"] as TarDigest;
    const { content } = await parts.engine().volumeExport(input.engineName, { signal });
    const restored = await digestTar(content);
    await write(context, `${restored.files} files with ${restored.sizeBytes} bytes were restored; digest ${restored.digest}`);
    if (restored.digest !== backedUp.digest) {
      throw failure(
        `The restored volume differs from the backup: ${restored.files} files with ${restored.sizeBytes} bytes instead of ${backedUp.files} with ${backedUp.sizeBytes}.`,
      );
    }
  }

  async function boot(context: Context): Promise<void> {
    const { input, signal } = context;
    const driver = parts.engine();
    await write(context, "starting the copy, without a network");
    await driver.instanceStart(input.engineName, { signal });
    const state = await waitUntilUp(driver, input.engineName, signal);
    await write(context, `the copy is up: ${state}`);
    if (input.command === null) return;
    const limit = AbortSignal.timeout(commandSeconds * 1000);
    await write(context, `$ ${input.command}`);
    const { exitCode, stdout, stderr } = await driver
      .instanceExec(input.engineName, {
        command: ["/bin/sh", "-c", input.command],
        maxOutputBytes: outputBytes,
        signal: AbortSignal.any([signal, limit]),
      })
      .catch((error) => {
        throw limit.aborted ? failure(`The command did not end within ${commandSeconds / 60} minutes.`) : error;
      });
    for (const output of [stdout, stderr]) if (output.length > 0) await write(context, Buffer.from(output).toString().trimEnd());
    await write(context, `exit code ${exitCode}`);
    if (exitCode !== 0)
      throw failure(`The command ended with exit code ${exitCode} in the restored copy; the log has its output.`);
  }

  return defineOperation<DrillInput>({
    kind: "compute.backup.verify",
    long: true,
    steps: [
      {
        name: "restore",
        deadlineSeconds: day,
        async run(context) {
          const backup = await readBackup(context);
          await write(context, `restoring ${backup.key} (${backup.sizeBytes} bytes) as ${context.input.engineName}`);
          await (backup.sourceKind === "instance" ? restoreInstance(context) : restoreVolume(context));
          await write(context, `restored; the bytes are those that were backed up (SHA-256 ${backup.sha256})`);
        },
        async undo(context) {
          const { input, signal } = context;
          await remove(parts.engine(), await readBackup(context), input.engineName, signal);
        },
      },
      {
        name: "check",
        // One that does not come up at once is not tried again: that is what is to be found out.
        attempts: 1,
        deadlineSeconds: bootSeconds + commandSeconds + 600,
        async run(context) {
          const backup = await readBackup(context);
          await (backup.sourceKind === "instance" ? boot(context) : compareVolume(context));
        },
      },
      {
        name: "remove",
        deadlineSeconds: 600,
        async run(context) {
          const { input, signal } = context;
          await remove(parts.engine(), await readBackup(context), input.engineName, signal);
          await write(context, "the copy is deleted");
        },
      },
    ],
    async finish(tx, { input, memory, error }, outcome) {
      const finishedAt = new Date();
      const backup = await backupStore.find(tx, input.backupId, { lock: true });
      if (!backup) return undefined;
      const state = outcome === "succeeded" ? "passed" : "failed";
      const message =
        error?.message ??
        (backup.sourceKind === "instance" ? "It was restored and came up." : "It was restored, and every file is as it was.");
      const log = [...lines(memory), ...(error ? [`failed: ${error.message}`] : [])].join("\n");
      await verificationStore.end(tx, input.verificationId, { state, message, log, finishedAt });
      const { before } = input;
      await backupStore.update(tx, backup.id, {
        operationId: null,
        ...(outcome === "cancelled"
          ? { ...before, verifiedAt: before.verifiedAt ? new Date(before.verifiedAt) : null }
          : { verification: state, verifiedAt: finishedAt, verificationMessage: message }),
      });
      return { backupId: backup.id, verification: state, message };
    },
  });
}

async function readBackup({ database, input }: Context): Promise<BackupRow> {
  const row = await database.transaction("system", (tx) => backupStore.find(tx, input.backupId));
  if (!row) throw notFound("backup");
  return row;
}

const lines = (memory: Record<string, unknown>): string[] => (memory["log"] as string[] | undefined) ?? [];

/** One line of the log, which whoever looks sees at once. */
async function write({ memory, input, database }: Context, text: string): Promise<void> {
  const log = [...lines(memory), `${new Date().toISOString()} ${text}`];
  while (log.length > 1 && log.join("\n").length > logBytes) log.shift();
  memory["log"] = log;
  await database.transaction("system", (tx) => verificationStore.setLog(tx, input.verificationId, log.join("\n")));
}

const failure = (message: string): CloudError =>
  new CloudError("failed_precondition", message, { details: { resource: "backup", reason: "drill_failed" } });

/** Answers what the guest says of itself. */
async function waitUntilUp(driver: ComputeDriver, name: string, signal: AbortSignal): Promise<string> {
  let last = "";
  for (const until = Date.now() + bootSeconds * 1000; Date.now() < until; await sleep(1000, undefined, { signal })) {
    try {
      const { exitCode, stdout, stderr } = await driver.instanceExec(name, {
        command: ["/bin/sh", "-c", "command -v systemctl >/dev/null 2>&1 || exit 127; exec systemctl is-system-running --wait"],
        maxOutputBytes: 4096,
        signal: AbortSignal.any([signal, AbortSignal.timeout(until - Date.now())]),
      });
      const said = Buffer.from(stdout).toString().trim();
      if (exitCode === 127) return "it runs commands (it has no systemd)";
      if (said === "running" || said === "degraded") return `systemd says ${said}`;
      if (said === "maintenance")
        throw failure("The restored copy started into its rescue mode: its disks or services are broken.");
      last = said || Buffer.from(stderr).toString().trim();
    } catch (error) {
      signal.throwIfAborted();
      if (CloudError.is(error) && error.details.reason === "drill_failed") throw error;
      last = (error as Error).message;
      const report = await driver.instanceGet(name, { signal });
      if (report?.state === "stopped") throw failure("The restored copy stopped by itself while it was starting.");
    }
  }
  throw failure(
    `The restored copy did not come up within ${bootSeconds / 60} minutes. The last that was heard of it: ${last || "nothing"}.`,
  );
}

/** In the caller's transaction, which has the backup locked and its state checked. */
export async function beginDrill(
  tx: Tx,
  definition: DrillOperation,
  backup: BackupRow,
  request: { command: string | undefined; actor: Actor },
): Promise<OperationRecord> {
  const id = newId("backupVerification");
  const engineName = engineNameOf(id);
  const command = request.command ?? null;
  await verificationStore.insert(tx, {
    id,
    organisationId: backup.organisationId,
    backupId: backup.id,
    state: "running",
    message: "",
    log: "",
    command,
    engineName,
    startedAt: new Date(),
    finishedAt: null,
  });
  const { verification, verificationMessage, verifiedAt } = backup;
  const operation = await beginOperation(tx, definition, {
    input: {
      backupId: backup.id,
      verificationId: id,
      engineName,
      command,
      before: { verification, verificationMessage, verifiedAt: verifiedAt?.toISOString() ?? null },
    },
    actor: request.actor,
    ...subjectOf("backup", backup),
  });
  await backupStore.update(tx, backup.id, { verification: "running", operationId: operation.id });
  return operation;
}
