/**
 * git over HTTP (gitprotocol-http(5), smart protocol): `git push` deploys, `git clone` gives the source back. At
 * `/git/<project>/<app>.git`, or `/git/<id of the app>.git` where two organisations have a project of one name. The password is an API token,
 * the user name is anybody's. The build's log comes back as the words of the remote; whoever goes away meanwhile stops nothing.
 */
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { authorize, visibilityOf } from "../../../kernel/auth/authorize.ts";
import { actorOf, type Principal } from "../../../kernel/auth/principal.ts";
import { CloudError, notFound } from "../../../kernel/errors.ts";
import { problemType, toCloudError, toProblem } from "../../../kernel/http/errors.ts";
import { newId } from "../../../kernel/ids.ts";
import { deployingRoutes } from "../deploying/contract.ts";
import { appsCalled, tokenCaller } from "../doors.ts";
import { type AppsParts, type AppView, placeOf } from "../parts.ts";
import {
  branchHead,
  checkOut,
  commitSubject,
  deployedBranches,
  ensureRepository,
  type GitService,
  gitMissing,
  repositoriesFolder,
  repositoryFolder,
  serveGit,
  sweepTrees,
  treeEnding,
} from "./repository.ts";
import { flush, HoldLastFlush, packet, progressPackets, SeeSideBand } from "./sideband.ts";

export interface GitCaller {
  principal: Principal;
  sourceIp: string;
}

export interface GitDoor {
  /** Answers a request whose path begins with /git/. */
  handle(request: IncomingMessage, response: ServerResponse, sourceIp: string): Promise<void>;
}

const services: readonly GitService[] = ["git-receive-pack", "git-upload-pack"];
/** Each is a process or two of git. */
const mostAtOnce = 16;
/** The whole of one transfer. */
const transferMs = 60 * 60_000;

