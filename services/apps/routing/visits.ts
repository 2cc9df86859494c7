/**
 * Visitors of apps that ask for a sign-in. The gateway sends whoever has no visit to `/.khmara/sign-in` of the app's host, which is answered
 * here; from there they go to the console, whose session says who they are, and come back with a code that is good once, in the browser that
 * began. What they get is a JSON Web Token (RFC 7519) in a cookie of that host, which the gateway checks by itself. It is short: with each renewal
 * the session and the rights are looked at again.
 */
import { createHmac, randomBytes } from "node:crypto";
import { visitCookie, visitPath } from "../../../gateway/haproxy/rules.ts";
import { visitPage } from "../../../gateway/pages.ts";
import type { Principal } from "../../../kernel/auth/principal.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, notFound } from "../../../kernel/errors.ts";
import { serializeCookie } from "../../../kernel/http/cookies.ts";
import { hashToken, type Secrets, sameSecret } from "../../../kernel/secrets.ts";
import type { AppsParts, AppView, Area } from "../parts.ts";
import type { GatewayDoor } from "./area.ts";
import type { Audience, routingRoutes } from "./contract.ts";
import { appAt } from "./names.ts";
import { type AccessRow, accessStore, visitStore } from "./store.ts";

/** What the gateway sends here. */
export interface VisitRequest {
  /** With the port, when the client said one. */
  host: string;
  secure: boolean;
  /** Below `/.khmara/`. */
  path: string;
  query: URLSearchParams;
  cookies: Record<string, string>;
  /** Whether a browser opens a page: only that can be led to a sign-in. */
  page: boolean;
}

export interface VisitAnswer {
  status: number;
  headers: Record<string, string | string[]>;
  body?: string;
}

const visitSeconds = 1800;
const stateSeconds = 600;
const codeSeconds = 60;
const productName = "Khmara";

/** Another audience is another key: what was given for the one before is worth nothing at once. */
export const visitKey = (secrets: Secrets, appId: string, audience: Audience): string =>
  secrets.fingerprint("apps.visit", `${appId}/${audience}`);

const stateCookie = (secure: boolean): string => `${visitCookie(secure)}-state`;

interface Walled {
  app: AppView;
  rules: AccessRow & { signIn: Audience };
}

