import { mkdirSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { homedir, tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import type { RouteDefinition } from "../kernel/contract.ts";
import { buildConsole } from "../server/console-build.ts";
import { contracts } from "../services/contracts.ts";
import { repository } from "./cloud.ts";
import { appAnswers, bareAnswers } from "./madeApps.ts";
import type { Answers, Sent } from "./madePlace.ts";
import { logLine } from "./madeRunning.ts";

/**
 * The console before an API whose answers are made: what its pages of apps look like when there is much, when something fails, and what
 * they send. Every answer is checked against the contract, so that what is made here cannot differ from what the cloud answers.
 */
const routes = Object.assign({}, ...contracts.map(({ routes }) => routes)) as Record<string, RouteDefinition>;

const types: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};

export class MadeCloud {
  /** What was sent, newest last; reading alone is not kept. */
  readonly sent: Sent[] = [];
  /** Faults of this file: answers that the contract does not allow, routes that nobody answers. */
  readonly faults: string[] = [];
  /** A cloud on which nothing was installed, and nobody has made an app. */
  bare = false;
  readonly server: Server;
  #folder = "";
  readonly #more: Answers;

  /** `more`: answers of other services. */
  constructor(more: Answers = {}) {
    this.#more = more;
    this.server = createServer((request, response) => void this.#answer(request, response));
  }

  async start(): Promise<string> {
    this.#folder = await builtConsole();
    await new Promise<void>((done) => this.server.listen(0, "127.0.0.1", done));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://cloud");
    if (!url.pathname.startsWith("/api/")) return this.#file(url.pathname, response);
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const path = url.pathname.slice("/api".length);
    for (const [key, route] of Object.entries(routes)) {
      const params = route.method === request.method && matched(route.path, path);
      if (!params) continue;
      const sent: Sent = { key, params, query: url.searchParams, body: Buffer.concat(parts) };
      if (request.method !== "GET") this.sent.push(sent);
      if (key === "eventWatch" || key === "appLogFollow") return this.#stream(key, response);
      const answer = (this.#more[key] ?? (this.bare ? (bareAnswers[key] ?? appAnswers[key]) : appAnswers[key]))?.(sent);
      if (answer === undefined) {
        this.faults.push(`${request.method} ${path}: nothing is made for ${key}`);
        response.writeHead(404, { "content-type": "application/problem+json" });
        response.end(JSON.stringify({ status: 404, code: "not_found", detail: "Not there." }));
        return;
      }
      const checked = route.response?.safeParse(answer);
      if (checked && !checked.success) this.faults.push(`${key}: ${checked.error.message}`);
      response.writeHead(route.status ?? 200, { "content-type": "application/json" });
      response.end(JSON.stringify(answer));
      return;
    }
    this.faults.push(`${request.method} ${path}: no such route`);
    response.writeHead(404).end();
  }

  #stream(key: string, response: ServerResponse): void {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(": here\n\n");
    if (key === "appLogFollow")
      for (let index = 0; index < 40; index++) response.write(`data: ${JSON.stringify(logLine(index))}\n\n`);
  }

  #file(path: string, response: ServerResponse): void {
    const name = extname(path) === "" ? "/index.html" : path;
    try {
      const bytes = readFileSync(join(this.#folder, normalize(name)));
      // As the cloud does it (server/console-files.ts): else the browser compiles the same programs for each page.
      const kept = name.startsWith("/assets/") ? "public, max-age=31536000, immutable" : "no-cache";
      response
        .writeHead(200, { "content-type": types[extname(name)] ?? "application/octet-stream", "cache-control": kept })
        .end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  }
}

/** The folder of the console, built once for all stories and clouds of the same sources. */
async function builtConsole(): Promise<string> {
  const cacheFolder = process.env["KHMARA_CACHE"] ?? join(homedir(), ".cache", "khmara");
  const logFolder = join(tmpdir(), "khmara-console-build");
  mkdirSync(logFolder, { recursive: true });
  const signal = AbortSignal.timeout(300_000);
  return (await buildConsole({ repository, cacheFolder, logFolder, signal, onBuild: () => {} })) as string;
}

/** The parameters of a path, where it is one of a route's. */
function matched(pattern: string, path: string): Record<string, string> | undefined {
  const names = [...pattern.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as string);
  const found = new RegExp(`^${pattern.replace(/\{\w+\}/g, "([^/]+)")}$`).exec(path);
  return found
    ? Object.fromEntries(names.map((name, index) => [name, decodeURIComponent(found[index + 1] as string)]))
    : undefined;
}
