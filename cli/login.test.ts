import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { newId } from "../kernel/ids.ts";
import { type Answering, fakeCloud, problem, runCli, temporaryHome } from "./fake-cloud.ts";
import { profilesPath } from "./profiles.ts";

const organisation = { id: newId("organisation"), name: "Home", slug: "home" };
const projects = ["shop", "lab"].map((slug) => ({ id: newId("project"), organisationId: organisation.id, name: slug, slug }));
const token = { id: newId("apiToken"), token: "kht_abc" };

function cloudWith(options: { secondFactor?: boolean; projects?: number } = {}) {
  const mine = projects.slice(0, options.projects ?? 1);
  const identity = {
    principal: { kind: "user", id: "usr_1", name: "Olena" },
    user: { email: "olena@example.org" },
    bindings: [],
    organisations: [{ ...organisation, projects: mine }],
    recoveryCodesLeft: 8,
  };
  const bySession: Answering = ({ headers }) =>
    headers.cookie === "khmara_session=abc" ? { status: 201, body: token } : problem(401, "unauthenticated", "No session.");
  return fakeCloud({
    "POST /sessions": ({ body }) => {
      const { password, code } = body as { password: string; code?: string };
      if (password !== "correct horse") return problem(401, "unauthenticated", "E-mail or password is wrong.");
      if (options.secondFactor && code !== "123456")
        return problem(401, "unauthenticated", "A code is needed.", { reason: "second_factor_required" });
      return { status: 201, body: identity, headers: { "set-cookie": ["khmara_session=abc; HttpOnly; Path=/"] } };
    },
    "DELETE /sessions/{session}": () => ({}),
    "POST /api-tokens": bySession,
    "DELETE /api-tokens/{token}": ({ headers }) =>
      headers.authorization === "Bearer kht_abc" ? {} : problem(401, "unauthenticated", "No."),
    "GET /identity": ({ headers }) =>
      headers.authorization === "Bearer kht_abc"
        ? { body: identity }
        : problem(401, "unauthenticated", "The token is not valid."),
    "GET /projects/{project}": (_, [id]) => ({ body: projects.find((one) => one.id === id) }),
    "GET /organisations/{organisation}": () => ({ body: organisation }),
    "GET /buckets": () => ({ body: { items: [] } }),
  });
}

test("unattended: a session makes a token, ends, and the token is kept for its owner only", async () => {
  const cloud = await cloudWith();
  const { env, folder, remove } = temporaryHome();
  try {
    writeFileSync(join(folder, "password"), "correct horse\n");
    const done = await runCli(
      ["login", "--endpoint", cloud.endpoint, "--email", "olena@example.org", "--password-file", join(folder, "password")],
      { env },
    );
    assert.equal(done.code, 0, done.notes);
    assert.match(done.out, /as olena@example\.org/);
    assert.deepEqual(
      cloud.seen.map((one) => `${one.method} ${one.path.slice(8)}`),
      ["POST sessions", "POST api-tokens", "DELETE sessions/current", "GET identity"],
    );
    assert.match((cloud.seen[1] as { body: { name: string } }).body.name, /^CLI on /);
    const path = profilesPath(env);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(join(path, "..")), ["profiles.json"]);
    assert.deepEqual(JSON.parse(readFileSync(path, "utf8")), {
      current: "default",
      profiles: {
        default: {
          endpoint: cloud.endpoint,
          token: token.token,
          tokenId: token.id,
          email: "olena@example.org",
          organisation: { id: organisation.id, slug: "home" },
          project: { id: projects[0]?.id, slug: "shop" },
        },
      },
    });

    assert.equal((await runCli(["bucket", "list"], { env })).code, 0);
    assert.equal(cloud.seen.at(-1)?.query["project"], projects[0]?.id);
    const shown = await runCli(["profile", "show"], { env });
    assert.match(shown.out, /project +shop/);
    assert.ok(!shown.out.includes(token.token));
    assert.ok(!(await runCli(["profile", "list", "--json"], { env })).out.includes(token.token));

    const out = await runCli(["logout"], { env });
    assert.equal(out.code, 0);
    assert.equal(out.notes, "");
    assert.equal(cloud.seen.at(-1)?.path, `/api/v1/api-tokens/${token.id}`);
    assert.equal((await runCli(["bucket", "list"], { env })).code, 3);
  } finally {
    await cloud.close();
    remove();
  }
});