export function createVisits(parts: AppsParts, gateway: GatewayDoor | undefined) {
  const { database, identity, secrets } = parts;

  const find = (host: string): Promise<Walled | undefined> =>
    database.transaction("system", async (tx) => {
      const app = await appAt(parts, tx, host);
      const rules = app && ((await accessStore.find(tx, app.id)) ?? (await accessStore.find(tx, app.parentId ?? "")));
      return app === undefined || rules == null || rules.signIn === null ? undefined : { app, rules: rules as Walled["rules"] };
    });

  /** A token of the gateway's form: HS256. */
  function sign({ app, rules }: Walled, { principal, email }: { principal: Principal; email: string }): string {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const now = Math.floor(Date.now() / 1000);
    const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({
      aud: app.id,
      sub: principal.id,
      sid: principal.sessionId,
      email,
      name: encodeURIComponent(principal.name),
      iat: now,
      exp: now + visitSeconds,
    })}`;
    return `${signed}.${signature(app, rules, signed)}`;
  }

  const signature = (app: AppView, { signIn }: Walled["rules"], signed: string): string =>
    createHmac("sha256", visitKey(secrets, app.id, signIn))
      .update(signed)
      .digest("base64url");

  /** The session that a genuine visit, over or not, came from. */
  function sessionIn({ app, rules }: Walled, token: string | undefined): { sessionId: string; userId: string } | undefined {
    const [head, claims, proof, ...more] = token?.split(".") ?? [];
    if (head === undefined || claims === undefined || proof === undefined || more.length > 0) return undefined;
    if (!sameSecret(proof, signature(app, rules, `${head}.${claims}`))) return undefined;
    const { aud, sid, sub } = JSON.parse(Buffer.from(claims, "base64url").toString()) as Record<string, unknown>;
    return aud === app.id && typeof sid === "string" && typeof sub === "string" ? { sessionId: sid, userId: sub } : undefined;
  }

  async function signIn(walled: Walled, request: VisitRequest): Promise<VisitAnswer> {
    const { secure, cookies } = request;
    const to = pathAt(request.query.get("to"));
    const known = sessionIn(walled, cookies[visitCookie(secure)]);
    const visitor = known && (await identity.sessionOf(known.sessionId));
    // With its method and body (307): a script whose visit was over goes on as if nothing had been.
    if (visitor?.principal.id === known?.userId && visitor !== undefined && isAdmitted(walled, visitor.principal))
      return redirect(307, to, [visitOf(sign(walled, visitor), secure)]);
    if (!request.page) return { status: 401, headers: plain, body: "Sign in to go on: open this site in a browser." };
    // Several tabs may come at once: all of them are this browser.
    const old = cookies[stateCookie(secure)];
    const state = old !== undefined && /^[\w-]{43}$/.test(old) ? old : randomBytes(32).toString("base64url");
    const query = new URLSearchParams({ origin: `${secure ? "https" : "http"}://${request.host}`, state: hashToken(state), to });
    return redirect(302, `${gateway?.consoleUrl}/visit?${query}`, [
      serializeCookie(stateCookie(secure), state, { maxAgeSeconds: stateSeconds, secure }),
    ]);
  }

  async function signedIn(walled: Walled, request: VisitRequest): Promise<VisitAnswer> {
    const { secure, cookies } = request;
    const to = pathAt(request.query.get("to"));
    const state = cookies[stateCookie(secure)];
    const code = await database.transaction("system", (tx) => visitStore.take(tx, hashToken(request.query.get("code") ?? "")));
    const isRight =
      code !== undefined &&
      state !== undefined &&
      code.appId === walled.app.id &&
      code.host === hostnameOf(request.host) &&
      code.stateHash === hashToken(state) &&
      code.expiresAt.getTime() > Date.now();
    const visitor = isRight ? await identity.sessionOf(code.sessionId) : undefined;
    if (visitor === undefined || !isAdmitted(walled, visitor.principal))
      return shown(400, {
        title: "This sign-in is over",
        text: "It was used already, took too long, or was begun in another browser, or this browser takes no cookies.",
        links: [{ label: "Sign in again", to: `${visitPath}sign-in?${new URLSearchParams({ to })}` }],
      });
    return redirect(303, to, [
      visitOf(sign(walled, visitor), secure),
      serializeCookie(stateCookie(secure), "", { maxAgeSeconds: 0, secure }),
    ]);
  }

  const signedOut = ({ secure }: VisitRequest): VisitAnswer => {
    const answer = shown(200, {
      title: "You have left",
      text: "This browser has to sign in again to see this site. Whoever is still signed in to the cloud comes in without a question.",
      links: [
        { label: "Back to the site", to: "/" },
        ...(gateway === undefined
          ? []
          : [{ label: "To the cloud's console, to sign out there", to: `${gateway.consoleUrl}/account/sessions` }]),
      ],
    });
    return {
      ...answer,
      headers: { ...answer.headers, "set-cookie": serializeCookie(visitCookie(secure), "", { maxAgeSeconds: 0, secure }) },
    };
  };

  return {
    /** What is below `/.khmara/` of an app's host. */
    async answer(request: VisitRequest): Promise<VisitAnswer> {
      const walled = await find(hostnameOf(request.host));
      const nothing = { status: 404, headers: plain, body: "There is nothing here." };
      if (walled === undefined || gateway === undefined) return nothing;
      if (request.path === "sign-in") return signIn(walled, request);
      if (request.path === "signed-in") return signedIn(walled, request);
      if (request.path === "sign-out") return signedOut(request);
      return nothing;
    },

    handlers: {
      async appVisitCreate(context, { body }) {
        const { sessionId } = context.principal;
        if (sessionId === undefined)
          throw new CloudError("failed_precondition", "Apps are visited by people in a browser: sign in to the console.", {
            details: { resource: "app", reason: "session_required" },
          });
        const origin = new URL(body.origin);
        const walled = isOurs(origin, gateway) ? await find(origin.hostname) : undefined;
        if (walled === undefined) throw notFound("app");
        const { app } = walled;
        const visitor = await identity.sessionOf(sessionId);
        if (visitor === undefined) throw new CloudError("unauthenticated", "Your session has ended. Sign in again.");
        if (!isAdmitted(walled, visitor.principal))
          throw new CloudError("permission_denied", `${app.name} is not for you. Ask those who run it to let you in.`, {
            details: { resource: "app", reason: "not_admitted" },
          });
        const view = { app: { name: app.name, host: origin.hostname } };
        // Whoever runs it learns their name and e-mail address: of strangers people decide that themselves.
        if (!isMember(app, visitor.principal) && body.confirmed !== true) return view;
        const code = randomBytes(32).toString("base64url");
        await context.transaction((tx: Tx) => {
          context.audit(tx, {
            action: "apps.app.visit",
            organisationId: app.organisationId,
            projectId: app.projectId,
            resource: { kind: "app", id: app.id, name: app.name },
            after: { host: origin.hostname },
          });
          return Promise.resolve();
        });
        await database.transaction("system", (tx) =>
          visitStore.put(tx, {
            codeHash: hashToken(code),
            appId: app.id,
            sessionId,
            stateHash: body.state,
            host: origin.hostname,
            expiresAt: new Date(Date.now() + codeSeconds * 1000),
          }),
        );
        const query = new URLSearchParams({ code, to: pathAt(body.to) });
        return { ...view, url: `${origin.origin}${visitPath}signed-in?${query}` };
      },
    } satisfies Area<Pick<typeof routingRoutes, "appVisitCreate">>["handlers"],
  };
}

