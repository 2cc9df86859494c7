import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError } from "../../../kernel/errors.ts";
import { newId } from "../../../kernel/ids.ts";
import type { AppsParts, ReleaseView } from "../parts.ts";
import type { RunFacts } from "./building.ts";
import { checkSettings, environmentOf, openEnvironment, sealEnvironment, takeManifest } from "./settings.ts";
import { type AppRow, appStore } from "./store/apps.ts";
import { type DeploymentRow, deploymentStore } from "./store/deployments.ts";
import { imageStore } from "./store/images.ts";
import { type ReleaseRow, releaseStore } from "./store/releases.ts";
import { settingStore } from "./store/settings.ts";

/** Where the content of a release comes from. */
export type ReleaseContent =
  | { from: "build"; facts: RunFacts & { imageId: string; imageBytes: number } }
  | { from: "release"; releaseId: string; settings: "of then" | "of now" };

/**
 * Makes the release of a deployment, with its number, in the transaction that the record of the deployment learns of it; answers the one that is
 * there already. failed_precondition when required settings have no value or the image of an earlier release is gone; quota_exceeded.
 */
export async function makeRelease(
  tx: Tx,
  parts: AppsParts,
  app: AppRow,
  deployment: DeploymentRow,
  content: ReleaseContent,
): Promise<ReleaseRow> {
  if (deployment.releaseId !== null) return (await releaseStore.find(tx, deployment.releaseId)) as ReleaseRow;
  const { secrets } = parts;
  const id = newId("release");
  const at = new Date();
  const own = {
    id,
    organisationId: app.organisationId,
    projectId: app.projectId,
    appId: app.id,
    number: await appStore.nextNumber(tx, app.id, "release"),
    deploymentId: deployment.id,
    source: deployment.source,
    createdBy: deployment.createdBy,
    createdAt: at,
  };
  let row: ReleaseRow;
  if (content.from === "build") {
    const { facts } = content;
    await takeManifest(tx, secrets, app, facts.settings);
    const links = await parts.linking.bring(tx, app.id);
    await parts.linking.check(tx, app, facts.links ?? []);
    await checkSettings(tx, app);
    const environment = environmentOf(secrets, await settingStore.list(tx, app.id));
    row = {
      ...own,
      imageId: facts.imageId,
      imageBytes: facts.imageBytes,
      runtime: facts.runtime,
      processes: facts.processes,
      port: facts.port,
      healthCheck: facts.healthCheck,
      releaseCommand: facts.releaseCommand ?? null,
      disks: facts.disks,
      ...rightsOf(app, facts),
      links,
      cron: facts.cron ?? [],
      environment: sealEnvironment(secrets, id, environment),
      settingNames: Object.keys(environment).sort(),
    };
  } else {
    // A change of settings that waited is for what is live by now, not for what was when it was asked for.
    const of = content.settings === "of now" ? (app.liveReleaseId ?? content.releaseId) : content.releaseId;
    const before = await releaseStore.find(tx, of);
    if (!before || !(await imageStore.has(tx, app.id, before.imageId)))
      throw new CloudError("failed_precondition", "The image of this release is not kept any more. Deploy its source again.", {
        details: { reason: "image_gone" },
      });
    const links = await parts.linking.bring(tx, app.id);
    if (content.settings === "of now") await checkSettings(tx, app);
    const settings = await settingStore.list(tx, app.id);
    // Links are always those of now: of a database that was taken away, the user is gone.
    const environment =
      content.settings === "of now"
        ? environmentOf(secrets, settings)
        : {
            ...without(
              openEnvironment(secrets, before.id, before.environment),
              before.links.flatMap(({ names }) => names),
            ),
            ...environmentOf(
              secrets,
              settings.filter(({ origin }) => origin === "link"),
            ),
          };
    row = {
      ...before,
      ...own,
      ...(content.settings === "of now" ? rightsOf(app, before.asked) : {}),
      links,
      environment: sealEnvironment(secrets, id, environment),
      settingNames: Object.keys(environment).sort(),
    };
  }
  await imageStore.add(
    tx,
    {
      appId: app.id,
      organisationId: app.organisationId,
      projectId: app.projectId,
      imageId: row.imageId,
      sizeBytes: row.imageBytes,
    },
    app.name,
    at,
  );
  await releaseStore.insert(tx, row);
  await deploymentStore.setRelease(tx, deployment.id, row);
  await parts.running.ensureDisks(tx, app.id, row.disks);
  await parts.running.releaseMade(tx, row);
  return row;
}

export const without = (values: Readonly<Record<string, string>>, names: readonly string[]): Record<string, string> =>
  Object.fromEntries(Object.entries(values).filter(([name]) => !names.includes(name)));

/** A person's word goes before the source's. */
const rightsOf = (
  app: Pick<AppRow, "capabilities" | "runUser">,
  { capabilities, user }: ReleaseRow["asked"],
): Pick<ReleaseRow, "capabilities" | "runUser" | "asked"> => ({
  capabilities: app.capabilities ?? capabilities,
  runUser: app.runUser ?? user ?? null,
  asked: { capabilities, ...(user === undefined ? {} : { user }) },
});

/** With its settings opened, and PORT. */
export const viewRelease = ({ secrets }: Pick<AppsParts, "secrets">, row: ReleaseRow): ReleaseView => ({
  id: row.id,
  number: row.number,
  appId: row.appId,
  organisationId: row.organisationId,
  projectId: row.projectId,
  imageId: row.imageId,
  port: row.port,
  healthCheck: row.healthCheck,
  processes: row.processes,
  capabilities: row.capabilities,
  ...(row.runUser === null ? {} : { user: row.runUser }),
  environment: { ...openEnvironment(secrets, row.id, row.environment), PORT: String(row.port) },
});
