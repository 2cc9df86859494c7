import type { Tx } from "../../../kernel/db/database.ts";
import type { Id } from "../../../kernel/ids.ts";
import type { Audience } from "./contract.ts";

export interface SettingsRow {
  appsDomain: string;
  acmeDirectory: string | null;
  acmeEmail: string | null;
  /** Domains are taken at people's word. */
  trustDomains: boolean;
  revision: number;
}

export interface DomainRow {
  id: Id<"domain">;
  organisationId: string;
  projectId: string;
  appId: Id<"app">;
  host: string;
  redirectTo: string | null;
  problem: string | null;
  checkedAt: Date | null;
  /** Since when it is known to be theirs; until then it leads nowhere. */
  provenAt: Date | null;
  createdAt: Date;
}

export interface AccessRow {
  appId: string;
  organisationId: string;
  projectId: string;
  httpsOnly: boolean;
  userNames: string[];
  /** Sealed. */
  users: Buffer | null;
  signIn: Audience | null;
  signInUsers: string[];
  allow: string[];
  deny: string[];
  rateRequests: number | null;
  rateSeconds: number | null;
  maintenance: boolean;
  maximumBodyBytes: number | null;
  revision: number;
}

export type CertificateIssuer = "authority" | "internal" | "acme";
export interface CertificateRow {
  host: string;
  issuedBy: CertificateIssuer;
  certificate: string;
  /** Sealed. */
  key: Buffer;
  expiresAt: Date;
  renewAt: Date;
}

export interface AcmeRequestRow {
  host: string;
  directory: string;
  problem: string | null;
  failures: number;
  nextAt: Date;
}

export const settingsStore = {
  async get(tx: Tx, { lock = false } = {}): Promise<SettingsRow> {
    const [row] = await tx.sql<SettingsRow[]>`select apps_domain as "appsDomain", acme_directory as "acmeDirectory",
      acme_email as "acmeEmail", trust_domains as "trustDomains", revision from apps.gateway_settings ${lock ? tx.sql`for update` : tx.sql``}`;
    return row as SettingsRow;
  },

  async update(tx: Tx, row: SettingsRow): Promise<void> {
    await tx.sql`update apps.gateway_settings set apps_domain = ${row.appsDomain}, acme_directory = ${row.acmeDirectory},
      acme_email = ${row.acmeEmail}, trust_domains = ${row.trustDomains}, revision = revision + 1`;
  },
};

export const labelStore = {
  async of(tx: Tx, projectIds: readonly string[]): Promise<Map<string, { slug: string; label: string }>> {
    const rows = await tx.sql<{ projectId: string; slug: string; label: string }[]>`
      select project_id as "projectId", slug, label from apps.project_labels where project_id = any (${projectIds as string[]}::text[])`;
    return new Map(rows.map(({ projectId, ...row }) => [projectId, row]));
  },

  async projectOf(tx: Tx, label: string): Promise<string | undefined> {
    const [row] = await tx.sql<{ id: string }[]>`select project_id as id from apps.project_labels where label = ${label}`;
    return row?.id;
  },

  /** False when another project has this label. */
  async claim(tx: Tx, projectId: string, slug: string, label: string): Promise<boolean> {
    const rows = await tx.sql`
      with moved as (
        update apps.project_labels set slug = ${slug}, label = ${label} where project_id = ${projectId}
          and not exists (select from apps.project_labels where label = ${label} and project_id <> ${projectId}) returning project_id
      ), made as (
        insert into apps.project_labels (project_id, slug, label) select ${projectId}, ${slug}, ${label}
          where not exists (select from apps.project_labels where project_id = ${projectId}) on conflict do nothing returning project_id
      ) select project_id from moved union all select project_id from made`;
    return rows.length > 0;
  },
};

const domainColumns = `id, organisation_id as "organisationId", project_id as "projectId", app_id as "appId", host,
  redirect_to as "redirectTo", problem, checked_at as "checkedAt", proven_at as "provenAt", created_at as "createdAt"`;

