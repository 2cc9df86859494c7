/** Links: what an app uses of the cloud, as variables of its environment, with a user or a key that nobody else has. */
import { randomBytes } from "node:crypto";
import { systemActor } from "../../../kernel/auth/principal.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError } from "../../../kernel/errors.ts";
import type { DatabaseLinks } from "../../databases/contract.ts";
import { accountToLink, loginToLink } from "../mailAccounts/accounts.ts";
import type { AppsParts, LinkingPart } from "../parts.ts";
import { projectNetwork } from "../running/contract.ts";
import type { LinkKind } from "./contract.ts";
import { type LinkRow, linkStore } from "./store.ts";
import {
  bucketVariables,
  type Credential,
  certificateFile,
  databaseVariables,
  mailVariables,
  trustVariables,
  type Variable,
} from "./variables.ts";

const purposeOf = (linkId: string): string => `apps.link:${linkId}`;
const page = 500;
/** Whoever makes one takes seconds. */
const leftAfterMs = 5 * 60_000;

export const holderOf = (app: { name: string }): string => `app ${app.name}`;

export interface LinkTarget {
  kind: LinkKind;
  id: string;
}

export interface Linking extends LinkingPart {
  databases(): DatabaseLinks;
  /** What is to be linked, where it is of this project; it stays until the transaction is over. */
  find(tx: Tx, projectId: string, what: LinkTarget): Promise<{ id: string; name: string } | undefined>;
  seal(linkId: string, credential: Credential): Uint8Array;
  /** Where containers of these projects find the S3 door, opened for them. */
  openDoor(signal: AbortSignal, more?: string): Promise<string>;
  /** What was made for a link goes, and it. */
  revoke(tx: Tx, row: LinkRow): Promise<void>;
  /** One turn of the worker: what goes, what was left, and what has another name or address by now. */
  lookAfter(signal: AbortSignal): Promise<void>;
}