test("by the environment, and a wrong password keeps nothing", async () => {
  const cloud = await cloudWith();
  const { env, remove } = temporaryHome();
  try {
    const owner = { ...env, KHMARA_ENDPOINT: cloud.endpoint, KHMARA_OWNER_EMAIL: "olena@example.org" };
    const wrong = await runCli(["login"], { env: { ...owner, KHMARA_OWNER_PASSWORD: "wrong" } });
    assert.equal(wrong.code, 3);
    assert.match(wrong.notes, /E-mail or password is wrong/);
    assert.throws(() => statSync(profilesPath(env)));
    assert.equal((await runCli(["login", "--quiet"], { env: { ...owner, KHMARA_OWNER_PASSWORD: "correct horse" } })).code, 0);
    assert.equal((await runCli(["login"], { env: { ...env, KHMARA_ENDPOINT: cloud.endpoint } })).code, 2);
  } finally {
    await cloud.close();
    remove();
  }
});

test("on a terminal it asks, for the second factor too", async () => {
  const cloud = await cloudWith({ secondFactor: true });
  const { env, remove } = temporaryHome();
  try {
    const done = await runCli(["login"], {
      env,
      interactive: true,
      input: `${cloud.endpoint}\nolena@example.org\ncorrect horse\n123 456\n`,
    });
    assert.equal(done.code, 0, done.notes);
    assert.match(done.notes, /Cloud \[http.*\]: E-mail: Password: Code/);
  } finally {
    await cloud.close();
    remove();
  }
});

test("a ready token is checked before it is kept", async () => {
  const cloud = await cloudWith();
  const { env, remove } = temporaryHome();
  try {
    assert.equal((await runCli(["login", "--endpoint", cloud.endpoint, "--token", "nonsense"], { env })).code, 3);
    assert.equal(
      (await runCli(["login", "--endpoint", cloud.endpoint, "--token", "kht_abc", "--profile", "work"], { env })).code,
      0,
    );
    assert.match((await runCli(["logout", "--profile", "work"], { env })).notes, /still works/);
  } finally {
    await cloud.close();
    remove();
  }
});

test("profiles: the defaults are chosen by slug, and another cloud takes nothing along", async () => {
  const cloud = await cloudWith({ projects: 2 });
  const { env, remove } = temporaryHome();
  try {
    await runCli(["login", "--endpoint", cloud.endpoint, "--token", "kht_abc"], { env });
    await runCli(["login", "--endpoint", cloud.endpoint, "--token", "kht_abc", "--profile", "second"], { env });
    assert.equal((await runCli(["profile", "set", "--project", "lab"], { env })).code, 0);
    assert.match((await runCli(["profile", "show"], { env })).out, /name +second\n[\s\S]*project +lab/);
    assert.equal((await runCli(["profile", "use", "default"], { env })).code, 0);
    assert.match((await runCli(["profile", "list"], { env })).out, /^\* +default/m);
    assert.match((await runCli(["profile", "use", "secnd"], { env })).notes, /Did you mean "second"/);
    const env2 = { ...env, KHMARA_PROFILE: "second" };
    await runCli(["bucket", "list"], { env: env2 });
    assert.equal(cloud.seen.at(-1)?.query["project"], projects[1]?.id);
    const moved = await runCli(["profile", "set", "--endpoint", "https://cloud.example.org"], { env: env2 });
    assert.match(moved.notes, /sign in there/);
    assert.match((await runCli(["profile", "show", "second"], { env })).out, /signed in +no\norganisation +–/);
  } finally {
    await cloud.close();
    remove();
  }
});