async function isTaken(tx: Tx, { host, organisationId }: Pick<DomainRow, "host" | "organisationId">): Promise<boolean> {
  const [other] = await tx.sql<{ overlaps: boolean }[]>`select apps.domain_overlaps(${host}, ${organisationId}) as overlaps`;
  return other?.overlaps === true;
}

export const domainStore = {
  async find(tx: Tx, id: string): Promise<DomainRow | undefined> {
    const [row] = await tx.sql<DomainRow[]>`select ${tx.sql.unsafe(domainColumns)} from apps.domains where id = ${id}`;
    return row;
  },

  page: (tx: Tx, filter: { appId: string; after?: string | undefined; limit: number }): Promise<DomainRow[]> => tx.sql<
    DomainRow[]
  >`
    select ${tx.sql.unsafe(domainColumns)} from apps.domains where app_id = ${filter.appId}
    ${filter.after ? tx.sql`and id > ${filter.after}` : tx.sql``} order by id limit ${filter.limit}`,

  of: (tx: Tx, appIds: readonly string[]): Promise<DomainRow[]> => tx.sql<DomainRow[]>`
    select ${tx.sql.unsafe(domainColumns)} from apps.domains where app_id = any (${appIds as string[]}::text[]) order by id`,

  all: (tx: Tx): Promise<DomainRow[]> =>
    tx.sql<DomainRow[]>`select ${tx.sql.unsafe(domainColumns)} from apps.domains where proven_at is not null order by id`,

  /** The one that answers there: the name itself before a wildcard over it. */
  async serving(tx: Tx, host: string): Promise<DomainRow | undefined> {
    const wildcard = `*.${host.slice(host.indexOf(".") + 1)}`;
    const [row] = await tx.sql<DomainRow[]>`select ${tx.sql.unsafe(domainColumns)} from apps.domains
      where host in (${host}, ${wildcard}) and proven_at is not null order by host = ${host} desc limit 1`;
    return row;
  },

  /** False when it is proven to be somebody's already, another organisation has a wildcard over it or a name below it, or theirs has claimed it. */
  async insert(tx: Tx, row: DomainRow): Promise<boolean> {
    if (await isTaken(tx, row)) return false;
    const rows = await tx.sql`
      insert into apps.domains (id, organisation_id, project_id, app_id, host, redirect_to, proven_at, created_at)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.appId}, ${row.host}, ${row.redirectTo}, ${row.provenAt}, ${row.createdAt})
      on conflict do nothing returning id`;
    return rows.length > 0;
  },

  /** False when somebody was quicker, or the domain is gone. */
  async prove(tx: Tx, row: Pick<DomainRow, "id" | "host" | "organisationId">, at: Date): Promise<boolean> {
    // One at a time: what two would take at once is not theirs both.
    await tx.sql`select pg_advisory_xact_lock(hashtext('apps.domains'))`;
    if (await isTaken(tx, row)) return false;
    const rows = await tx.sql`update apps.domains set proven_at = coalesce(proven_at, ${at}) where id = ${row.id} returning id`;
    return rows.length > 0;
  },

  /** Claims that nobody has proven yet and that are to be looked at again: often at first, then more seldom, for a month. */
  unproven: (tx: Tx, limit: number): Promise<DomainRow[]> => tx.sql<DomainRow[]>`
    select ${tx.sql.unsafe(domainColumns)} from apps.domains
    where proven_at is null and created_at > now() - interval '30 days'
      and (checked_at is null or now() - checked_at > greatest(interval '30 seconds', least(interval '1 hour', (now() - created_at) / 10)))
    order by checked_at nulls first limit ${limit}`,

  async checked(tx: Tx, id: string, problem: string | null, at: Date): Promise<void> {
    await tx.sql`update apps.domains set problem = ${problem}, checked_at = ${at} where id = ${id}`;
  },

  async delete(tx: Tx, row: Pick<DomainRow, "id">): Promise<void> {
    await forgetCertificates(tx, await tx.sql`delete from apps.domains where id = ${row.id} returning host, proven_at`);
  },

  async deleteOf(tx: Tx, appId: string): Promise<void> {
    await forgetCertificates(tx, await tx.sql`delete from apps.domains where app_id = ${appId} returning host, proven_at`);
  },
};

