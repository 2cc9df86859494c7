/** What previews have in their environment: the app's own variables, and what is set for previews over them. */
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError } from "../../../kernel/errors.ts";
import type { Secrets } from "../../../kernel/secrets.ts";
import { openSetting, type SettingChange } from "../deploying/settings.ts";
import { settingStore } from "../deploying/store/settings.ts";
import type { AppView } from "../parts.ts";
import { type VariableRow, variableStore } from "./store.ts";

/** All values together, as those of an app. */
const maximumBytes = 1024 ** 2;

const purposeOf = (appId: string, name: string): string => `apps.preview_variable:${appId}:${name}`;

export const openVariable = (secrets: Secrets, row: VariableRow): string =>
  secrets.decrypt(purposeOf(row.appId, row.name), row.value).toString();

/** Answers the names of those that were set or taken away. */
export async function changeVariables(
  tx: Tx,
  secrets: Secrets,
  app: Pick<AppView, "id" | "organisationId">,
  { set, setSecrets, unset }: SettingChange,
): Promise<string[]> {
  const names = [...Object.keys(set), ...Object.keys(setSecrets), ...unset];
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new CloudError("invalid_argument", `${twice} is there twice: set it once, or unset it.`);
  if (names.includes("PORT"))
    throw new CloudError("invalid_argument", "PORT is set by Khmara.", { details: { reason: "setting_reserved" } });
  for (const [values, isSecret] of [
    [set, false],
    [setSecrets, true],
  ] as const)
    for (const [name, value] of Object.entries(values))
      await variableStore.put(tx, {
        appId: app.id,
        name,
        organisationId: app.organisationId,
        value: secrets.encrypt(purposeOf(app.id, name), value),
        isSecret,
        updatedAt: new Date(),
      });
  await variableStore.delete(tx, app.id, unset);
  const bytes = (await variableStore.list(tx, app.id)).reduce((sum, { name, value }) => sum + name.length + value.length, 0);
  if (bytes > maximumBytes)
    throw new CloudError(
      "failed_precondition",
      "All variables together may have 1 MiB. Put larger things into a file or a bucket.",
      {
        details: { reason: "settings_too_large" },
      },
    );
  return names;
}

/** What makes a preview's settings those that it is to have. What a manifest says of them stays the branch's own. */
export async function environmentFor(tx: Tx, secrets: Secrets, parentId: string, previewId: string): Promise<SettingChange> {
  const wanted = new Map<string, { value: string; isSecret: boolean }>();
  for (const row of await settingStore.list(tx, parentId)) {
    const value = row.origin === "person" && row.value !== null ? openSetting(secrets, row) : undefined;
    if (value !== undefined) wanted.set(row.name, { value, isSecret: row.isSecret });
  }
  for (const row of await variableStore.list(tx, parentId))
    wanted.set(row.name, { value: openVariable(secrets, row), isSecret: row.isSecret });
  const own = await settingStore.list(tx, previewId);
  const of = (isSecret: boolean) =>
    Object.fromEntries([...wanted].flatMap(([name, each]) => (each.isSecret === isSecret ? [[name, each.value]] : [])));
  return {
    set: of(false),
    setSecrets: of(true),
    unset: own.flatMap(({ name, origin }) => (origin === "person" && !wanted.has(name) ? [name] : [])),
  };
}
