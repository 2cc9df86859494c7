/**
 * git over HTTP (gitprotocol-http(5), smart protocol): `git push` deploys, `git clone` gives the source back. At
 * `/git/<project>/<app>.git`, or `/git/<id of the app>.git` where two organisations have a project of one name. The password is an API token,
 * the user name is anybody's. The build's log comes back as the words of the remote; whoever goes away meanwhile stops nothing.
 */
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { CloudError } from "../../../kernel/errors.ts";
import { problemType, toCloudError, toProblem } from "../../../kernel/http/errors.ts";
import { tokenCaller } from "../doors.ts";
import type { AppsParts, AppView } from "../parts.ts";
import { ReadCommands } from "./commands.ts";
import { type Git, type GitCaller, repositoryName, transferMs } from "./git.ts";
import { endOf, type GitService, serveGit } from "./repository.ts";
import { flush, HoldLastFlush, packet, progressPackets } from "./sideband.ts";

export interface GitDoor {
  /** Answers a request whose path begins with /git/. */
  handle(request: IncomingMessage, response: ServerResponse, sourceIp: string): Promise<void>;
}

const services: readonly GitService[] = ["git-receive-pack", "git-upload-pack"];

export function openGitDoor({ identity, log }: Pick<AppsParts, "identity" | "log">, git: Git): GitDoor {
  /** git's own part of a push or clone. `held`: its last packet is kept back, for words of ours before it. */
  async function transfer(
    service: GitService,
    folder: string,
    request: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
    asked = new ReadCommands(),
  ): Promise<{ held: boolean }> {
    const child = serveGit(folder, service, { part: "answer", protocol: protocolOf(request), signal });
    const ended = endOf(child);
    const last = new HoldLastFlush();
    const body: Readable = request.headers["content-encoding"] === "gzip" ? request.pipe(createGunzip()) : request;
    response.writeHead(200, { "content-type": `application/x-${service}-result`, "cache-control": "no-cache" });
    // git may have read enough before all was sent: that is no failure of the answer.
    const sent = pipeline(body, asked, child.stdin).catch((error) => log.debug({ err: error }, "a request of git ended early"));
    await pipeline(child.stdout, last, response, { end: false, signal });
    await ended;
    await sent;
    if (last.held && !asked.sideBand) response.write(flush);
    return { held: last.held && asked.sideBand };
  }

  async function push(
    { app, folder }: { app: AppView; folder: string },
    caller: GitCaller,
    request: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<void> {
    const asked = new ReadCommands();
    let held = false;
    try {
      held = (await transfer("git-receive-pack", folder, request, response, signal, asked)).held;
    } catch (error) {
      // Whoever went away at this moment may have pushed all the same.
      await git.deploy(app, caller, asked.commands);
      throw error;
    }
    const outcomes = await git.deploy(app, caller, asked.commands);
    if (!held) return void response.end();
    for await (const text of git.words(outcomes, signal))
      for (const each of progressPackets(text)) if (!response.write(each)) await once(response, "drain", { signal });
    response.end(flush);
  }

  async function answer(request: IncomingMessage, response: ServerResponse, sourceIp: string): Promise<void> {
    const url = new URL(request.url ?? "/", "http://git");
    const at = /^\/git\/(.+)\/(info\/refs|git-receive-pack|git-upload-pack)$/.exec(url.pathname);
    const name = repositoryName(at?.[1] ?? "");
    const what = at?.[2];
    if (name === undefined)
      throw new CloudError("not_found", "There is no repository here. The address is /git/<project>/<app>.git");
    const service = (what === "info/refs" ? url.searchParams.get("service") : what) as GitService;
    if (!services.includes(service))
      throw new CloudError("permission_denied", "Only git's smart protocol is spoken here: use git 1.6.6 or newer.");
    if (request.method !== (what === "info/refs" ? "GET" : "POST"))
      throw new CloudError("invalid_argument", `${request.method} is not understood here.`);
    const words = "Give an API token as the password; make one in the console, under your account.";
    const caller = { principal: await tokenCaller({ identity }, request, sourceIp, words), sourceIp };
    const opened = await git.open(caller, service, name);
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const signal = AbortSignal.any([gone.signal, AbortSignal.timeout(transferMs)]);
    if (what === "info/refs") {
      const child = serveGit(opened.folder, service, { part: "advertise", protocol: protocolOf(request), signal });
      const ended = endOf(child);
      child.stdin.end();
      response.writeHead(200, { "content-type": `application/x-${service}-advertisement`, "cache-control": "no-cache" });
      response.write(Buffer.concat([packet(`# service=${service}\n`), flush]));
      await pipeline(child.stdout, response);
      await ended;
      return;
    }
    if (service === "git-receive-pack") return push(opened, caller, request, response, signal);
    const { held } = await transfer(service, opened.folder, request, response, signal);
    response.end(held ? flush : undefined);
  }

  return {
    async handle(request, response, sourceIp) {
      let leave = () => {};
      try {
        leave = git.enter();
        await answer(request, response, sourceIp);
      } catch (error) {
        if (!response.headersSent) refuse(request, response, error);
        else response.destroy();
        if (toCloudError(error).code === "internal" && !response.destroyed) log.error({ err: error }, "git's door failed");
      } finally {
        leave();
      }
    },
  };
}

export const isProtocol = (text: string): boolean => /^[\w=.:-]{1,100}$/.test(text);

const protocolOf = (request: IncomingMessage): string | undefined => {
  const header = request.headers["git-protocol"];
  return typeof header === "string" && isProtocol(header) ? header : undefined;
};

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