export type Visits = ReturnType<typeof createVisits>;

const plain = { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" };

const redirect = (status: number, location: string, cookies: string[]): VisitAnswer => ({
  status,
  headers: { location, "cache-control": "no-store", "set-cookie": cookies },
});

const shown = (status: number, page: { title: string; text: string; links: { label: string; to: string }[] }): VisitAnswer => ({
  status,
  headers: {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
  },
  body: visitPage({ ...page, productName }),
});

const visitOf = (token: string, secure: boolean): string =>
  // It outlives its end, as who renews it has to show it.
  serializeCookie(visitCookie(secure), token, { maxAgeSeconds: 7 * 86_400, secure });

const hostnameOf = (host: string): string => host.replace(/:\d*$/, "").replace(/\.$/, "").toLowerCase();

/** A path of the same host: two slashes, and a backslash in browsers' eyes, begin another host. */
export const pathAt = (to: string | null): string =>
  to !== null && to.length <= 2048 && /^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/.test(to) && !to.startsWith(visitPath) ? to : "/";

/** Only where the gateway itself listens: on another port of the same name somebody else may. */
function isOurs(origin: URL, gateway: GatewayDoor | undefined): boolean {
  if (gateway === undefined || origin.username !== "" || origin.pathname !== "/" || origin.search !== "" || origin.hash !== "")
    return false;
  if (origin.protocol === "https:") return gateway.httpsPort !== undefined && Number(origin.port || 443) === gateway.httpsPort;
  return Number(origin.port || 80) === gateway.httpPort;
}

const isMember = ({ organisationId }: AppView, { bindings }: Principal): boolean =>
  bindings.some(
    (at) => at.suspendedReason === undefined && (at.organisationId === undefined || at.organisationId === organisationId),
  );

/** Whoever administers the cloud may see everything in it. */
export function isAdmitted({ app, rules }: Pick<Walled, "app" | "rules">, principal: Principal): boolean {
  if (principal.kind !== "user") return false;
  const live = principal.bindings.filter(({ suspendedReason }) => suspendedReason === undefined);
  if (live.some(({ organisationId }) => organisationId === undefined)) return true;
  const inside = live.filter(({ organisationId }) => organisationId === app.organisationId);
  switch (rules.signIn) {
    case "cloud":
      return true;
    case "organisation":
      return inside.length > 0;
    case "project":
      return inside.some(({ projectId }) => projectId === undefined || projectId === app.projectId);
    case "chosen":
      return inside.length > 0 && rules.signInUsers.includes(principal.id);
  }
}
