import assert from "node:assert/strict";
import type { RouteDefinition } from "../../../kernel/contract.ts";
import type { startCloud } from "../../../testing/cloud.ts";
import { testOwner } from "../../../testing/cloud.ts";
import { contracts } from "../../contracts.ts";

// biome-ignore lint/suspicious/noExplicitAny: a test looks at what it expects to be there.
export type Json = Record<string, any>;
export interface Input {
  params?: Record<string, string>;
  query?: Record<string, string | number | boolean>;
  body?: object;
  bytes?: Buffer;
  headers?: Record<string, string>;
}
export interface Reply {
  status: number;
  headers: Record<string, string | string[] | number | undefined>;
  raw: Buffer;
  body: Json;
}

const routes = Object.fromEntries(
  contracts.flatMap((contract) => Object.entries(contract.routes as Record<string, RouteDefinition>)),
);
const password = "a long enough password";

/** A phone system with people: routes are called by their keys, as somebody by name. `owner` is there. */
export async function openOffice({ http, cloud }: Awaited<ReturnType<typeof startCloud>>) {
  const cookies: Record<string, string> = {};

  async function signIn(name: string, email: string, secret: string): Promise<void> {
    const answer = await http.inject({ method: "POST", url: "/api/v1/sessions", payload: { email, password: secret } });
    assert.equal(answer.statusCode, 201, answer.body);
    cookies[name] = String(answer.headers["set-cookie"]).split(";")[0] as string;
  }

  async function ask(who: string, key: string, input: Input = {}): Promise<Reply> {
    const route = routes[key] as RouteDefinition;
    const path = route.path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(String(input.params?.[name])));
    const query = new URLSearchParams(Object.entries(input.query ?? {}).map(([name, value]) => [name, String(value)]));
    const answer = await http.inject({
      method: route.method,
      url: `/api${path}?${query}`,
      headers: {
        ...(cookies[who] ? { cookie: cookies[who], "x-khmara-csrf": "1" } : {}),
        ...(input.bytes ? { "content-type": "application/octet-stream" } : {}),
        ...input.headers,
      },
      ...(input.bytes ? { payload: input.bytes } : input.body ? { payload: input.body } : {}),
    });
    const json = String(answer.headers["content-type"] ?? "").includes("json");
    return {
      status: answer.statusCode,
      headers: answer.headers as Reply["headers"],
      raw: answer.rawPayload,
      body: json && answer.body ? answer.json() : {},
    };
  }
  /** What must succeed. */
  async function as(who: string, key: string, input: Input = {}): Promise<Json> {
    const reply = await ask(who, key, input);
    assert.ok(reply.status < 300, `${key} as ${who}: ${reply.status} ${reply.raw}`);
    return reply.body;
  }

  await signIn("owner", testOwner.email, testOwner.password);
  const organisation = (await as("owner", "organisationCreate", { body: { name: "Office" } }))["id"] as string;
  const project = (await as("owner", "projectCreate", { body: { organisation, name: "Phones" } }))["id"] as string;
  const system = await as("owner", "phoneSystemCreate", { body: { project, name: "Office", country: "FR" } });

  /** Somebody with a role in the project. */
  async function member(name: string, role: string): Promise<string> {
    const email = `${name}@example.org`;
    const { link } = await as("owner", "invitationCreate", { body: { organisation, project, email, role } });
    await as("", "invitationAccept", { body: { token: link?.split("#")[1], name, password } });
    await signIn(name, email, password);
    return (await as(name, "identityGet", {}))["principal"].id;
  }
  async function extension(number: string, name: string, user?: string): Promise<Json> {
    return as("owner", "extensionCreate", {
      params: { phoneSystem: system["id"] },
      body: { number, name, ...(user === undefined ? {} : { user }) },
    });
  }
  return {
    ask,
    as,
    member,
    extension,
    organisation,
    project,
    /** For `params` of what is below the phone system. */
    within: { phoneSystem: system["id"] as string },
    system: { id: system["id"] as string, organisationId: organisation, projectId: project } as never,
    database: cloud.database,
  };
}
