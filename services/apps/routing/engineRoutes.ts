import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, checkRevision, invalid } from "../../../kernel/errors.ts";
import type { EngineInfo } from "../driver.ts";
import type { AppsParts, Area } from "../parts.ts";
import type { Applying } from "./applying.ts";
import type { Available, GatewayDoor } from "./area.ts";
import { routingRoutes } from "./contract.ts";
import { isBelow } from "./names.ts";
import { type SettingsRow, settingsStore } from "./store.ts";

type Routes = Pick<typeof routingRoutes, "appEngineGet" | "appEngineUpdate">;

/** Somebody waits for the page: an engine that does not answer by then is called unreachable. */
const answerMs = 5000;
const resource = { kind: "app_engine", id: "apps", name: "apps" };

export function engineHandlers(
  parts: AppsParts,
  gateway: Available<GatewayDoor>,
  { soon, problem }: Pick<Applying, "soon" | "problem">,
): Area<Routes>["handlers"] {
  async function view({ appsDomain, acmeDirectory, acmeEmail, trustDomains, revision }: SettingsRow, administers: boolean) {
    return {
      ...(await engineState(parts)),
      gateway: gatewayState(gateway, problem()),
      appsDomain,
      trustDomains,
      ...(!administers || acmeDirectory === null || acmeEmail === null
        ? {}
        : { acme: { directory: acmeDirectory, email: acmeEmail } }),
      revision,
    };
  }

  return {
    async appEngineGet(context) {
      const administers = context.allows(routingRoutes.appEngineUpdate.permission, routingRoutes.appEngineUpdate.roles, {});
      return view(await context.transaction((tx) => settingsStore.get(tx)), administers);
    },

    async appEngineUpdate(context, { body }) {
      context.authorize({}, "app_engine");
      const after = await context.transaction(async (tx: Tx) => {
        const before = await settingsStore.get(tx, { lock: true });
        checkRevision(context.ifMatch, before, "app_engine");
        if (body.appsDomain !== undefined) checkDomain(body.appsDomain, "driver" in gateway ? gateway.driver.reservedHosts : []);
        const after: SettingsRow = {
          appsDomain: body.appsDomain ?? before.appsDomain,
          acmeDirectory: body.acme === undefined ? before.acmeDirectory : (body.acme?.directory ?? null),
          acmeEmail: body.acme === undefined ? before.acmeEmail : (body.acme?.email ?? null),
          trustDomains: body.trustDomains ?? before.trustDomains,
          revision: before.revision + 1,
        };
        await settingsStore.update(tx, after);
        context.audit(tx, { resource, before: termsOf(before), after: termsOf(after) });
        tx.afterCommit(soon);
        return after;
      });
      return view(after, true);
    },
  };
}

function checkDomain(domain: string, reserved: readonly string[]): void {
  if (domain.startsWith("*.")) throw invalid("body.appsDomain", "Give the domain itself, without *.");
  const own = domain === "localhost" ? undefined : reserved.find((host) => isBelow(host, domain));
  // Whoever serves something there may set cookies that browsers send to this cloud too.
  if (own !== undefined)
    throw invalid(
      "body.appsDomain",
      `This cloud is at ${own}, and apps below ${domain} could do things in its name. Give a domain of their own.`,
    );
}

const termsOf = ({ appsDomain, acmeDirectory, acmeEmail, trustDomains }: SettingsRow) => ({
  appsDomain,
  acmeDirectory,
  acmeEmail,
  trustDomains,
});

async function engineState(
  parts: AppsParts,
): Promise<{ missing: string } | Pick<EngineInfo, "version" | "cpus" | "memoryBytes" | "userNamespaces">> {
  try {
    const { version, cpus, memoryBytes, userNamespaces } = await parts.engine().info({ signal: AbortSignal.timeout(answerMs) });
    return { version, cpus, memoryBytes, userNamespaces };
  } catch (error) {
    if (!CloudError.is(error)) throw error;
    return { missing: error.code === "cancelled" ? "The engine does not answer." : error.message };
  }
}

function gatewayState(gateway: Available<GatewayDoor>, problem: string | undefined) {
  if ("missing" in gateway) return { missing: gateway.missing };
  const { httpPort, httpsPort } = gateway.driver;
  return { ...(problem === undefined ? {} : { missing: problem }), httpPort, ...(httpsPort === undefined ? {} : { httpsPort }) };
}
