import { openDatabase } from "../../../kernel/db/database.ts";
import { createHttpServer } from "../../../kernel/http/server.ts";
import { silentLog } from "../../../kernel/log.ts";
import { registerQuotas } from "../../../kernel/quota.ts";
import { openSecrets } from "../../../kernel/secrets.ts";
import { testDatabase } from "../../../testing/postgres.ts";
import contract from "../contract.ts";
import { createIdentity } from "../index.ts";

export const ownerEmail = "owner@example.org";
export const ownerPassword = "correct horse battery";

export interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks at what it expects to be there.
  body: any;
  headers: Record<string, string | string[] | number | undefined>;
}

/** Somebody who sends requests: with a session as a browser does, with a token as a program does, or as a stranger. */
export interface Caller {
  cookie?: string;
  token?: string;
  address?: string;
}

/** The real service behind the real router on a database of its own, with a clock that the test sets forward. */
export async function openFixture() {
  const base = await testDatabase(["identity"]);
  const database = openDatabase({ url: base.url, maxConnections: 10 });
  const secrets = openSecrets(new Uint8Array(32).fill(7));
  registerQuotas(contract.quotas);
  const clock = { aheadMs: 0, nowMs: () => Date.now() + clock.aheadMs };
  const options = {
    database,
    secrets,
    log: silentLog,
    clock,
    version: "test",
    publicUrl: "http://localhost:8080",
    s3Url: "http://localhost:9000",
    region: "khmara",
    // Hashing is tested by itself; here it should only be quick.
    argon2: { memoryKib: 64, passes: 1, parallelism: 1 },
  };
  const identity = createIdentity(options);
  const http = createHttpServer({
    services: [identity.service],
    database,
    secrets,
    log: silentLog,
    authenticate: identity.identity.authenticate,
    secure: false,
  });
  await http.ready();

  async function call(caller: Caller, route: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const [method, path] = route.split(" ") as [string, string];
    const response = await http.inject({
      method: method as "GET",
      url: `/api/v1${path}`,
      remoteAddress: caller.address ?? "203.0.113.7",
      headers: {
        host: "localhost:8080",
        ...(caller.cookie ? { cookie: `khmara_session=${caller.cookie}`, "x-khmara-csrf": "1" } : {}),
        ...(caller.token ? { authorization: `Bearer ${caller.token}` } : {}),
        ...headers,
      },
      ...(body === undefined ? {} : { payload: body as object }),
    });
    return { status: response.statusCode, body: response.body === "" ? undefined : response.json(), headers: response.headers };
  }

  const cookieOf = (answer: Answer): string | undefined =>
    /khmara_session=([^;]*)/.exec(String([answer.headers["set-cookie"]].flat()[0] ?? ""))?.[1];

  async function signIn(
    email: string,
    password: string,
    more: Record<string, unknown> = {},
  ): Promise<Caller & { answer: Answer }> {
    const answer = await call({}, "POST /sessions", { email, password, ...more });
    const cookie = cookieOf(answer);
    return { ...(cookie ? { cookie } : {}), answer };
  }

  await identity.ensureOwner({ email: ownerEmail, password: ownerPassword });
  const { cookie, answer } = await signIn(ownerEmail, ownerPassword);
  const owner = { cookie: cookie as string, id: answer.body.user.id as string };
  const home = answer.body.organisations[0];

  let people = 0;
  /** A new person with a role, invited as everybody is. */
  async function person(role: string, at: { organisation: string; project?: string }, by: Caller = owner) {
    const email = `person${++people}@example.org`;
    const password = `password of person ${people}`;
    const invited = await call(by, "POST /invitations", { ...at, email, role });
    if (invited.status !== 201) throw new Error(JSON.stringify(invited.body));
    const accepted = await call({}, "POST /invitations/accept", {
      token: invited.body.link.split("#")[1],
      name: `Person ${people}`,
      password,
    });
    if (accepted.status !== 201) throw new Error(JSON.stringify(accepted.body));
    return { cookie: cookieOf(accepted) as string, id: accepted.body.user.id as string, email, password };
  }

  /** A tenant of its own: an organisation with an owner who has no other role, and a project. */
  async function tenant(name: string) {
    const organisation = (await call(owner, "POST /organisations", { name })).body;
    const boss = await person("owner", { organisation: organisation.id });
    const project = (await call(boss, "POST /projects", { organisation: organisation.id, name: "Default" })).body;
    return { organisation: organisation.id as string, project: project.id as string, boss };
  }

  return {
    database,
    secrets,
    clock,
    identity,
    /** For another process over the same records. */
    options,
    http,
    call,
    cookieOf,
    signIn,
    person,
    tenant,
    owner,
    home: { organisation: home.id as string, project: home.projects[0].id as string },
    async close() {
      await http.close();
      await identity.service.stop?.();
      await database.close();
      await base.drop();
    },
  };
}
export type Fixture = Awaited<ReturnType<typeof openFixture>>;
