/** Settings of an app: variables of its environment, sealed at rest, and what its manifest says of them. */
import { isoTime } from "../../../kernel/clock.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError } from "../../../kernel/errors.ts";
import { newToken, type Secrets } from "../../../kernel/secrets.ts";
import type { RunPlan } from "../building/plan.ts";
import type { Setting } from "./contract.ts";
import type { AppRow } from "./store/apps.ts";
import { type SettingRow, settingStore } from "./store/settings.ts";

/** All values of an app together: they have to fit into the memory of a process's start (execve(2)). */
const maximumEnvironmentBytes = 1024 ** 2;

const purposeOf = (appId: string, name: string): string => `apps.setting:${appId}:${name}`;
const releasePurpose = (releaseId: string): string => `apps.release:${releaseId}`;

export const sealSetting = (secrets: Secrets, appId: string, name: string, value: string): Uint8Array =>
  secrets.encrypt(purposeOf(appId, name), value);

/** Undefined while it has no value. */
export const openSetting = (secrets: Secrets, row: SettingRow): string | undefined =>
  row.value === null ? (row.defaultValue ?? undefined) : secrets.decrypt(purposeOf(row.appId, row.name), row.value).toString();

const isMissing = (row: SettingRow): boolean => row.required && row.value === null && row.defaultValue === null;

export const viewSetting = (secrets: Secrets, row: SettingRow): Setting => {
  const value = row.isSecret ? undefined : openSetting(secrets, row);
  return {
    name: row.name,
    ...(value === undefined ? {} : { value }),
    isSecret: row.isSecret,
    origin: row.origin,
    ...(row.description === null ? {} : { description: row.description }),
    isMissing: isMissing(row),
    ...(row.updatedAt === null ? {} : { updatedAt: isoTime(row.updatedAt) }),
  };
};

export interface SettingChange {
  set: Readonly<Record<string, string>>;
  setSecrets: Readonly<Record<string, string>>;
  unset: readonly string[];
}

/** invalid_argument for one that is there twice, or that is ours. Answers whether anything is another now. */
export async function changeSettings(
  tx: Tx,
  secrets: Secrets,
  app: Pick<AppRow, "id" | "organisationId">,
  { set, setSecrets, unset }: SettingChange,
): Promise<boolean> {
  const names = [...Object.keys(set), ...Object.keys(setSecrets), ...unset];
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new CloudError("invalid_argument", `${twice} is there twice: set it once, or unset it.`);
  if (names.includes("PORT"))
    throw new CloudError(
      "invalid_argument",
      'PORT is set by Khmara. Where the app listens is said in khmara.json ("port"), or by EXPOSE in a Dockerfile.',
      { details: { reason: "setting_reserved" } },
    );
  const rows = new Map((await settingStore.list(tx, app.id)).map((row) => [row.name, row]));
  const linked = names.find((name) => rows.get(name)?.origin === "link");
  if (linked !== undefined)
    throw new CloudError(
      "failed_precondition",
      `${linked} comes with a link to a database or a bucket. Take the link away, or give it a prefix, to have a value of your own.`,
      { details: { reason: "setting_linked", setting: linked } },
    );
  const at = new Date();
  let changed = false;
  for (const [values, isSecret] of [
    [set, false],
    [setSecrets, true],
  ] as const)
    for (const [name, value] of Object.entries(values)) {
      const before = rows.get(name);
      if (before?.origin === "person" && before.isSecret === isSecret && openSetting(secrets, before) === value) continue;
      await settingStore.put(tx, {
        ...(before ?? { inManifest: false, defaultValue: null, required: false, description: null }),
        appId: app.id,
        name,
        organisationId: app.organisationId,
        value: sealSetting(secrets, app.id, name, value),
        isSecret,
        origin: "person",
        updatedAt: at,
      });
      changed = true;
    }
  for (const name of unset) {
    const before = rows.get(name);
    if (before === undefined || (before.inManifest && before.value === null)) continue;
    changed = true;
    if (!before.inManifest) await settingStore.delete(tx, app.id, name);
    // What the manifest says of it holds again.
    else
      await settingStore.put(tx, {
        ...before,
        value: null,
        isSecret: before.defaultValue === null && before.isSecret,
        origin: "manifest",
        updatedAt: at,
      });
  }
  const bytes = Object.entries(environmentOf(secrets, await settingStore.list(tx, app.id))).reduce(
    (sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value) + 2,
    0,
  );
  if (bytes > maximumEnvironmentBytes)
    throw new CloudError(
      "failed_precondition",
      "All settings together may have 1 MiB. Put larger things into a file or a bucket.",
      {
        details: { reason: "settings_too_large" },
      },
    );
  return changed;
}

/**
 * What the manifest of a source says comes to the settings: defaults, descriptions, and what is made at random once. Values of persons stay.
 */
