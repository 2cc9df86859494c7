import type { Tx } from "../../../kernel/db/database.ts";
import type { AppsParts, AppView } from "../parts.ts";
import { type DomainRow, domainStore, labelStore, type SettingsRow, settingsStore } from "./store.ts";

/** What apps are called, and what their addresses need besides. */
export interface AppNames {
  settings: SettingsRow;
  /** By app: its own name first. */
  own: ReadonlyMap<string, string>;
  /** By project: behind the app's name. */
  projects: ReadonlyMap<string, string>;
  /** Those that are proven to be theirs. */
  domains: ReadonlyMap<string, DomainRow[]>;
}

const labelLength = 63;

/**
 * `<app>.<label>.<apps domain>`. Projects of two organisations may have one slug: the first to have an app keeps it, and the other one
 * gets the end of its id behind it.
 */
export async function namesOf(
  parts: Pick<AppsParts, "identity">,
  tx: Tx,
  apps: readonly Pick<AppView, "id" | "name" | "projectId">[],
): Promise<AppNames> {
  const settings = await settingsStore.get(tx);
  const projectIds = [...new Set(apps.map(({ projectId }) => projectId))];
  const known = await labelStore.of(tx, projectIds);
  const projects = new Map<string, string>();
  for (const projectId of projectIds) {
    const slug = (await parts.identity.projectPlace(tx, projectId))?.slug;
    const label = slug === undefined ? undefined : await labelOf(tx, projectId, slug, known.get(projectId));
    if (label !== undefined) projects.set(projectId, `${label}.${settings.appsDomain}`);
  }
  const own = new Map<string, string>();
  for (const { id, name, projectId } of apps) {
    const project = projects.get(projectId);
    if (project !== undefined) own.set(id, `${name}.${project}`);
  }
  const claimed = await domainStore.of(
    tx,
    apps.map(({ id }) => id),
  );
  const rows = claimed.filter(({ provenAt }) => provenAt !== null);
  return { settings, own, projects, domains: Map.groupBy(rows, ({ appId }) => appId) };
}

/** The app that answers at a host, of any organisation: for system transactions. */
export async function appAt(parts: Pick<AppsParts, "deploying">, tx: Tx, host: string): Promise<AppView | undefined> {
  const domain = await domainStore.serving(tx, host);
  if (domain !== undefined) return domain.redirectTo === null ? parts.deploying.find(tx, domain.appId) : undefined;
  const { appsDomain } = await settingsStore.get(tx);
  if (!host.endsWith(`.${appsDomain}`)) return undefined;
  const [name, label, ...more] = host.slice(0, -appsDomain.length - 1).split(".");
  if (name === undefined || label === undefined || more.length > 0) return undefined;
  const projectId = await labelStore.projectOf(tx, label);
  return (await parts.deploying.named(tx, name)).find((app) => app.projectId === projectId);
}

async function labelOf(
  tx: Tx,
  projectId: string,
  slug: string,
  known: { slug: string; label: string } | undefined,
): Promise<string | undefined> {
  if (known?.slug === slug) return known.label;
  for (const ending of ["", `-${projectId.slice(-4)}`, `-${projectId.slice(-12)}`]) {
    const label = slug.slice(0, labelLength - ending.length) + ending;
    if (await labelStore.claim(tx, projectId, slug, label)) return label;
    // Another request may have claimed it for the same project at this moment.
    const now = (await labelStore.of(tx, [projectId])).get(projectId);
    if (now?.slug === slug) return now.label;
  }
  return undefined;
}

/** `<bucket>.<label>.sites.<apps domain>`: one DNS wildcard is for both, and no app has such a name. */
export const websiteHost = (
  bucket: string,
  project: string | undefined,
  { appsDomain }: Pick<SettingsRow, "appsDomain">,
): string | undefined =>
  project === undefined ? undefined : `${bucket}.${project.slice(0, -appsDomain.length - 1)}.sites.${appsDomain}`;

/** Whether a name is that domain or below it. */
export const isBelow = (host: string, domain: string): boolean => {
  const name = host.replace(/^\*\./, "");
  return name === domain || name.endsWith(`.${domain}`);
};

/** For a machine of its own, or its network: no public authority certifies these (RFC 6761, RFC 6762, RFC 8375, RFC 9476). */
export const isPrivateName = (host: string): boolean =>
  !host.includes(".") || /(^|\.)(localhost|local|test|invalid|example|internal|home\.arpa|lan)$/.test(host);

export const urlOf = (host: string, secure: boolean, ports: { http: number; https?: number | undefined }): string => {
  if (secure && ports.https !== undefined) return `https://${host}${ports.https === 443 ? "" : `:${ports.https}`}`;
  return `http://${host}${ports.http === 80 ? "" : `:${ports.http}`}`;
};
