/** The registry in the real server: tokens of the API, row-level security, bodies larger than the API's own; docker's own order of requests. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { startCloud, testOwner } from "../testing/cloud.ts";

const { http, url } = await startCloud();
const digestOf = (bytes: Uint8Array | string) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
// biome-ignore lint/suspicious/noExplicitAny: answers of several routes.
type Json = any;

async function api(token: string, method: "GET" | "POST", path: string, payload?: object): Promise<Json> {
  const headers = token === "" ? {} : { authorization: `Bearer ${token}` };
  const answer = await http.inject({ method, url: `/api/v1${path}`, headers, ...(payload === undefined ? {} : { payload }) });
  assert.ok(answer.statusCode < 300, `${method} ${path}: ${answer.statusCode} ${answer.body}`);
  return answer.body === "" ? {} : answer.json();
}

async function newToken(email: string, password: string, scopes?: string[]): Promise<string> {
  const session = await http.inject({ method: "POST", url: "/api/v1/sessions", payload: { email, password } });
  const cookie = String(session.headers["set-cookie"]).split(";")[0] as string;
  const token = await http.inject({
    method: "POST",
    url: "/api/v1/api-tokens",
    headers: { cookie, "x-khmara-csrf": "1" },
    payload: { name: "docker", ...(scopes === undefined ? {} : { scopes }) },
  });
  assert.equal(token.statusCode, 201, token.body);
  return token.json().token;
}

const ask = (token: string, method: string, path: string, options: { body?: Uint8Array | string; type?: string } = {}) =>
  fetch(`${url}${path}`, {
    method,
    headers: {
      authorization: `Basic ${Buffer.from(`me:${token}`).toString("base64")}`,
      ...(options.type === undefined ? {} : { "content-type": options.type }),
    },
    ...(options.body === undefined ? {} : { body: options.body as Uint8Array<ArrayBuffer> }),
    signal: AbortSignal.timeout(30_000),
  });

test("a member pushes with a token; other organisations know nothing of it, even under the same names", async () => {
  const owner = await newToken(testOwner.email, testOwner.password);
  const apps: Record<string, { id: string }> = {};
  const tokens: Record<string, string> = {};
  for (const name of ["one", "two"]) {
    const organisation = (await api(owner, "POST", "/organisations", { name: `House ${name}` })).id;
    const project = (await api(owner, "POST", "/projects", { organisation, name: "Shared" })).id;
    apps[name] = await api(owner, "POST", "/apps", { project, name: "web" });
    const email = `${name}@example.org`;
    const { link } = await api(owner, "POST", "/invitations", { organisation, email, role: "editor" });
    const password = "a long enough password";
    await api("", "POST", "/invitations/accept", { token: link.split("#")[1], name, password });
    tokens[name] = await newToken(email, password);
    if (name === "one") tokens["reader"] = await newToken(email, password, ["*.read"]);
  }
  const [one = "", two = "", reader = ""] = [tokens["one"], tokens["two"], tokens["reader"]];
  assert.equal((await fetch(`${url}/v2/`)).status, 401);
  assert.equal((await ask("wrong", "GET", "/v2/")).status, 401);
  assert.equal((await ask(one, "GET", "/v2/")).status, 200);

  const layer = randomBytes(3 * 1024 ** 2);
  const config = Buffer.from("{}");
  for (const bytes of [layer, config]) {
    assert.equal((await ask(one, "HEAD", `/v2/shared/web/blobs/${digestOf(bytes)}`)).status, 404);
    const begun = await ask(one, "POST", "/v2/shared/web/blobs/uploads/");
    assert.equal(begun.status, 202, await begun.text());
    const location = begun.headers.get("location") as string;
    assert.equal((await ask(one, "PATCH", location, { body: bytes, type: "application/json" })).status, 202);
    assert.equal((await ask(two, "GET", location)).status, 404);
    assert.equal((await ask(one, "PUT", `${location}?digest=${digestOf(bytes)}`)).status, 201);
  }
  const type = "application/vnd.docker.distribution.manifest.v2+json";
  const part = (bytes: Buffer) => ({ mediaType: "application/octet-stream", digest: digestOf(bytes), size: bytes.length });
  const manifest = JSON.stringify({ schemaVersion: 2, mediaType: type, config: part(config), layers: [part(layer)] });
  assert.equal((await ask(one, "PUT", "/v2/shared/web/manifests/1", { body: manifest, type })).status, 201);

  assert.equal(await (await ask(reader, "GET", "/v2/shared/web/manifests/1")).text(), manifest);
  assert.equal((await ask(reader, "POST", "/v2/shared/web/blobs/uploads/")).status, 403);
  const got = await ask(reader, "GET", `/v2/shared/web/blobs/${digestOf(layer)}`);
  assert.deepEqual(Buffer.from(await got.arrayBuffer()), layer);

  // The other house has a repository of this very name, and nothing is in it.
  assert.equal((await ask(two, "GET", "/v2/shared/web/manifests/1")).status, 404);
  assert.equal((await ask(two, "GET", `/v2/shared/web/blobs/${digestOf(layer)}`)).status, 404);
  const mount = await ask(two, "POST", `/v2/shared/web/blobs/uploads/?mount=${digestOf(layer)}&from=${apps["one"]?.id}`);
  assert.equal(mount.status, 202);
  assert.equal((await ask(two, "GET", `/v2/${apps["one"]?.id}/tags/list`)).status, 404);
  assert.deepEqual(await (await ask(two, "GET", "/v2/_catalog")).json(), { repositories: [] });
  assert.deepEqual(await (await ask(one, "GET", "/v2/_catalog")).json(), { repositories: ["shared/web"] });

  // Who sees both is told so, and goes by the id.
  const both = await ask(owner, "GET", "/v2/shared/web/tags/list");
  assert.equal(both.status, 409);
  assert.match(await both.text(), new RegExp(apps["one"]?.id as string));
  assert.deepEqual(((await (await ask(owner, "GET", `/v2/${apps["one"]?.id}/tags/list`)).json()) as Json).tags, ["1"]);
});
