/**
 * The cloud's own registry of images: OCI Distribution Specification 1.1, at `/v2/`. The repository of an app is `<project>/<app>`, or
 * `<id of the app>` where two organisations have a project of one name. The password is an API token, the user name is anybody's. Whoever may
 * deploy an app may push to it; whoever may see it may pull. A blob is there for a repository that has it, and for no other.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { authorize, visibilityOf } from "../../../kernel/auth/authorize.ts";
import type { Principal } from "../../../kernel/auth/principal.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { notFound } from "../../../kernel/errors.ts";
import { deployingRoutes } from "../deploying/contract.ts";
import { appsCalled, isAllowed, tokenCaller } from "../doors.ts";
import { type AppsParts, type AppView, placeOf } from "../parts.ts";
import { answerJson, headersOf, limitOf, nextLink, refuse, unknownBlob, unsupported } from "./answers.ts";
import { type Blobs, openBlobs } from "./blobs.ts";
import { answerContent } from "./content.ts";
import { checkedDigest } from "./digests.ts";
import { RegistryError, toRegistryError } from "./errors.ts";
import { createManifests } from "./manifests.ts";
import { registryStore } from "./store.ts";
import { createUploads } from "./uploads.ts";

export interface RegistryDoor {
  /** Answers a request whose path is /v2 or begins with /v2/. */
  handle(request: IncomingMessage, response: ServerResponse, sourceIp: string): Promise<void>;
}

/** One request to a repository; authorized. */
export interface RegistryCall {
  request: IncomingMessage;
  response: ServerResponse;
  url: URL;
  /** `/v2/<name>`, as the client wrote the name. */
  path: string;
  name: string;
  app: AppView;
  principal: Principal;
  sourceIp: string;
  /** Aborted when the client is gone, and in the end. */
  signal: AbortSignal;
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
}

export interface RegistryParts extends AppsParts {
  blobs: Blobs;
  /** The app that a repository is of, for whoever may see it: NAME_UNKNOWN, NAME_INVALID. */
  repository(principal: Principal, name: string, access: "pull" | "push"): Promise<AppView>;
}

const namePattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
/** A push or pull of one client takes up to eight. */
const mostAtOnce = 128;
/** The whole of one transfer. */
const transferMs = 60 * 60_000;
const mostInCatalog = 1000;

