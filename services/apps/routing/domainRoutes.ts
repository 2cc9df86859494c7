import { X509Certificate } from "node:crypto";
import { isoTime } from "../../../kernel/clock.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, invalid, notFound } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { newId } from "../../../kernel/ids.ts";
import { type AppsParts, type AppView, type Area, placeOf } from "../parts.ts";
import { openApp } from "../subjects.ts";
import { isProvable } from "./acme/issuing.ts";
import type { Applying } from "./applying.ts";
import type { GatewayDoor } from "./area.ts";
import type { Domain, routingRoutes } from "./contract.ts";
import { isBelow } from "./names.ts";
import { challengeOf, type Proof } from "./proof.ts";
import {
  type AcmeRequestRow,
  acmeStore,
  type CertificateRow,
  certificateStore,
  type DomainRow,
  domainStore,
  type SettingsRow,
  settingsStore,
} from "./store.ts";
import { announce } from "./subjects.ts";

type Routes = Pick<typeof routingRoutes, "domainList" | "domainAdd" | "domainCheck" | "domainDelete">;

export const mostDomains = 100;

export function domainHandlers(
  parts: AppsParts,
  gateway: GatewayDoor | undefined,
  { soon }: Pick<Applying, "soon">,
  proof: Proof,
): Area<Routes>["handlers"] {
  const needApp = async (tx: Tx, domain: DomainRow): Promise<AppView> => {
    const app = await parts.deploying.find(tx, domain.appId);
    if (app === undefined) throw notFound("domain");
    return app;
  };

  return {
    async domainList(context, { params, query }) {
      const { tx } = context;
      await openApp(parts, context, tx, params.app);
      const [after] = decodeCursor(query.cursor, 1) ?? [];
      const filter = { appId: params.app, limit: query.limit + 1, after: after === undefined ? undefined : String(after) };
      const rows = await domainStore.page(tx, filter);
      const view = await viewerOf(parts, tx, rows);
      return toPage(rows, query.limit, view, ({ id }) => [id]);
    },

    async domainAdd(context, { params, body }) {
      const { tx } = context;
      const app = await openApp(parts, context, tx, params.app, { lock: true });
      parts.deploying.checkAction(app, "configure");
      if (app.parentId !== undefined)
        throw new CloudError("failed_precondition", "A preview has no domains of its own. Add the domain to the app itself.", {
          details: { reason: "is_preview" },
        });
      const { host, redirectTo } = body;
      const settings = await settingsStore.get(tx);
      checkName(host, settings, gateway?.reservedHosts ?? []);
      const others = await domainStore.of(tx, [app.id]);
      if (others.length >= mostDomains)
        throw refused("too_many_domains", `An app has at most ${mostDomains} domains. Remove one first.`);
      if (redirectTo !== undefined) {
        const target = others.find((each) => each.host === redirectTo);
        if (target === undefined || target.redirectTo !== null || redirectTo.startsWith("*."))
          throw invalid("body.redirectTo", "Give another domain of this app, one that the app itself answers at.");
      }
      const row: DomainRow = {
        id: newId("domain"),
        organisationId: app.organisationId,
        projectId: app.projectId,
        appId: app.id,
        host,
        redirectTo: redirectTo ?? null,
        problem: null,
        checkedAt: null,
        provenAt: settings.trustDomains ? new Date() : null,
        createdAt: new Date(),
      };
      // Whose it is is nobody's business.
      if (!(await domainStore.insert(tx, row)))
        throw new CloudError("already_exists", `The domain ${host} is in use already. Remove it there first.`, {
          details: {
            resource: "domain",
            reason: "domain_taken",
            fields: [{ path: "body.host", message: "It is in use already." }],
          },
        });
      await announce(tx, app);
      context.audit({
        organisationId: app.organisationId,
        projectId: app.projectId,
        resource: { kind: "domain", id: row.id, name: host },
        after: { app: app.id, host, ...(redirectTo === undefined ? {} : { redirectTo }) },
      });
      tx.afterCommit(soon);
      return (await viewerOf(parts, tx, [row]))(row);
    },

    async domainCheck(context, { params }) {
      const domain = await context.transaction(async (tx) => {
        const domain = await domainStore.find(tx, params.domain);
        if (domain === undefined) throw notFound("domain");
        context.authorize(placeOf(domain), "domain");
        return domain;
      });
      const finding = await proof.look(domain);
      return context.transaction(async (tx) => {
        const now = await domainStore.find(tx, params.domain);
        if (now === undefined) throw notFound("domain");
        const app = await needApp(tx, now);
        const row = await proof.note(tx, now, finding);
        await announce(tx, app);
        context.audit(tx, {
          organisationId: now.organisationId,
          projectId: now.projectId,
          resource: { kind: "domain", id: now.id, name: now.host },
          after: { ready: row.problem === null, proven: row.provenAt !== null },
        });
        return (await viewerOf(parts, tx, [row]))(row);
      });
    },

    async domainDelete(context, { params }) {
      const { tx } = context;
      const row = await domainStore.find(tx, params.domain);
      if (row === undefined) throw notFound("domain");
      context.authorize(placeOf(row), "domain");
      const app = await parts.deploying.find(tx, row.appId, { lock: true });
      if (app === undefined) throw notFound("domain");
      const leading = (await domainStore.of(tx, [row.appId])).find(({ redirectTo }) => redirectTo === row.host);
      if (leading !== undefined)
        throw refused("domain_in_use", `Requests to ${leading.host} are sent to ${row.host}. Remove ${leading.host} first.`);
      await domainStore.delete(tx, row);
      await announce(tx, app);
      context.audit({
        organisationId: row.organisationId,
        projectId: row.projectId,
        resource: { kind: "domain", id: row.id, name: row.host },
        before: { app: row.appId, host: row.host, ...(row.redirectTo === null ? {} : { redirectTo: row.redirectTo }) },
      });
      tx.afterCommit(soon);
      return undefined;
    },
  };
}

