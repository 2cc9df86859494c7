/** This part alone, over a database of its own: the other parts are records in memory, the gateway is what a test gives. */
import { randomBytes } from "node:crypto";
import type { AddressInfo } from "node:net";
import type { Principal } from "../../../../kernel/auth/principal.ts";
import { contract, type Role } from "../../../../kernel/contract.ts";
import { type Database, openDatabase } from "../../../../kernel/db/database.ts";
import { CloudError } from "../../../../kernel/errors.ts";
import { createHttpServer } from "../../../../kernel/http/server.ts";
import { newId } from "../../../../kernel/ids.ts";
import { silentLog } from "../../../../kernel/log.ts";
import { openSecrets } from "../../../../kernel/secrets.ts";
import { defineService } from "../../../../kernel/service.ts";
import { registerVisitors } from "../../../../server/visitor-door.ts";
import { testDatabase } from "../../../../testing/postgres.ts";
import type { IdentityService } from "../../../identity/contract.ts";
import { noLinks } from "../../linking/testing/noLinks.ts";
import type { AppsParts, AppView, Endpoint, RoutingPart } from "../../parts.ts";
import { type Available, createRouting, type GatewayDoor } from "../area.ts";
import { routingRoutes } from "../contract.ts";

export type Caller = "admin" | "editor" | "viewer" | "stranger";

// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of all routes.
type Json = any;

export interface TestRouting {
  database: Database;
  parts: AppsParts;
  part: RoutingPart;
  apps: AppView[];
  endpoints: Endpoint[];
  project: string;
  strangersProject: string;
  strangersOrganisation: string;
  /** A live app, unless the rest says otherwise. */
  app(name: string, more?: Partial<AppView>): AppView;
  call(
    caller: Caller,
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<{ status: number; body: Json }>;
  work(name: string): Promise<void>;
  /** Of the API, and of what the gateway sends to the control plane. */
  port: number;
  /** Each caller has one, `ses_<name>`, until it is taken out of here. */
  sessions: Set<string>;
  stop(): Promise<void>;
}

export async function testRouting(gateway: Available<GatewayDoor>): Promise<TestRouting> {
  const throwaway = await testDatabase(["identity", "apps"]);
  const database = openDatabase({ url: throwaway.url });
  const [organisation, other] = [newId("organisation"), newId("organisation")];
  const [project, strangersProject] = [newId("project"), newId("project")];
  // Both projects have the same slug, as slugs are unique in an organisation only.
  for (const [id, of, slug] of [
    [project, organisation, "school"],
    [strangersProject, other, "bakery"],
  ] as const) {
    await database.sql`insert into identity.organisations (id, name, slug, created_at) values (${of}, ${slug}, ${slug}, now())`;
    await database.sql`insert into identity.projects (id, organisation_id, name, slug, created_at) values (${id}, ${of}, 'Shop', 'shop', now())`;
  }
  const principal = (name: string, role: Role, organisationId?: string): Principal => ({
    kind: "user",
    id: newId("user"),
    name,
    sessionId: `ses_${name}`,
    bindings: [{ role, ...(organisationId === undefined ? {} : { organisationId }) }],
  });
  const principals: Record<Caller, Principal> = {
    admin: principal("admin", "admin"),
    editor: principal("editor", "editor", organisation),
    viewer: principal("viewer", "viewer", organisation),
    stranger: principal("stranger", "owner", other),
  };
  const sessions = new Set(Object.keys(principals).map((name) => `ses_${name}`));
  const identity = {
    async sessionOf(id) {
      const principal = Object.values(principals).find(({ sessionId }) => sessionId === id);
      return principal === undefined || !sessions.has(id) ? undefined : { principal, email: `${principal.name}@example.org` };
    },
    authenticate: async ({ authorization }: { authorization: string | undefined }) => {
      const name = authorization?.replace("Bearer ", "") as Caller | undefined;
      return name === undefined ? undefined : { principal: principals[name], ambient: false };
    },
    async projectPlace(tx, projectId) {
      const [row] = await tx.sql<
        { organisationId: string; projectId: string; name: string; slug: string }[]
      >`select organisation_id as "organisationId", id as "projectId", name, slug from identity.projects where id = ${projectId}`;
      return row;
    },
  } as Partial<IdentityService> as IdentityService;
  const apps: AppView[] = [];
  const endpoints: Endpoint[] = [];
  const secrets = openSecrets(randomBytes(32));
  const parts: AppsParts = {
    database,
    identity,
    objects: undefined as never,
    secrets,
    log: silentLog,
    dataDirectory: "/nowhere",
    engine: () => {
      throw new CloudError("failed_precondition", "There is no engine in this test.", { details: { reason: "engine_missing" } });
    },
    linking: noLinks,
    cron: { live: async () => {} },
    deploying: {
      async find(tx, id) {
        const app = apps.find((each) => each.id === id);
        // As row-level security does it.
        const [row] = await tx.sql<
          { seen: boolean }[]
        >`select current_user <> 'khmara_tenant' or kernel.visible(${app?.organisationId ?? ""}) as seen`;
        return row?.seen === true ? app : undefined;
      },
      list: async (_, { after: last = "", limit }) =>
        apps
          .filter(({ id }) => id > last)
          .sort((one, two) => (one.id < two.id ? -1 : 1))
          .slice(0, limit),
      named: async (_, name) => apps.filter((app) => app.name === name),
      checkAction: () => {},
    } as Partial<AppsParts["deploying"]> as AppsParts["deploying"],
    running: { endpoints: async () => [...endpoints] } as Partial<AppsParts["running"]> as AppsParts["running"],
    routing: undefined as never,
  };
  const routing = createRouting(parts, gateway);
  parts.routing = routing.part;
  const service = defineService({
    contract: contract({ name: "apps", title: "Applications", routes: routingRoutes }),
    handlers: routing.handlers,
  });
  const http = createHttpServer({
    services: [service],
    database,
    secrets,
    log: silentLog,
    authenticate: identity.authenticate,
    secure: false,
  });
  await registerVisitors(http, routing.part);
  await http.listen({ host: "127.0.0.1", port: 0 });
  const { port } = http.server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/api/v1`;
  return {
    database,
    parts,
    part: routing.part,
    apps,
    endpoints,
    project,
    strangersProject,
    strangersOrganisation: other,
    port,
    sessions,
    app(name, more = {}) {
      const id = newId("app");
      const liveReleaseId = newId("release");
      const view: AppView = {
        id,
        name,
        organisationId: organisation,
        projectId: project,
        state: "running",
        liveReleaseId,
        protected: false,
        ...more,
      };
      apps.push(view);
      return view;
    },
    async call(caller, method, path, body, headers = {}) {
      const response = await fetch(`${url}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${caller}`,
          ...headers,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
    },
    async work(name) {
      const worker = routing.workers?.find((each) => each.name === name);
      if (worker === undefined) throw new Error(`There is no worker ${name}.`);
      await worker.run(new AbortController().signal);
    },
    async stop() {
      http.server.closeAllConnections();
      await http.close();
      // What was begun after a request ends before the database does.
      await routing.part.apply().catch(() => {});
      await database.close();
      await throwaway.drop();
    },
  };
}
