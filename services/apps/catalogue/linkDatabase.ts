/** The link between an app of the catalogue and the database that was made for it: as a person would make one, without a request. */
import type { Actor } from "../../../kernel/contract.ts";
import { CloudError } from "../../../kernel/errors.ts";
import { newId } from "../../../kernel/ids.ts";
import { createLinking, holderOf, newUserName } from "../linking/linking.ts";
import { type LinkRow, linkStore } from "../linking/store.ts";
import type { AppsParts } from "../parts.ts";

export function linkingOfDatabases(parts: AppsParts) {
  const { database } = parts;
  const linking = createLinking(parts);

  /** Its next release has DATABASE_URL. A link that a killed process left half made is begun anew; one that is there stays. */
  return async (appId: string, databaseId: string, { actor, signal }: { actor: Actor; signal: AbortSignal }): Promise<void> => {
    const begun = await database.transaction("system", async (tx) => {
      const app = await parts.deploying.find(tx, appId, { lock: true });
      if (!app) throw new CloudError("cancelled", "The app was deleted.");
      const found = await linking.databases().find(tx, app.projectId, databaseId);
      if (!found) throw new CloudError("cancelled", "The database was deleted.");
      const there = (await linkStore.ofApp(tx, app.id)).filter(({ resourceId }) => resourceId === databaseId);
      if (there.some(({ state }) => state === "active")) return undefined;
      for (const row of there) if (row.state === "creating") await linking.revoke(tx, row);
      const now = new Date();
      const row: LinkRow = {
        id: newId("appLink"),
        appId: app.id,
        organisationId: app.organisationId,
        projectId: app.projectId as LinkRow["projectId"],
        kind: "database",
        resourceId: found.id,
        resourceName: found.name,
        prefix: "",
        access: "read_write",
        state: "creating",
        credentialId: newUserName(app),
        credential: null,
        createdBy: actor,
        createdAt: now,
        changedAt: now,
      };
      if (!(await linkStore.insert(tx, row)))
        throw new CloudError("conflict", `The app ${app.name} has a link to another database already.`);
      return { app, row };
    });
    if (!begun) return;
    const { app, row } = begun;
    const { password } = await linking.databases().makeUser({
      databaseId,
      name: row.credentialId,
      access: row.access,
      holder: holderOf(app),
      signal,
    });
    await database.transaction("system", async (tx) => {
      if (!(await parts.deploying.find(tx, app.id, { lock: true }))) throw new CloudError("cancelled", "The app was deleted.");
      const credential = linking.seal(row.id, { kind: "database", user: row.credentialId, password });
      await linkStore.set(tx, row.id, { state: "active", credential });
      await linking.bring(tx, app.id);
    });
  };
}