export function openRegistryDoor(parts: AppsParts): RegistryDoor {
  const { identity, database, log } = parts;
  const registry: RegistryParts = { ...parts, blobs: openBlobs(parts.dataDirectory), repository };
  const uploads = createUploads(registry);
  const manifests = createManifests();
  let active = 0;

  const callerOf = (request: IncomingMessage, sourceIp: string): Promise<Principal> =>
    tokenCaller(
      parts,
      request,
      sourceIp,
      "Log in with an API token as the password (docker login); make one in the console, under your account.",
    );

  async function repository(principal: Principal, name: string, access: "pull" | "push"): Promise<AppView> {
    if (!namePattern.test(name) || name.length > 255)
      throw new RegistryError(400, "NAME_INVALID", "The name of a repository is <project>/<app>, or the id of an app.");
    const segments = name.split("/");
    const [project = "", appName = ""] = segments;
    const app = await database.transaction(visibilityOf(principal), async (tx) => {
      if (segments.length === 1) return parts.deploying.find(tx, name);
      const [only, second] = segments.length === 2 ? await appsCalled(parts, tx, project, appName) : [];
      if (only !== undefined && second !== undefined)
        throw new RegistryError(
          409,
          "NAME_INVALID",
          `Several of your organisations have ${name}: use ${only.id} as the name (or ${second.id}).`,
        );
      return only;
    });
    if (app === undefined) throw notFound("app");
    const { permission, roles } = access === "push" ? deployingRoutes.appDeploy : deployingRoutes.appGet;
    authorize(principal, permission, roles, placeOf(app), "app");
    if (access === "push") parts.deploying.checkAction(app, "deploy");
    return app;
  }

  async function catalog(principal: Principal, url: URL, response: ServerResponse): Promise<void> {
    const limit = limitOf(url, mostInCatalog);
    const last = url.searchParams.get("last") ?? "";
    const { permission, roles } = deployingRoutes.appGet;
    const names = await database.transaction(visibilityOf(principal), async (tx) => {
      const found: string[] = [];
      for (let after: string | undefined; ; ) {
        const page = await registryStore.repositories(tx, { after, limit: mostInCatalog });
        for (const app of page) {
          const project = await identity.projectPlace(tx, app.projectId);
          if (project !== undefined && isAllowed(() => authorize(principal, permission, roles, placeOf(app), "app")))
            found.push(`${project.slug}/${app.name}`);
        }
        if (page.length < mostInCatalog) return [...new Set(found)].sort();
        after = page.at(-1)?.id;
      }
    });
    const rest = names.filter((name) => name > last);
    const repositories = rest.slice(0, limit);
    const link = nextLink("/v2/_catalog", limit, repositories, rest.length > repositories.length);
    answerJson(response, 200, { repositories }, link);
  }

  async function blob(call: RegistryCall, digest: string): Promise<void> {
    const { request, response, app } = call;
    if (request.method === "DELETE") {
      await call.transaction(async (tx) => {
        await registryStore.lockRepository(tx, app.id);
        if ((await registryStore.blob(tx, app.id, digest)) === undefined) throw unknownBlob(digest);
        if (await registryStore.isNamed(tx, app.id, digest))
          throw new RegistryError(405, "UNSUPPORTED", "A manifest names this blob. Delete the manifest first.");
        await registryStore.removeBlob(tx, app.id, digest);
      });
      response.writeHead(202, { ...headersOf(), "content-length": 0 }).end();
      return;
    }
    const found = await call.transaction(async (tx) => {
      const row = await registryStore.blob(tx, app.id, digest);
      // Whoever pushes asks so, and leaves out what is there.
      if (row && request.method === "HEAD") await registryStore.touchBlobs(tx, app.id, [digest], new Date());
      return row;
    });
    if (found === undefined) throw unknownBlob(digest);
    await answerContent(request, response, {
      digest,
      sizeBytes: found.sizeBytes,
      read: (range) => registry.blobs.read(digest, range),
      signal: call.signal,
    });
  }

  async function answer(request: IncomingMessage, response: ServerResponse, sourceIp: string): Promise<void> {
    const url = new URL(request.url ?? "/", "http://registry");
    const principal = await callerOf(request, sourceIp);
    const method = request.method ?? "GET";
    const pathname = decoded(url.pathname);
    const isRead = method === "GET" || method === "HEAD";
    if (/^\/v2\/?$/.test(pathname)) {
      if (!isRead) throw unsupported(method);
      return answerJson(response, 200, {});
    }
    if (pathname === "/v2/_catalog") {
      if (!isRead) throw unsupported(method);
      return catalog(principal, url, response);
    }
    const at = /^\/v2\/(.+)\/(blobs|manifests|tags|referrers)\/(.*)$/.exec(pathname);
    if (at === null) throw new RegistryError(404, "NAME_UNKNOWN", "There is nothing at this address.");
    const [, name = "", kind, rest = ""] = at;
    const isUpload = kind === "blobs" && /^uploads(\/|$)/.test(rest);
    const app = await repository(principal, name, isRead && !isUpload ? "pull" : "push");
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const call: RegistryCall = {
      request,
      response,
      url,
      path: `/v2/${name}`,
      name,
      app,
      principal,
      sourceIp,
      signal: AbortSignal.any([gone.signal, AbortSignal.timeout(transferMs)]),
      transaction: (work) => database.transaction(visibilityOf(principal), work),
    };
    if (isUpload) return uploads(call, rest.replace(/^uploads\/?/, ""));
    if (kind === "blobs") {
      if (!isRead && method !== "DELETE") throw unsupported(method);
      return blob(call, checkedDigest(rest));
    }
    if (kind === "manifests") return manifests.manifest(call, rest);
    if (!isRead) throw unsupported(method);
    if (kind === "referrers") return manifests.referrers(call, checkedDigest(rest));
    if (rest !== "list") throw new RegistryError(404, "NAME_UNKNOWN", "There is nothing at this address.");
    return manifests.tags(call);
  }

  return {
    async handle(request, response, sourceIp) {
      if (active >= mostAtOnce) {
        const busy = new RegistryError(429, "TOOMANYREQUESTS", "Too many are pushing and pulling at the moment. Try again.", {
          headers: { "retry-after": "5" },
        });
        return refuse(request, response, busy);
      }
      active++;
      try {
        await answer(request, response, sourceIp);
      } catch (error) {
        const refused = toRegistryError(error);
        if (response.headersSent) response.destroy();
        else refuse(request, response, refused);
        if (refused.status === 500 && !response.destroyed) log.error({ err: error }, "the registry failed");
      } finally {
        active--;
      }
    },
  };
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw new RegistryError(400, "NAME_INVALID", "The address is not encoded as addresses are.");
  }
}
