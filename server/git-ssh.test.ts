/** Keys of people, and git over SSH with them, in the real server: accounts, roles, row-level security, `ssh` itself. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gitClient } from "../services/apps/git/testing/client.ts";
import { startCloud, testOwner } from "../testing/cloud.ts";

const { http, cloud } = await startCloud({ ssh: true });
const folder = mkdtempSync(join(tmpdir(), "khmara-git-ssh-"));
after(() => rmSync(folder, { recursive: true, force: true }));
// biome-ignore lint/suspicious/noExplicitAny: answers of several routes.
type Json = any;

async function ask(token: string, method: "GET" | "POST" | "DELETE", path: string, payload?: object) {
  const headers = token === "" ? {} : { authorization: `Bearer ${token}` };
  const answer = await http.inject({ method, url: `/api/v1${path}`, headers, ...(payload === undefined ? {} : { payload }) });
  return { status: answer.statusCode, body: (answer.body === "" ? {} : answer.json()) as Json };
}
async function api(...request: Parameters<typeof ask>): Promise<Json> {
  const { status, body } = await ask(...request);
  assert.ok(status < 300, `${request[1]} ${request[2]}: ${status} ${JSON.stringify(body)}`);
  return body;
}
async function newToken(email: string, password: string, scopes = ["*"]): Promise<string> {
  const session = await http.inject({ method: "POST", url: "/api/v1/sessions", payload: { email, password } });
  const headers = { cookie: String(session.headers["set-cookie"]).split(";")[0] as string, "x-khmara-csrf": "1" };
  const token = await http.inject({ method: "POST", url: "/api/v1/api-tokens", headers, payload: { name: "git", scopes } });
  assert.equal(token.statusCode, 201, token.body);
  return token.json().token;
}
const password = "a long enough password";
async function member(owner: string, name: string, organisation: string, role: string): Promise<string> {
  const email = `${name}@example.org`;
  const { link } = await api(owner, "POST", "/invitations", { organisation, email, role });
  await api("", "POST", "/invitations/accept", { token: link.split("#")[1], name, password });
  return newToken(email, password);
}
function newKey(name: string): { file: string; publicKey: string } {
  const file = join(folder, name);
  execFileSync("ssh-keygen", ["-q", "-N", "", "-t", "ed25519", "-f", file]);
  return { file, publicKey: readFileSync(`${file}.pub`, "utf8") };
}
const ssh = (file: string) =>
  gitClient(folder, {
    GIT_SSH_COMMAND: `ssh -F none -i ${file} -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile=${folder}/known -o LogLevel=ERROR`,
  });

test("people add keys to their accounts and come to git with them, with their own roles; nobody has a key twice", async () => {
  const owner = await newToken(testOwner.email, testOwner.password);
  const organisation = (await api(owner, "POST", "/organisations", { name: "House one" })).id;
  const project = (await api(owner, "POST", "/projects", { organisation, name: "Shop" })).id;
  await api(owner, "POST", "/apps", { project, name: "web" });
  const other = (await api(owner, "POST", "/organisations", { name: "House two" })).id;
  const tokens = {
    editor: await member(owner, "editor", organisation, "editor"),
    viewer: await member(owner, "viewer", organisation, "viewer"),
    stranger: await member(owner, "stranger", other, "owner"),
  };
  const keys = { editor: newKey("editor"), viewer: newKey("viewer"), stranger: newKey("stranger") };
  const added: Record<string, Json> = {};
  for (const name of ["editor", "viewer", "stranger"] as const)
    added[name] = await api(tokens[name], "POST", "/profile/ssh-keys", { name: "laptop", publicKey: keys[name].publicKey });
  const listed = execFileSync("ssh-keygen", ["-l", "-f", keys.editor.file], { encoding: "utf8" });
  assert.deepEqual([added["editor"].type, added["editor"].fingerprint], ["ssh-ed25519", listed.split(" ")[1]]);
  for (const name of ["editor", "stranger"] as const) {
    const twice = await ask(tokens[name], "POST", "/profile/ssh-keys", { name: "again", publicKey: keys.editor.publicKey });
    assert.deepEqual([twice.status, twice.body.reason], [409, "key_in_use"]);
  }
  const reader = await newToken("editor@example.org", password, ["*.read"]);
  assert.equal((await ask(reader, "POST", "/profile/ssh-keys", { name: "x", publicKey: newKey("x").publicKey })).status, 403);
  const wrong = await ask(tokens.editor, "POST", "/profile/ssh-keys", {
    name: "x",
    publicKey: readFileSync(keys.editor.file, "utf8"),
  });
  assert.match(`${wrong.status} ${wrong.body.detail}`, /^400 .*private key/);
  assert.equal((await ask(tokens.stranger, "DELETE", `/profile/ssh-keys/${added["editor"].id}`)).status, 404);

  const { ssh: door } = await api("", "GET", "/cloud");
  // Nothing is taken on trust: the API says what the server's key is.
  writeFileSync(join(folder, "known"), `[${door.host}]:${door.port} ${door.hostKey}\n`);
  const address = `ssh://git@${door.host}:${door.port}/shop/web.git`;
  const editor = ssh(keys.editor.file);
  const at = await editor.repository("web", { "index.html": "x" });
  // The code is kept, though nothing can run it here.
  assert.match(await editor.git(at, "push", address, "main"), /remote: Not deployed: There is no Docker/);
  const viewer = ssh(keys.viewer.file);
  await viewer.git(folder, "clone", "--quiet", address, "copy");
  await viewer.commit(join(folder, "copy"), { "index.html": "y" }, "Mine");
  await assert.rejects(viewer.git(join(folder, "copy"), "push", "origin", "main"), /Khmara: You may not do this/);
  await assert.rejects(ssh(keys.stranger.file).git(folder, "ls-remote", address), /Khmara: This app does not exist/);

  const used = async () => (await api(tokens.editor, "GET", "/profile/ssh-keys")).items;
  for (
    const until = Date.now() + 20_000;
    (await used())[0].lastUsedAt === undefined;
    await new Promise((resolve) => setTimeout(resolve, 20))
  )
    assert.ok(Date.now() < until, "its use is not noted");
  assert.equal((await used()).length, 1);

  const { principal } = await api(tokens.viewer, "GET", "/identity");
  await cloud.database.sql`update identity.users set state = 'suspended', suspended_reason = 'away' where id = ${principal.id}`;
  await assert.rejects(viewer.git(folder, "ls-remote", address), /Permission denied \(publickey\)/);
  await api(tokens.editor, "DELETE", `/profile/ssh-keys/${added["editor"].id}`);
  await assert.rejects(editor.git(folder, "ls-remote", address), /Permission denied \(publickey\)/);
  const actions = await cloud.database.sql<{ action: string }[]>`
    select action from kernel.audit_entries where resource_id = ${added["editor"].id} order by sequence`;
  assert.deepEqual(
    actions.map(({ action }) => action),
    ["identity.ssh_key.create", "identity.ssh_key.delete"],
  );
});
