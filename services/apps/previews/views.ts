import { isoTime } from "../../../kernel/clock.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import type { Secrets } from "../../../kernel/secrets.ts";
import { appStore } from "../deploying/store/apps.ts";
import { viewApps } from "../deploying/views.ts";
import type { AppsParts } from "../parts.ts";
import type { Preview, PreviewSettings } from "./contract.ts";
import { type PreviewRow, type PreviewSettingsRow, variableStore } from "./store.ts";
import { openVariable } from "./variables.ts";

export async function viewSettings(tx: Tx, secrets: Secrets, row: PreviewSettingsRow): Promise<PreviewSettings> {
  const { enabled, branches, lifeDays, most, revision } = row;
  const variables = (await variableStore.list(tx, row.appId)).map((each) => ({
    name: each.name,
    ...(each.isSecret ? {} : { value: openVariable(secrets, each) }),
    isSecret: each.isSecret,
  }));
  return { enabled, branches, lifeDays, most, variables, revision };
}

export async function viewPreviews(tx: Tx, parts: AppsParts, rows: readonly PreviewRow[]): Promise<Map<string, Preview>> {
  const apps = await viewApps(
    tx,
    parts,
    await appStore.of(
      tx,
      rows.map(({ appId }) => appId),
    ),
  );
  const views = new Map<string, Preview>();
  for (const row of rows) {
    const app = apps.find(({ id }) => id === row.appId);
    if (app === undefined) continue;
    const { name, url, state, stateReason, deployment } = app;
    views.set(row.appId, {
      id: row.appId,
      appId: row.parentId,
      projectId: app.projectId,
      branch: row.branch,
      commit: row.commit,
      ...{ name, url, state },
      ...(stateReason === undefined ? {} : { stateReason }),
      ...(deployment === undefined ? {} : { deployment }),
      expiresAt: isoTime(row.expiresAt),
      pushedAt: isoTime(row.pushedAt),
      createdAt: isoTime(row.createdAt),
    });
  }
  return views;
}