/** Who only claimed a name leaves alone what is of its owner. */
const forgetCertificates = (tx: Tx, rows: readonly Record<string, unknown>[]): Promise<void> =>
  certificateStore.forget(
    tx,
    rows.filter((row) => row["proven_at"] !== null).map((row) => String(row["host"])),
  );

const accessColumns = `app_id as "appId", organisation_id as "organisationId", project_id as "projectId", https_only as "httpsOnly",
  user_names as "userNames", users, sign_in as "signIn", sign_in_users as "signInUsers", allow, deny, rate_requests as "rateRequests", rate_seconds as "rateSeconds", maintenance,
  maximum_body_bytes as "maximumBodyBytes", revision`;

export const accessStore = {
  async find(tx: Tx, appId: string): Promise<AccessRow | undefined> {
    const [row] = await tx.sql<AccessRow[]>`select ${tx.sql.unsafe(accessColumns)} from apps.access where app_id = ${appId}`;
    return row;
  },

  all: (tx: Tx): Promise<AccessRow[]> => tx.sql<AccessRow[]>`select ${tx.sql.unsafe(accessColumns)} from apps.access`,

  async put(tx: Tx, row: AccessRow): Promise<void> {
    await tx.sql`
      insert into apps.access (app_id, organisation_id, project_id, https_only, user_names, users, sign_in, sign_in_users, allow, deny,
        rate_requests, rate_seconds, maintenance, maximum_body_bytes, revision)
      values (${row.appId}, ${row.organisationId}, ${row.projectId}, ${row.httpsOnly}, ${row.userNames}::text[], ${row.users},
        ${row.signIn}, ${row.signInUsers}::text[], ${row.allow}::text[], ${row.deny}::text[], ${row.rateRequests}, ${row.rateSeconds}, ${row.maintenance}, ${row.maximumBodyBytes}, ${row.revision})
      on conflict (app_id) do update set https_only = excluded.https_only, user_names = excluded.user_names, users = excluded.users,
        sign_in = excluded.sign_in, sign_in_users = excluded.sign_in_users, allow = excluded.allow, deny = excluded.deny, rate_requests = excluded.rate_requests, rate_seconds = excluded.rate_seconds,
        maintenance = excluded.maintenance, maximum_body_bytes = excluded.maximum_body_bytes, revision = excluded.revision`;
  },

  async delete(tx: Tx, appId: string): Promise<void> {
    await tx.sql`delete from apps.access where app_id = ${appId}`;
  },
};

export interface VisitCodeRow {
  codeHash: string;
  appId: string;
  sessionId: string;
  stateHash: string;
  host: string;
  expiresAt: Date;
}

export const visitStore = {
  async put(tx: Tx, row: VisitCodeRow): Promise<void> {
    await tx.sql`delete from apps.visit_codes where expires_at < now() - interval '1 hour'`;
    await tx.sql`insert into apps.visit_codes (code_hash, app_id, session_id, state_hash, host, expires_at)
      values (${row.codeHash}, ${row.appId}, ${row.sessionId}, ${row.stateHash}, ${row.host}, ${row.expiresAt})`;
  },

  /** Each is there for one. */
  async take(tx: Tx, codeHash: string): Promise<VisitCodeRow | undefined> {
    const [row] = await tx.sql<VisitCodeRow[]>`delete from apps.visit_codes where code_hash = ${codeHash}
      returning code_hash as "codeHash", app_id as "appId", session_id as "sessionId", state_hash as "stateHash", host, expires_at as "expiresAt"`;
    return row;
  },
};