export async function takeManifest(
  tx: Tx,
  secrets: Secrets,
  app: Pick<AppRow, "id" | "organisationId">,
  settings: RunPlan["settings"],
): Promise<void> {
  const rows = new Map((await settingStore.list(tx, app.id)).map((row) => [row.name, row]));
  const at = new Date();
  for (const [name, said] of Object.entries(settings)) {
    const before = rows.get(name);
    const generated = said.generate && (before?.value ?? null) === null;
    const row: SettingRow = {
      appId: app.id,
      name,
      organisationId: app.organisationId,
      value: generated ? sealSetting(secrets, app.id, name, newToken("")) : (before?.value ?? null),
      isSecret: before?.origin === "person" || before?.origin === "link" ? before.isSecret : said.value === undefined,
      origin: before?.origin ?? "manifest",
      inManifest: true,
      defaultValue: said.value ?? null,
      required: said.required,
      description: said.description ?? null,
      updatedAt: generated || before === undefined ? at : before.updatedAt,
    };
    await settingStore.put(tx, row);
  }
  for (const row of rows.values()) {
    if (!row.inManifest || Object.hasOwn(settings, row.name)) continue;
    // A value is never lost because a line of a manifest is.
    if (row.value === null) await settingStore.delete(tx, app.id, row.name);
    else await settingStore.put(tx, { ...row, inManifest: false, defaultValue: null, required: false });
  }
}

/** failed_precondition when a person has given one of these a value. */
export async function checkLinkNames(tx: Tx, appId: string, names: readonly string[]): Promise<void> {
  const own = (await settingStore.list(tx, appId)).filter(
    ({ name, origin, value }) => names.includes(name) && origin !== "link" && value !== null,
  );
  if (own.length === 0) return;
  throw new CloudError(
    "failed_precondition",
    `The app has values of its own for ${own.map(({ name }) => name).join(", ")}. Unset them, or give the link a prefix.`,
    { details: { reason: "settings_taken", settings: own.map(({ name }) => name) } },
  );
}

/** Variables of links, all of them: what was one and is none any more goes, or is the manifest's again. A person's own go before `shared`. */
export async function linkSettings(
  tx: Tx,
  secrets: Secrets,
  app: Pick<AppRow, "id" | "organisationId">,
  { set, shared }: Record<"set" | "shared", Readonly<Record<string, { value: string; isSecret: boolean }>>>,
): Promise<void> {
  const rows = new Map((await settingStore.list(tx, app.id)).map((row) => [row.name, row]));
  const at = new Date();
  const isFree = (name: string) => rows.get(name)?.origin !== "person";
  const wanted = { ...Object.fromEntries(Object.entries(shared).filter(([name]) => isFree(name))), ...set };
  for (const [name, { value, isSecret }] of Object.entries(wanted)) {
    const before = rows.get(name);
    if (before?.origin === "link" && openSetting(secrets, before) === value) continue;
    await settingStore.put(tx, {
      ...(before ?? { inManifest: false, defaultValue: null, required: false, description: null }),
      appId: app.id,
      name,
      organisationId: app.organisationId,
      value: sealSetting(secrets, app.id, name, value),
      isSecret,
      origin: "link",
      updatedAt: at,
    });
  }
  for (const row of rows.values()) {
    if (row.origin !== "link" || Object.hasOwn(wanted, row.name)) continue;
    if (!row.inManifest) await settingStore.delete(tx, app.id, row.name);
    else
      await settingStore.put(tx, { ...row, value: null, isSecret: row.defaultValue === null, origin: "manifest", updatedAt: at });
  }
}

/** failed_precondition (`details.reason` settings_missing) with the names of what has to be set before. */
export async function checkSettings(tx: Tx, app: Pick<AppRow, "id" | "name">): Promise<void> {
  const missing = (await settingStore.list(tx, app.id)).filter(isMissing).map(({ name }) => name);
  if (missing.length === 0) return;
  throw new CloudError(
    "failed_precondition",
    `These settings have no value yet: ${missing.join(", ")}. Set them (khmara setting update), then deploy again.`,
    { details: { reason: "settings_missing", settings: missing } },
  );
}

export const environmentOf = (secrets: Secrets, rows: readonly SettingRow[]): Record<string, string> =>
  Object.fromEntries(
    rows.flatMap((row) => {
      const value = openSetting(secrets, row);
      return value === undefined ? [] : [[row.name, value]];
    }),
  );

export const sealEnvironment = (secrets: Secrets, releaseId: string, environment: Readonly<Record<string, string>>): Uint8Array =>
  secrets.encrypt(releasePurpose(releaseId), JSON.stringify(environment));

export const openEnvironment = (secrets: Secrets, releaseId: string, sealed: Uint8Array): Record<string, string> =>
  JSON.parse(secrets.decrypt(releasePurpose(releaseId), sealed).toString()) as Record<string, string>;