export async function openGitDoor(parts: AppsParts): Promise<GitDoor> {
  const { database, log } = parts;
  const pushes = new Map<string, Promise<unknown>>();
  let active = 0;
  await sweepTrees(parts.dataDirectory);

  const callerOf = (request: IncomingMessage, sourceIp: string): Promise<Principal> =>
    tokenCaller(parts, request, sourceIp, "Give an API token as the password; make one in the console, under your account.");

  async function appOf(principal: Principal, { project, app }: { project: string | undefined; app: string }): Promise<AppView> {
    return database.transaction(visibilityOf(principal), async (tx) => {
      const [only, second] =
        project === undefined ? [await parts.deploying.find(tx, app)] : await appsCalled(parts, tx, project, app);
      if (only === undefined) throw notFound("app");
      if (second !== undefined)
        throw new CloudError(
          "failed_precondition",
          `Several of your organisations have ${project}/${app}: use /git/${only.id}.git (or ${second.id}).`,
        );
      return only;
    });
  }

  /** What a push changed is deployed; nothing that happens here undoes the push. Answers the deployment, or words about why there is none. */
  async function deploy(
    app: AppView,
    caller: GitCaller,
    before: ReadonlyMap<string, string | undefined>,
  ): Promise<{ deploymentId: string } | { words: string }> {
    const folder = repositoryFolder(parts.dataDirectory, app.id);
    for (const branch of deployedBranches) {
      const commit = await branchHead(folder, branch);
      if (commit === undefined) continue;
      if (commit === before.get(branch)) return { words: `Nothing is deployed: ${branch} is as it was.\n` };
      const target = join(repositoriesFolder(parts.dataDirectory), `${newId("deployment")}${treeEnding}`);
      // Whoever has pushed may go away now: it is deployed all the same.
      await checkOut(folder, commit, target, AbortSignal.timeout(transferMs));
      const description = (await commitSubject(folder, commit)) || commit.slice(0, 12);
      return parts.deploying.deployFolder({
        appId: app.id,
        actor: actorOf(caller.principal),
        sourceIp: caller.sourceIp,
        folder: target,
        source: { kind: "git", description, branch, commit },
      });
    }
    return { words: `Nothing is deployed: push to ${deployedBranches[0]}.\n` };
  }

  /** git's own part of a push or clone. Answers whether its last packet is kept back, for words of ours before it. */
  async function transfer(
    service: GitService,
    folder: string,
    request: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<{ held: boolean }> {
    const child = serveGit(folder, service, { advertise: false, protocol: protocolOf(request), signal });
    const exited = exitOf(child);
    const band = new SeeSideBand();
    const last = new HoldLastFlush();
    const body: Readable = request.headers["content-encoding"] === "gzip" ? request.pipe(createGunzip()) : request;
    response.writeHead(200, { "content-type": `application/x-${service}-result`, "cache-control": "no-cache" });
    // git may have read enough before all was sent: that is no failure of the answer.
    const sent = pipeline(body, band, child.stdin).catch((error) => log.debug({ err: error }, "a request of git ended early"));
    await pipeline(child.stdout, last, response, { end: false, signal });
    await exited;
    await sent;
    if (last.held && !band.sideBand) response.write(flush);
    return { held: last.held && band.sideBand };
  }

  async function push(
    app: AppView,
    caller: GitCaller,
    request: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<void> {
    const folder = repositoryFolder(parts.dataDirectory, app.id);
    // One after the other: each must know what it has changed.
    const { held, outcome } = await inTurn(app.id, async () => {
      const before = new Map<string, string | undefined>();
      for (const branch of deployedBranches) before.set(branch, await branchHead(folder, branch));
      const { held } = await transfer("git-receive-pack", folder, request, response, signal);
      const outcome = await deploy(app, caller, before).catch((error) => {
        const problem = toCloudError(error);
        if (problem.code === "internal") log.error({ err: error, app: app.id }, "a push was not deployed");
        return { words: `Not deployed: ${problem.message}\n` };
      });
      return { held, outcome };
    });
    if (!held) return void response.end();
    const tell = async (text: string) => {
      for (const each of progressPackets(text)) if (!response.write(each)) await once(response, "drain", { signal });
    };
    if ("words" in outcome) await tell(outcome.words);
    else for await (const text of parts.deploying.follow(outcome.deploymentId, signal)) await tell(text);
    response.end(flush);
  }

  async function inTurn<T>(appId: string, work: () => Promise<T>): Promise<T> {
    const turn = (pushes.get(appId) ?? Promise.resolve()).then(work);
    const settled = turn.catch(() => {});
    pushes.set(appId, settled);
    try {
      return await turn;
    } finally {
      if (pushes.get(appId) === settled) pushes.delete(appId);
    }
  }

  async function answer(request: IncomingMessage, response: ServerResponse, sourceIp: string): Promise<void> {
    const url = new URL(request.url ?? "/", "http://git");
    const at =
      /^\/git\/(?:([a-z0-9-]{1,100})\/)?([a-z0-9_-]{1,100})(?:\.git)?\/(info\/refs|git-receive-pack|git-upload-pack)$/.exec(
        url.pathname,
      );
    if (at === null) throw new CloudError("not_found", "There is no repository here. The address is /git/<project>/<app>.git");
    const [, project, name, what] = at;
    const service = (what === "info/refs" ? url.searchParams.get("service") : what) as GitService;
    if (!services.includes(service))
      throw new CloudError("permission_denied", "Only git's smart protocol is spoken here: use git 1.6.6 or newer.");
    if (request.method !== (what === "info/refs" ? "GET" : "POST"))
      throw new CloudError("invalid_argument", `${request.method} is not understood here.`);
    const principal = await callerOf(request, sourceIp);
    const app = await appOf(principal, { project, app: name as string });
    const { permission, roles } = service === "git-receive-pack" ? deployingRoutes.appDeploy : deployingRoutes.appGet;
    authorize(principal, permission, roles, placeOf(app), "app");
    if (service === "git-receive-pack") parts.deploying.checkAction(app, "deploy");
    const folder = repositoryFolder(parts.dataDirectory, app.id);
    await ensureRepository(folder);
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const signal = AbortSignal.any([gone.signal, AbortSignal.timeout(transferMs)]);
    if (what === "info/refs") {
      const child = serveGit(folder, service, { advertise: true, protocol: protocolOf(request), signal });
      const exited = exitOf(child);
      child.stdin.end();
      response.writeHead(200, { "content-type": `application/x-${service}-advertisement`, "cache-control": "no-cache" });
      response.write(Buffer.concat([packet(`# service=${service}\n`), flush]));
      await pipeline(child.stdout, response);
      await exited;
      return;
    }
    if (service === "git-receive-pack") return push(app, { principal, sourceIp }, request, response, signal);
    const { held } = await transfer(service, folder, request, response, signal);
    response.end(held ? flush : undefined);
  }

  return {
    async handle(request, response, sourceIp) {
      if (active >= mostAtOnce) {
        const busy = new CloudError("unavailable", "Too many are pushing at the moment. Try again in a minute.");
        return refuse(request, response, busy);
      }
      active++;
      try {
        await answer(request, response, sourceIp);
      } catch (error) {
        if (!response.headersSent) refuse(request, response, error);
        else response.destroy();
        if (toCloudError(error).code === "internal" && !response.destroyed) log.error({ err: error }, "git's door failed");
      } finally {
        active--;
      }
    },
  };
}

const protocolOf = (request: IncomingMessage): string | undefined => {
  const header = request.headers["git-protocol"];
  return typeof header === "string" && /^[\w=.:-]{1,100}$/.test(header) ? header : undefined;
};

function exitOf(child: ReturnType<typeof serveGit>): Promise<void> {
  let said = "";
  child.stderr.on("data", (bytes: Buffer) => {
    said = `${said}${bytes}`.slice(-2000);
  });
  const exited = new Promise<void>((resolve, reject) => {
    child.on("error", (error: NodeJS.ErrnoException) => reject(error.code === "ENOENT" ? gitMissing(error) : error));
    child.on("close", (code) => (code === 0 ? resolve() : reject(new Error(`git: ${said.trim() || `exit code ${code}`}`))));
  });
  exited.catch(() => {});
  return exited;
}

/** git shows the words of an answer that is text. */
function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  const { status, detail } = toProblem(toCloudError(error), "");
  const isText = !String(request.headers.accept ?? "").includes(problemType);
  response.writeHead(status, {
    "content-type": isText ? "text/plain; charset=utf-8" : problemType,
    connection: "close",
    ...(status === 401 ? { "www-authenticate": 'Basic realm="Khmara", charset="UTF-8"' } : {}),
  });
  response.end(`${detail ?? ""}\n`);
}
