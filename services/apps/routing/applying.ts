import type { GatewaySpecification } from "../../../gateway/specification.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError } from "../../../kernel/errors.ts";
import type { AppsParts, AppView, CallOptions } from "../parts.ts";
import type { GatewayDoor } from "./area.ts";
import type { Certificates } from "./certificates.ts";
import { namesOf, websiteHost } from "./names.ts";
import { buildSpecification, type RoutedApp } from "./specification.ts";
import { type AccessRow, accessStore } from "./store.ts";
import { visitKey } from "./visits.ts";

export interface Applying {
  /** Resolves when the gateway does what the records said when it was called, or later. */
  apply(options?: CallOptions): Promise<void>;
  /** The same for changes that nobody waits for. */
  soon(): void;
  drain(appId: string, container: string, options: { deadlineMs: number; signal?: AbortSignal | undefined }): Promise<void>;
  /** Looks after it: once after a start, when something went wrong, and when it has ended. */
  keep(): Promise<void>;
  /** Brings it to what buckets are websites: another process may have made one of them. */
  watchWebsites(): Promise<void>;
  /** Why it does not do what it should; undefined when it does. */
  problem(): string | undefined;
}

const page = 500;
const longestPauseMs = 60_000;

export function createApplying(parts: AppsParts, gateway: GatewayDoor | undefined, certificates: Certificates): Applying {
  const draining = new Set<string>();
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  let failures = 0;
  let tryAt = 0;
  let problem: string | undefined;
  let done = false;
  /** The websites of the last specification. */
  let applied: string | undefined;

  async function once(): Promise<void> {
    if (gateway === undefined) return;
    try {
      const { how, refused } = await gateway.apply(() => specification(gateway));
      if (refused !== undefined)
        parts.log.info({ how, refused }, "the gateway was reloaded, as its worker did not take a change");
      done = true;
      failures = 0;
      problem = undefined;
    } catch (error) {
      failures++;
      tryAt = Date.now() + Math.min(1000 * 2 ** failures, longestPauseMs);
      problem = CloudError.is(error) ? error.message : "The gateway could not be changed; the log says why.";
      parts.log.warn({ err: error }, "the gateway could not be changed; it will be tried again");
      throw error;
    }
  }

  /** Whoever comes while one is under way waits for the one after it, which sees what they have written. */
  function apply(): Promise<void> {
    if (running === undefined) {
      running = once().finally(() => {
        running = undefined;
      });
      return running;
    }
    next ??= running
      .catch(() => {})
      .then(() => {
        next = undefined;
        return apply();
      });
    return next;
  }

  async function specification(door: GatewayDoor): Promise<GatewaySpecification> {
    const read = await parts.database.transaction("system", (tx) => readApps(tx));
    const ports = { http: door.httpPort, https: door.httpsPort };
    const named = [
      ...read.apps.flatMap(({ hosts, redirects }) => [...hosts, ...redirects.map(({ host }) => host)]),
      ...door.doors.flatMap(({ hosts }) => hosts),
      ...read.sites.map(({ host }) => host),
    ];
    const { list, fallback, trusted } =
      door.httpsPort === undefined
        ? { list: [], fallback: undefined, trusted: new Set<string>() }
        : await certificates.provide({ hosts: named, wildcards: read.wildcards, appsDomain: read.appsDomain });
    return buildSpecification({
      listeners: door.listeners,
      challenges: door.challenges,
      visits: door.challenges,
      ports,
      doors: door.doors,
      sites: door.websites === undefined ? undefined : { ...door.websites, list: read.sites },
      apps: read.apps,
      certificates: list,
      defaultCertificate: fallback,
      trusted,
    });
  }

  async function readApps(tx: Tx) {
    const apps = (await allApps(parts, tx)).filter(
      ({ state, liveReleaseId }) => state !== "deleting" && liveReleaseId !== undefined,
    );
    const { settings, own, projects, domains } = await namesOf(parts, tx, apps);
    const access = new Map((await accessStore.all(tx)).map((row) => [row.appId, row]));
    const endpoints = Map.groupBy(await parts.running.endpoints(tx), ({ appId }) => appId);
    const reserved = new Set(gateway?.reservedHosts ?? []);
    const routed = apps.flatMap((app): RoutedApp[] => {
      const rules = openAccess(parts, app.id, access.get(app.id) ?? access.get(app.parentId ?? ""));
      if (rules === undefined) return [];
      const all = domains.get(app.id) ?? [];
      const ownHost = own.get(app.id);
      return [
        {
          id: app.id,
          hosts: [
            ...(ownHost === undefined ? [] : [ownHost]),
            ...all.filter((each) => each.redirectTo === null).map(({ host }) => host),
          ].filter((host) => !reserved.has(host)),
          redirects: all.flatMap(({ id, host, redirectTo }) => (redirectTo === null ? [] : [{ id, host, to: redirectTo }])),
          servers: (endpoints.get(app.id) ?? []).map(({ container, address, port }) => ({
            name: container,
            address,
            port,
            drain: draining.has(`${app.id}/${container}`),
          })),
          access: rules,
        },
      ];
    });
    const sites = gateway?.websites === undefined ? [] : await websitesOf(parts, tx);
    applied = JSON.stringify(sites);
    const wildcards = [...projects.values()].map((name) => `*.${name}`);
    const below = new Set(sites.map(({ name, host }) => `*${host.slice(name.length)}`));
    return {
      apps: routed,
      sites,
      wildcards: [...wildcards, ...below],
      appsDomain: settings.appsDomain,
    };
  }

  return {
    apply: ({ signal } = {}) => (signal === undefined ? apply() : unlessAborted(apply(), signal)),
    soon: () => void apply().catch(() => {}),

    async drain(appId, container, { deadlineMs, signal }) {
      if (gateway === undefined) return;
      const at = `${appId}/${container}`;
      draining.add(at);
      try {
        await gateway.drain(appId, container, { deadlineMs, ...(signal === undefined ? {} : { signal }) });
      } finally {
        draining.delete(at);
      }
    },

    async keep() {
      if (gateway === undefined) return;
      if (done && failures === 0) {
        try {
          if (await gateway.ensureRunning()) return;
        } catch (error) {
          parts.log.warn({ err: error }, "the gateway does not run; it will be started again");
        }
      }
      if (Date.now() >= tryAt) await apply().catch(() => {});
    },

    async watchWebsites() {
      if (gateway?.websites === undefined || applied === undefined) return;
      const now = JSON.stringify(await parts.database.transaction("system", (tx) => websitesOf(parts, tx)));
      // Where one goes wrong `keep` tries again.
      if (now !== applied) await apply().catch(() => {});
    },

    problem: () => problem,
  };
}