const refused = (reason: string, message: string): CloudError =>
  new CloudError("failed_precondition", message, { details: { resource: "domain", reason } });

function checkName(host: string, { appsDomain }: SettingsRow, reserved: readonly string[]): void {
  if (host.startsWith("*.") && host.split(".").length < 3)
    throw invalid("body.host", "Give a wildcard below a domain of yours, such as *.example.com.");
  if (isBelow(host, appsDomain))
    throw invalid("body.host", `Names below ${appsDomain} are given by this cloud. Give a domain of your own.`);
  if (reserved.some((name) => host === name || (host.startsWith("*.") && isBelow(name, host.slice(2)))))
    throw invalid("body.host", "This cloud itself is at that name. Give another one.");
}

async function viewerOf(
  { secrets }: Pick<AppsParts, "secrets">,
  tx: Tx,
  rows: readonly DomainRow[],
): Promise<(row: DomainRow) => Domain> {
  const hosts = rows.map(({ host }) => host);
  const settings = await settingsStore.get(tx);
  const certificates = Map.groupBy(await certificateStore.of(tx, hosts), ({ host }) => host);
  const requests = new Map((await acmeStore.requests(tx, hosts)).map((row) => [row.host, row]));
  return (row) => ({
    id: row.id,
    appId: row.appId,
    host: row.host,
    ...(row.redirectTo === null ? {} : { redirectTo: row.redirectTo }),
    active: row.provenAt !== null,
    ...(row.provenAt === null ? { challenge: challengeOf(secrets, row) } : {}),
    ...(row.problem === null ? {} : { problem: row.problem }),
    // Of one that is not theirs yet somebody else may have a certificate.
    certificate:
      row.provenAt === null
        ? { state: "waiting" as const }
        : viewCertificate(row.host, settings, certificates.get(row.host) ?? [], requests.get(row.host)),
    ...(row.checkedAt === null ? {} : { checkedAt: isoTime(row.checkedAt) }),
    createdAt: isoTime(row.createdAt),
  });
}

function viewCertificate(
  host: string,
  { acmeDirectory }: SettingsRow,
  rows: readonly CertificateRow[],
  request: AcmeRequestRow | undefined,
): Domain["certificate"] {
  const problem = acmeDirectory === null || request?.directory !== acmeDirectory ? null : request.problem;
  const more = problem === null ? {} : { problem };
  const issued = rows.find(({ issuedBy, expiresAt }) => issuedBy === "acme" && expiresAt.getTime() > Date.now());
  if (issued !== undefined) {
    const issuer = new X509Certificate(issued.certificate).issuer;
    const name = /^CN=(.+)$/m.exec(issuer)?.[1] ?? /^O=(.+)$/m.exec(issuer)?.[1] ?? issuer;
    return { state: "issued", issuer: name, expiresAt: isoTime(issued.expiresAt), ...more };
  }
  if (acmeDirectory !== null && isProvable(host)) return { state: problem === null ? "waiting" : "failed", ...more };
  const internal = rows.find(({ issuedBy }) => issuedBy === "internal");
  return {
    state: "internal",
    issuer: "Khmara",
    ...(internal === undefined ? {} : { expiresAt: isoTime(internal.expiresAt) }),
    ...(acmeDirectory === null
      ? {}
      : { problem: "A wildcard cannot be proven over HTTP; add the names themselves, one by one." }),
  };
}