export function createLinking(parts: AppsParts): Linking {
  const { database, secrets, identity, objects, log } = parts;

  function databases(): DatabaseLinks {
    if (parts.databaseLinks !== undefined) return parts.databaseLinks;
    throw new CloudError("failed_precondition", "This cloud has no databases that apps could be linked to.");
  }
  const seal = (linkId: string, credential: Credential) => secrets.encrypt(purposeOf(linkId), JSON.stringify(credential));
  const open = (row: LinkRow): Credential | undefined =>
    row.credential === null
      ? undefined
      : (JSON.parse(secrets.decrypt(purposeOf(row.id), row.credential).toString()) as Credential);

  /** As what is linked is called and reached now; undefined: it is gone. */
  async function variablesOf(tx: Tx, row: LinkRow): Promise<Record<string, Variable> | undefined> {
    const credential = open(row);
    if (credential === undefined) return undefined;
    if (credential.kind === "mail_account") {
      const login = await loginToLink(tx, secrets, row.resourceId);
      return login && mailVariables(row.prefix, login);
    }
    if (credential.kind === "bucket") {
      const bucket = await objects.findBucket(tx, row.projectId, row.resourceId);
      const region = parts.objectDoor?.region ?? "us-east-1";
      return bucket && bucketVariables(row.prefix, credential, { bucket: bucket.name, region });
    }
    const reach = await databases().reach(tx, row.resourceId);
    const certificate = await databases().certificate(tx);
    return reach && databaseVariables(row.prefix, credential, { ...reach, certificate: certificate ?? "" });
  }

  const bring: LinkingPart["bring"] = async (tx, appId) => {
    const links: { id: string; names: string[] }[] = [];
    const all: Record<string, Variable> = {};
    const rows = (await linkStore.ofApp(tx, appId)).filter(({ state }) => state === "active");
    for (const row of rows) {
      const variables = await variablesOf(tx, row);
      if (variables === undefined) continue;
      Object.assign(all, variables);
      links.push({ id: row.id, names: Object.keys(variables) });
    }
    const trust = rows.some(({ kind }) => kind === "database");
    const shared = Object.fromEntries(Object.entries(trustVariables).map(([name, value]) => [name, { value, isSecret: false }]));
    await parts.deploying.linkSettings(tx, appId, { set: all, shared: trust ? shared : {} });
    const last = links.findLast(({ id }) => rows.some((row) => row.id === id && row.kind === "database"));
    last?.names.push(...Object.keys(trustVariables));
    return links;
  };

  async function revoke(tx: Tx, row: LinkRow): Promise<void> {
    if (row.kind === "database") await databases().dropUser(tx, { databaseId: row.resourceId, name: row.credentialId });
    else if (row.kind === "bucket") {
      if (row.credentialId !== "") await identity.appKeys.remove(tx, row.credentialId);
      await objects.letGo(tx, row.id);
    }
    await linkStore.delete(tx, row.id);
  }

  async function openDoor(signal: AbortSignal, more?: string): Promise<string> {
    const door = parts.objectDoor;
    if (door === undefined) throw new CloudError("failed_precondition", "This cloud has no S3 that apps could reach.");
    const engine = parts.engine();
    const projects = new Set(await database.transaction("system", linkStore.bucketProjects));
    if (more !== undefined) projects.add(more);
    const networks: string[] = [];
    for (const id of projects) {
      const { name } = projectNetwork(id);
      if (id === more) await engine.networkCreate(projectNetwork(id), { signal });
      if (id === more || (await engine.networkGet(name, { signal }))) networks.push(name);
    }
    const opened = door.local && (await engine.hostDoor?.({ ...door.local, networks }, { signal }));
    return opened === undefined ? door.url : `http://${opened.address}:${opened.port}`;
  }

  /** Whether what an app has of its links is what it should have. */
  async function isStale(tx: Tx, appId: string, rows: readonly LinkRow[]): Promise<boolean> {
    const wanted: Record<string, string> = {};
    for (const row of rows)
      for (const [name, { value }] of Object.entries((await variablesOf(tx, row)) ?? {})) wanted[name] = value;
    const there = await parts.deploying.linkedValues(tx, appId);
    return Object.entries(wanted).some(([name, value]) => there[name] !== value);
  }

  return {
    databases,
    async find(tx, projectId, { kind, id }) {
      if (kind === "mail_account") return accountToLink(tx, projectId, id);
      return kind === "bucket" ? objects.findBucket(tx, projectId, id) : databases().find(tx, projectId, id);
    },
    seal,
    openDoor,
    revoke,
    bring,

    async check(tx, app, wanted) {
      const rows = (await linkStore.ofApp(tx, app.id)).filter(({ state }) => state === "active");
      const missing = wanted.filter(
        ({ kind, prefix }) => !rows.some((row) => row.kind === kind && row.prefix === (prefix ?? "")),
      );
      if (missing.length === 0) return;
      const words = missing
        .map(({ kind, prefix }) => `a ${kind.replace("_", " ")}${prefix ? ` with the prefix ${prefix}` : ""}`)
        .join(", ");
      throw new CloudError(
        "failed_precondition",
        `The app needs ${words}. Link it (in the app's page, or khmara app-link create ${app.name}), then deploy again.`,
        { details: { reason: "links_missing", links: missing } },
      );
    },

    async gone(tx, links) {
      const gone: string[] = [];
      for (const { id, names } of links) if ((await linkStore.find(tx, id)) === undefined) gone.push(...names);
      return gone;
    },

    async files(tx, links) {
      if (!links.some(({ names }) => names.includes("PGSSLROOTCERT"))) return [];
      const content = await databases().certificate(tx);
      return content === undefined ? [] : [{ path: certificateFile, content }];
    },

    async appDeleted(tx, appId) {
      for (const row of await linkStore.ofApp(tx, appId)) await revoke(tx, row);
    },

    async lookAfter(signal) {
      const active = new Map<string, LinkRow[]>();
      for (let after: string | undefined; ; ) {
        const rows = await database.transaction("system", (tx) => linkStore.all(tx, { after, limit: page }));
        for (const row of rows) {
          signal.throwIfAborted();
          if (row.state === "active") active.set(row.appId, [...(active.get(row.appId) ?? []), row]);
          else
            await database.transaction("system", async (tx) => {
              // The app first, as everywhere.
              await parts.deploying.find(tx, row.appId, { lock: true });
              const now = await linkStore.find(tx, row.id, { lock: true });
              if (now === undefined || now.state === "active") return;
              if (now.state === "creating" && Date.now() - now.changedAt.getTime() < leftAfterMs) return;
              if (now.state === "deleting" && (await linkStore.isUsed(tx, now))) return;
              await revoke(tx, now);
            });
        }
        after = rows.at(-1)?.id;
        if (rows.length < page) break;
      }
      for (const [appId, rows] of active)
        await database.transaction("system", async (tx) => {
          if (!(await isStale(tx, appId, rows))) return;
          const app = await parts.deploying.find(tx, appId, { lock: true });
          if (app === undefined || app.state === "deleting") return;
          await bring(tx, appId);
          const begun = await parts.deploying.deployAgain(
            tx,
            appId,
            "What is linked has another name, address or password",
            systemActor,
          );
          log.info(
            { app: appId, deployment: begun?.deploymentId },
            "what is linked to an app has another name, address or password",
          );
        });
    },
  };
}

/** A name that the database's server takes, and that tells whose it is. */
export const newUserName = (app: { name: string }): string =>
  `app_${app.name.replaceAll("-", "_").slice(0, 24)}_${randomBytes(4).toString("hex")}`;
