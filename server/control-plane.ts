import { isIP } from "node:net";
import type { FastifyInstance } from "fastify";
import { CloudError } from "../kernel/errors.ts";
import { forgetOldEvents } from "../kernel/events.ts";
import { forgetOldIdempotencyKeys } from "../kernel/http/idempotency.ts";
import { openApiDocument } from "../kernel/http/openapi.ts";
import { registerReference } from "../kernel/http/reference.ts";
import { createHttpServer } from "../kernel/http/server.ts";
import type { Log } from "../kernel/log.ts";
import { openOperationRunner } from "../kernel/operations/runner.ts";
import { startWorkers } from "../kernel/workers.ts";
import { openGit, openGitDoor, openRegistryDoor, openSshDoor } from "../services/apps/index.ts";
import { contracts, schemas } from "../services/contracts.ts";
import type { Cloud } from "./cloud.ts";
import { serveConsole } from "./console-files.ts";
import { drain } from "./drain.ts";
import { registerGit } from "./git-door.ts";
import { type Metrics, openMetrics } from "./metrics.ts";
import { registerRegistry } from "./registry-door.ts";
import { registerVisitors } from "./visitor-door.ts";
import { registerPhones } from "./voice-door.ts";

export interface ControlPlane {
  http: FastifyInstance;
  /** Resolves with the port, which is another than asked for when that is 0. */
  listen(address: string, port: number): Promise<number>;
  /** The same for git over SSH; 0 without a key for it. */
  listenSsh(address: string, port: number): Promise<number>;
  /** What another process of this cloud has measured, for /metrics. */
  takeMetrics: Metrics["take"];
  /** Lets running requests end, hands operations over, ends the workers. */
  close(): Promise<void>;
}

const hour = 3600;
const readyTimeoutMs = 1500;
const patienceMs = 5000;

export async function openControlPlane(
  cloud: Cloud,
  options: {
    version: string;
    publicUrl: string;
    /** The address that is listened on. */
    listen?: string;
    log: Log;
    consoleDirectory?: string | undefined;
    sshHostKey?: string | undefined;
    /** Where browsers' phones are handed on to; absent: there are none. */
    phonePort?: number | undefined;
  },
): Promise<ControlPlane> {
  const { database, services } = cloud;
  const metrics = openMetrics("control", services);
  const http = createHttpServer({
    services,
    database,
    secrets: cloud.secrets,
    log: options.log,
    authenticate: (request) => cloud.identity.identity.authenticate(request),
    secure: options.publicUrl.startsWith("https:"),
    // The gateway comes from there when there is no loopback to come from.
    proxies:
      isIP(options.listen ?? "") === 0 || ["0.0.0.0", "::"].includes(options.listen ?? "") ? [] : [options.listen as string],
    onResponse: metrics.observe,
  });

  if (options.phonePort !== undefined) registerPhones(http, options.phonePort);
  http.get("/healthz", async () => ({ status: "ok" }));
  http.get("/readyz", async () => {
    // A load balancer must not wait for a database that is not there.
    const late = AbortSignal.timeout(readyTimeoutMs);
    const unavailable = new CloudError("unavailable", "The database cannot be reached at the moment.", {
      details: { retryAfterSeconds: 2 },
    });
    await Promise.race([
      database.ping(),
      new Promise((_, reject) => late.addEventListener("abort", () => reject(unavailable), { once: true })),
    ]);
    return { status: "ready" };
  });
  http.get("/metrics", async (request, reply) => {
    await cloud.identity.admitToMetrics(request.ip, request.headers.authorization);
    return reply.type(metrics.contentType).send(await metrics.text());
  });
  // RFC 8555, section 8.3: the gateway sends these here, whatever name they are for.
  http.get<{ Params: { token: string } }>("/.well-known/acme-challenge/:token", async (request, reply) => {
    const answer = await cloud.apps.parts.routing.challenge(request.params.token);
    return answer === undefined ? reply.code(404).send() : reply.type("application/octet-stream").send(answer);
  });
  const git = await openGit(cloud.apps.parts, cloud.apps.previews);
  await registerVisitors(http, cloud.apps.parts.routing);
  await registerGit(http, openGitDoor(cloud.apps.parts, git));
  const ssh =
    options.sshHostKey === undefined ? undefined : await openSshDoor(cloud.apps.parts, git, { hostKey: options.sshHostKey });
  await registerRegistry(http, openRegistryDoor(cloud.apps.parts));
  await registerReference(http, () => openApiDocument(contracts, { version: options.version, schemas }));
  if (options.consoleDirectory) await serveConsole(http, options.consoleDirectory);

  const runner = await openOperationRunner({
    database,
    definitions: services.flatMap((service) => service.operations ?? []),
    log: options.log,
  });
  const workers = startWorkers(
    database,
    [
      {
        name: "kernel.forget",
        everySeconds: hour,
        run: async () => {
          await forgetOldEvents(database);
          await forgetOldIdempotencyKeys(database);
        },
      },
      ...services.flatMap((service) => service.workers ?? []),
    ],
    options.log,
  );
  return {
    http,
    takeMetrics: metrics.take,
    async listen(address, port) {
      await http.listen({ host: address, port });
      return (http.server.address() as { port: number }).port;
    },
    listenSsh: async (address, port) => (await ssh?.listen(address, port)) ?? 0,
    async close() {
      // Streams of events never end by themselves: they are cut off, and the console comes back to the next process.
      await drain(http.server, patienceMs, () =>
        Promise.all([http.close(), ssh?.close(patienceMs), workers.stop(), runner.stop()]),
      );
    },
  };
}