/** What others wait for too goes on; only this one goes away. */
function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(new CloudError("cancelled", "It was cancelled."));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

interface Site {
  id: string;
  name: string;
  host: string;
}

export async function websitesOf(parts: Pick<AppsParts, "objects" | "identity">, tx: Tx): Promise<Site[]> {
  const all: { bucketId: string; name: string; projectId: string }[] = [];
  for (;;) {
    const some = await parts.objects.websites(tx, { after: all.at(-1)?.bucketId, limit: page });
    all.push(...some);
    if (some.length < page) break;
  }
  const named = all.map(({ bucketId, name, projectId }) => ({ id: bucketId as never, name, projectId }));
  const { projects, settings } = await namesOf(parts, tx, named);
  return all.flatMap(({ bucketId, name, projectId }) => {
    const host = websiteHost(name, projects.get(projectId), settings);
    return host === undefined ? [] : [{ id: bucketId, name, host }];
  });
}

export async function allApps(parts: Pick<AppsParts, "deploying">, tx: Tx): Promise<AppView[]> {
  const all: AppView[] = [];
  for (;;) {
    const after = all.at(-1)?.id;
    const some = await parts.deploying.list(tx, { limit: page, ...(after === undefined ? {} : { after }) });
    all.push(...some);
    if (some.length < page) return all;
  }
}

export const sealedUsers = (appId: string): string => `apps.access:${appId}`;

/** Undefined when it cannot be read: the app is closed then, and the others go on. The row is its own, or that of the app that it is a preview of. */
function openAccess(
  parts: Pick<AppsParts, "secrets" | "log">,
  appId: string,
  row: AccessRow | undefined,
): RoutedApp["access"] | undefined {
  if (row === undefined) return { httpsOnly: false, users: [], allow: [], deny: [], maintenance: false };
  let users: RoutedApp["access"]["users"] = [];
  try {
    if (row.users !== null)
      users = JSON.parse(parts.secrets.decrypt(sealedUsers(row.appId), row.users).toString()) as typeof users;
  } catch (error) {
    parts.log.error({ err: error, app: row.appId }, "the sign-in of an app cannot be read; nobody is let in");
    return undefined;
  }
  return {
    httpsOnly: row.httpsOnly,
    users,
    ...(row.signIn === null ? {} : { signIn: { audience: appId, key: visitKey(parts.secrets, appId, row.signIn) } }),
    allow: row.allow,
    deny: row.deny,
    rateLimit:
      row.rateRequests === null || row.rateSeconds === null
        ? undefined
        : { requests: row.rateRequests, seconds: row.rateSeconds },
    maintenance: row.maintenance,
    maximumBodyBytes: row.maximumBodyBytes ?? undefined,
  };
}
