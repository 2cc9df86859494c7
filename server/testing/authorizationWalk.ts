import assert from "node:assert/strict";
import { type RouteDefinition, roles } from "../../kernel/contract.ts";
import { contracts } from "../../services/contracts.ts";
import { startCloud, testOwner } from "../../testing/cloud.ts";
import type { Input, Json } from "./authorizationCase.ts";

/** The cloud that server/authorization.test.ts walks through, and what its cases are made of. */
export const { http, cloud } = await startCloud();

export const routes = Object.fromEntries(
  contracts.flatMap((contract) => Object.entries(contract.routes as Record<string, RouteDefinition>)),
);
/** Whoever makes a route public says so here too. */
export const tokens: Record<string, string> = {};
export const cookies: Record<string, string> = {};
export let organisation = "";
export let project = "";
export let ownerId = "";
export let bucket = "";
let counter = 0;
export const unique = (prefix: string) => `${prefix}-${++counter}`;

export async function request(key: string, as: string | undefined, input: Input) {
  const route = routes[key] as RouteDefinition;
  const path = route.path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(String(input.params?.[name])));
  const query = new URLSearchParams(Object.entries(input.query ?? {}).map(([name, value]) => [name, String(value)]));
  return http.inject({
    method: route.method,
    url: `/api${path}?${query}`,
    headers: {
      // A person's own things are for sessions, which a cookie names.
      ...(as === undefined
        ? {}
        : route.permission === "self" && cookies[as]
          ? { cookie: cookies[as], "x-khmara-csrf": "1" }
          : { authorization: `Bearer ${tokens[as] ?? as}` }),
      ...(input.bytes === undefined ? {} : { "content-type": "text/plain" }),
    },
    ...(input.bytes !== undefined ? { payload: input.bytes } : input.body ? { payload: input.body } : {}),
    // A stream of events has no end: its head is enough.
    ...(route.stream?.response === "events" ? { payloadAsStream: true } : {}),
  });
}
export async function as(principal: string, key: string, input: Input): Promise<Json> {
  const answer = await request(key, principal, input);
  assert.ok(answer.statusCode < 300, `${key}: ${answer.statusCode} ${answer.body}`);
  return answer.body ? answer.json() : {};
}

export async function newMember(name: string, at: string, role: string): Promise<void> {
  const email = `${name}@example.org`;
  const { link } = await as("owner", "invitationCreate", { body: { organisation: at, email, role } });
  const password = "a long enough password";
  await as("", "invitationAccept", { body: { token: link?.split("#")[1], name, password } });
  tokens[name] = await newToken(name, email, password);
}
export async function newToken(name: string, email: string, password: string): Promise<string> {
  const session = await http.inject({ method: "POST", url: "/api/v1/sessions", payload: { email, password } });
  assert.equal(session.statusCode, 201, session.body);
  const cookie = String(session.headers["set-cookie"]).split(";")[0] as string;
  cookies[name] = cookie;
  const token = await http.inject({
    method: "POST",
    url: "/api/v1/api-tokens",
    headers: { cookie, "x-khmara-csrf": "1" },
    payload: { name: "walk" },
  });
  assert.equal(token.statusCode, 201, token.body);
  return token.json().token;
}

/** The organisation that is walked through, with a member of each role, and one of a stranger. Called once, before the first case. */
export async function begin(): Promise<void> {
  tokens["owner"] = await newToken("owner", testOwner.email, testOwner.password);
  const identity = await as("owner", "identityGet", {});
  ownerId = identity["principal"].id;
  organisation = (await as("owner", "organisationCreate", { body: { name: "Walked" } }))["id"];
  project = (await as("owner", "projectCreate", { body: { organisation, name: "Walked" } }))["id"];
  const other = (await as("owner", "organisationCreate", { body: { name: "Other" } }))["id"];
  await newMember("stranger", other, "owner");
  for (const role of roles) await newMember(role === "owner" ? "second-owner" : role, organisation, role);
  bucket = (await newBucket())["id"];
}

export const newBucket = () => as("owner", "bucketCreate", { body: { project, name: unique("walk") } });
export const newObject = async (key = unique("object")) => {
  await as("owner", "objectUpload", { params: { bucket }, query: { key }, bytes: "some text" });
  return key;
};
export const newProject = async () =>
  (await as("owner", "projectCreate", { body: { organisation, name: unique("project") } }))["id"];
export const newUser = async () => {
  const name = unique("user");
  await newMember(name, organisation, "viewer");
  const members = (await as("owner", "userList", { query: { search: name } }))["items"];
  return members[0]?.id as string;
};
export const newServiceAccount = async () =>
  (await as("owner", "serviceAccountCreate", { body: { organisation, name: unique("robot") } }))["id"];