const certificateColumns = `host, issued_by as "issuedBy", certificate, key, expires_at as "expiresAt", renew_at as "renewAt"`;

export const certificateStore = {
  async find(tx: Tx, host: string, issuedBy: CertificateIssuer): Promise<CertificateRow | undefined> {
    const [row] = await tx.sql<CertificateRow[]>`
      select ${tx.sql.unsafe(certificateColumns)} from apps.certificates where host = ${host} and issued_by = ${issuedBy}`;
    return row;
  },

  of: (tx: Tx, hosts: readonly string[]): Promise<CertificateRow[]> => tx.sql<CertificateRow[]>`
    select ${tx.sql.unsafe(certificateColumns)} from apps.certificates
    where host = any (${hosts as string[]}::text[]) and issued_by <> 'authority'`,

  /** The newer one of two stays: two processes may have asked at once. */
  async put(tx: Tx, row: CertificateRow): Promise<void> {
    await tx.sql`
      insert into apps.certificates (host, issued_by, certificate, key, expires_at, renew_at)
      values (${row.host}, ${row.issuedBy}, ${row.certificate}, ${row.key}, ${row.expiresAt}, ${row.renewAt})
      on conflict (host, issued_by) do update set certificate = excluded.certificate, key = excluded.key, expires_at = excluded.expires_at,
        renew_at = excluded.renew_at where apps.certificates.renew_at < excluded.renew_at`;
  },

  /** The authority is made once: what is there stays. */
  async putAuthority(tx: Tx, row: CertificateRow): Promise<void> {
    await tx.sql`
      insert into apps.certificates (host, issued_by, certificate, key, expires_at, renew_at)
      values (${row.host}, 'authority', ${row.certificate}, ${row.key}, ${row.expiresAt}, ${row.renewAt})
      on conflict (host, issued_by) do update set certificate = excluded.certificate, key = excluded.key, expires_at = excluded.expires_at,
        renew_at = excluded.renew_at where apps.certificates.renew_at < now()`;
  },

  /** Whoever has the name next gets a key of their own. */
  async forget(tx: Tx, hosts: readonly string[]): Promise<void> {
    if (hosts.length === 0) return;
    await tx.sql`delete from apps.certificates where host = any (${hosts as string[]}::text[]) and issued_by <> 'authority'`;
    await tx.sql`delete from apps.acme_requests where host = any (${hosts as string[]}::text[])`;
  },
};

const requestColumns = `host, directory, problem, failures, next_at as "nextAt"`;

export const acmeStore = {
  requests: (tx: Tx, hosts: readonly string[]): Promise<AcmeRequestRow[]> => tx.sql<AcmeRequestRow[]>`
    select ${tx.sql.unsafe(requestColumns)} from apps.acme_requests where host = any (${hosts as string[]}::text[])`,

  async putRequest(tx: Tx, row: AcmeRequestRow): Promise<void> {
    await tx.sql`
      insert into apps.acme_requests (host, directory, problem, failures, next_at)
      values (${row.host}, ${row.directory}, ${row.problem}, ${row.failures}, ${row.nextAt})
      on conflict (host) do update set directory = excluded.directory, problem = excluded.problem, failures = excluded.failures,
        next_at = excluded.next_at`;
  },

  /** A person says that it should work now. */
  async retryNow(tx: Tx, host: string): Promise<void> {
    await tx.sql`update apps.acme_requests set next_at = now() where host = ${host}`;
  },

  async account(tx: Tx, directory: string): Promise<{ email: string; url: string; key: Buffer } | undefined> {
    const [row] = await tx.sql<{ email: string; url: string; key: Buffer }[]>`
      select email, url, key from apps.acme_accounts where directory = ${directory}`;
    return row;
  },

  async putAccount(tx: Tx, directory: string, account: { email: string; url: string; key: Buffer }): Promise<void> {
    await tx.sql`
      insert into apps.acme_accounts (directory, email, url, key) values (${directory}, ${account.email}, ${account.url}, ${account.key})
      on conflict (directory) do update set email = excluded.email, url = excluded.url, key = excluded.key`;
  },

  async putChallenge(tx: Tx, token: string, keyAuthorization: string): Promise<void> {
    await tx.sql`delete from apps.acme_challenges where created_at < now() - interval '1 day'`;
    await tx.sql`insert into apps.acme_challenges (token, key_authorization) values (${token}, ${keyAuthorization})
      on conflict (token) do update set key_authorization = excluded.key_authorization`;
  },

  async challenge(tx: Tx, token: string): Promise<string | undefined> {
    const [row] = await tx.sql<
      { value: string }[]
    >`select key_authorization as value from apps.acme_challenges where token = ${token}`;
    return row?.value;
  },

  async deleteChallenge(tx: Tx, token: string): Promise<void> {
    await tx.sql`delete from apps.acme_challenges where token = ${token}`;
  },
};

