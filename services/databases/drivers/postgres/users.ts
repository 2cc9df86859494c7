import { createHash, createHmac, pbkdf2 as derive, randomBytes } from "node:crypto";
import { promisify } from "node:util";
import { CloudError } from "../../../../kernel/errors.ts";
import type { CallOptions, ContainerHost, ServerUser } from "../../driver.ts";
import { withSession } from "./session.ts";

const pbkdf2 = promisify(derive);
const iterations = 4096;

/**
 * What the server checks a password with (RFC 5803; PostgreSQL's manual, pg_authid): it goes there instead of the password, so that
 * this is in no log of statements.
 */
export async function scramVerifier(password: string, salt: Buffer = randomBytes(16)): Promise<string> {
  const salted = await pbkdf2(password, salt, iterations, 32, "sha256");
  const hmac = (text: string) => createHmac("sha256", salted).update(text).digest();
  const storedKey = createHash("sha256").update(hmac("Client Key")).digest("base64");
  return `SCRAM-SHA-256$${iterations}:${salt.toString("base64")}$${storedKey}:${hmac("Server Key").toString("base64")}`;
}

/** Names come from our records, where they are plain; quoted all the same. */
export const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

const superuser = "postgres";

export async function setUp(
  host: ContainerHost,
  name: string,
  { database, owner }: { database: string; owner: string },
  options?: CallOptions,
): Promise<void> {
  await withSession(host, name, { database: "postgres", ...options }, async (sql) => {
    // A role without a password lets nobody in.
    const [role] = await sql`select 1 from pg_roles where rolname = ${owner}`;
    if (!role) await sql.unsafe(`create role ${identifier(owner)} login`);
    const [there] = await sql`select 1 from pg_database where datname = ${database}`;
    if (!there) await sql.unsafe(`create database ${identifier(database)} owner ${identifier(owner)}`);
    await sql.unsafe(`revoke connect, temporary on database ${identifier(database)} from public`);
    await sql.unsafe(`revoke connect on database postgres, template1 from public`);
  });
  await withSession(host, name, { database, ...options }, (sql) =>
    sql.unsafe("create extension if not exists pg_stat_statements"),
  );
}

export const users = (host: ContainerHost, name: string, options?: CallOptions): Promise<ServerUser[]> =>
  withSession(host, name, { database: "postgres", ...options }, async (sql) => {
    const rows = await sql<{ name: string; readOnly: boolean; owns: boolean }[]>`
      select rolname as name, pg_has_role(oid, 'pg_read_all_data', 'member') as "readOnly",
        exists (select 1 from pg_database d where d.datdba = r.oid and not d.datistemplate) as owns
      from pg_roles r where rolcanlogin and rolname <> ${superuser} order by rolname`;
    return rows.map((row) => ({
      name: row.name,
      access: row.owns ? ("owner" as const) : row.readOnly ? ("read_only" as const) : ("read_write" as const),
    }));
  });

export async function userPut(
  host: ContainerHost,
  name: string,
  user: ServerUser & { database: string; owner: string; password: string },
  options?: CallOptions,
): Promise<void> {
  const verifier = await scramVerifier(user.password);
  await withSession(host, name, { database: "postgres", ...options }, (sql) =>
    sql.begin(async (tx) => {
      const role = identifier(user.name);
      const [there] = await tx`select 1 from pg_roles where rolname = ${user.name}`;
      await tx.unsafe(`${there ? "alter" : "create"} role ${role} login password ${literal(verifier)}`);
      if (user.access === "owner") return;
      await tx.unsafe(`grant connect, temporary on database ${identifier(user.database)} to ${role}`);
      if (user.access === "read_only") {
        await tx.unsafe(`grant pg_read_all_data to ${role}`);
        await tx.unsafe(`alter role ${role} set default_transaction_read_only = on`);
      } else {
        // What it makes belongs to the owner: so all who write may change it, and it stays when the user goes.
        await tx.unsafe(`grant ${identifier(user.owner)} to ${role}`);
        await tx.unsafe(`alter role ${role} in database ${identifier(user.database)} set role ${literal(user.owner)}`);
      }
    }),
  );
}

export async function userRemove(
  host: ContainerHost,
  name: string,
  { name: user, database, owner }: { name: string; database: string; owner: string },
  options?: CallOptions,
): Promise<void> {
  if (user === superuser || user === owner)
    throw new CloudError("failed_precondition", `${user} cannot be removed: the database needs it.`);
  const there = await withSession(host, name, { database: "postgres", ...options }, async (sql) => {
    const [role] = await sql`select 1 from pg_roles where rolname = ${user}`;
    if (!role) return false;
    await sql.unsafe(`alter role ${identifier(user)} nologin`);
    await sql`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${user}`;
    return true;
  });
  if (!there) return;
  await withSession(host, name, { database, ...options }, (sql) =>
    sql.begin(async (tx) => {
      await tx.unsafe(`reassign owned by ${identifier(user)} to ${identifier(owner)}`);
      await tx.unsafe(`drop owned by ${identifier(user)}`);
      await tx.unsafe(`drop role ${identifier(user)}`);
    }),
  );
}