export interface MinuteRow {
  appId: string;
  organisationId: string;
  projectId: string;
  at: Date;
  requests: number;
  errors: number;
  sentBytes: number;
  /** By step of durations.ts. */
  durations: number[];
}

export const requestStore = {
  async position(tx: Tx, log: string): Promise<number | undefined> {
    const [row] = await tx.sql<{ position: number }[]>`select position from apps.request_positions where log = ${log} for update`;
    return row?.position;
  },

  async setPosition(tx: Tx, log: string, position: number): Promise<void> {
    await tx.sql`insert into apps.request_positions (log, position, at) values (${log}, ${position}, now())
      on conflict (log) do update set position = excluded.position, at = excluded.at`;
    // Logs that were begun anew since.
    await tx.sql`delete from apps.request_positions where log <> ${log} and at < now() - interval '30 days'`;
  },

  async add(tx: Tx, row: MinuteRow): Promise<void> {
    await tx.sql`
      insert into apps.request_minutes as m (app_id, organisation_id, project_id, at, requests, errors, sent_bytes, durations)
      values (${row.appId}, ${row.organisationId}, ${row.projectId}, ${row.at}, ${row.requests}, ${row.errors}, ${row.sentBytes}, ${row.durations}::integer[])
      on conflict (app_id, at) do update set requests = m.requests + excluded.requests, errors = m.errors + excluded.errors,
        sent_bytes = m.sent_bytes + excluded.sent_bytes,
        durations = array(select coalesce(a, 0) + coalesce(b, 0) from unnest(m.durations, excluded.durations) with ordinality as u(a, b, i) order by i)`;
  },

  /** By step, from its beginning. Steps without requests are not there. */
  sums: (tx: Tx, appId: string, from: Date, to: Date, stepSeconds: number) => tx.sql<
    { slot: number; requests: number; errors: number; sentBytes: number }[]
  >`
    select floor(extract(epoch from at) / ${stepSeconds})::bigint as slot, sum(requests)::bigint as requests, sum(errors)::bigint as errors,
      sum(sent_bytes)::bigint as "sentBytes"
    from apps.request_minutes where app_id = ${appId} and at >= ${from} and at < ${to} group by 1 order by 1`,

  durations: (tx: Tx, appId: string, from: Date, to: Date, stepSeconds: number) => tx.sql<
    { slot: number; step: number; count: number }[]
  >`
    select floor(extract(epoch from m.at) / ${stepSeconds})::bigint as slot, u.i::integer - 1 as step, sum(u.count)::bigint as count
    from apps.request_minutes m, unnest(m.durations) with ordinality as u(count, i)
    where m.app_id = ${appId} and m.at >= ${from} and m.at < ${to} and u.count > 0 group by 1, 2 order by 1, 2`,

  async forgetBefore(tx: Tx, at: Date): Promise<void> {
    await tx.sql`delete from apps.request_minutes where at < ${at}`;
  },
};
