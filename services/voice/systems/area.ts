import { isIP } from "node:net";
import { isSupportedCountry } from "libphonenumber-js/max";
import { isoTime } from "../../../kernel/clock.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, checkRevision, invalid, notFound, there } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { newId } from "../../../kernel/ids.ts";
import { reserveQuota } from "../../../kernel/quota.ts";
import type { RequestContext } from "../../../kernel/service.ts";
import { checkNumbersFree, checkReferences } from "../elements/references.ts";
import { type Area, actorIn, subjectOf, type VoiceParts } from "../parts.ts";
import type { PhoneCredit, PhoneSystem, PhoneSystemSettings, systemRoutes } from "./contract.ts";
import { changedSettings, type SettingsChange, withSystemDefaults } from "./defaults.ts";
import { openSystem } from "./openSystem.ts";
import { removeSystem } from "./removing.ts";
import { brokenConstraint, type CreditRow, creditStore, type SystemRow, systemStore } from "./store.ts";

export const viewSystem = (row: SystemRow): PhoneSystem => ({
  ...row.settings,
  id: row.id,
  projectId: row.projectId,
  name: row.name,
  domain: row.domain,
  balance: row.balance,
  planVersion: row.planVersion,
  createdAt: isoTime(row.createdAt),
  revision: row.revision,
});

const viewCredit = (row: CreditRow): PhoneCredit => ({
  id: row.id,
  kind: row.kind,
  amount: row.amount,
  balance: row.balance,
  ...(row.note === null ? {} : { note: row.note }),
  ...(row.callId === null ? {} : { callId: row.callId }),
  ...(row.by === null ? {} : { by: row.by }),
  at: isoTime(row.at),
});

const isTimeZone = (name: string): boolean => {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
};

function checkSettings({ country, timeZone, limits, featureCodes }: PhoneSystemSettings): void {
  if (!isSupportedCountry(country))
    throw invalid("body.country", `There are no dial rules of a country ${country}. Give its two letters: UA.`);
  if (!isTimeZone(timeZone)) throw invalid("body.timeZone", `There is no time zone ${timeZone}. Give one such as Europe/Kyiv.`);
  for (const each of limits.allowedCountries ?? [])
    if (!isSupportedCountry(each))
      throw invalid("body.limits.allowedCountries", `There is no country ${each} that could be called.`);
  const used = new Map<string, string>();
  for (const [name, code] of Object.entries(featureCodes)) {
    if (code === null) continue;
    const other = used.get(code);
    if (other !== undefined)
      throw invalid(`body.featureCodes.${name}`, `The code ${code} is that of ${other} already. Choose another one.`);
    used.set(code, name);
  }
}

/** What the phone system itself takes of the numbers that can be dialled. */
const dialledWords = ({ emergency, featureCodes }: PhoneSystemSettings): string[] => [
  ...emergency.numbers,
  ...Object.values(featureCodes).filter((code) => code !== null),
];

/** Where the cloud has a name, below it; phones are told the server apart from the domain, which need not be in the DNS. */
async function freeDomain(tx: Tx, slug: string, publicUrl: string): Promise<string> {
  const host = new URL(publicUrl).hostname;
  const parent = host.includes(".") && isIP(host) === 0 ? host : "phone.internal";
  const wanted = `${slug}.${parent}`;
  const taken = new Set(await systemStore.domainsLike(tx, wanted));
  for (let number = 1; ; number++) {
    const domain = number === 1 ? wanted : `${slug}-${number}.${parent}`;
    if (!taken.has(domain)) return domain;
  }
}

const alreadyThere = (error: unknown, row: { domain: string }): never => {
  const constraint = brokenConstraint(error);
  if (constraint === "systems_project")
    throw new CloudError(
      "already_exists",
      "This project has a phone system already. Change that one, or make a project for another.",
      {
        details: { resource: "phoneSystem", reason: "one_per_project" },
      },
    );
  if (constraint === "systems_domain")
    throw new CloudError("already_exists", `The domain ${row.domain} is that of another phone system. Choose another one.`, {
      details: {
        resource: "phoneSystem",
        reason: "domain_taken",
        fields: [{ path: "body.domain", message: "This domain is taken." }],
      },
    });
  throw error;
};

export function createSystemArea(parts: VoiceParts): Area<typeof systemRoutes> {
  async function openProject(context: RequestContext, id: string) {
    const place = await parts.identity.projectPlace(context.tx, id);
    if (!place) throw notFound("project");
    context.authorize(place, "project");
    return place;
  }

  async function checkMailAccount(tx: Tx, projectId: string, id: string | null | undefined): Promise<void> {
    if (id && (await parts.mail.hold(tx, projectId, id)) === undefined)
      throw invalid("body.mailAccountId", "The project has no such mail account. Choose one that it has.");
  }

  return {
    metrics: async () => [
      {
        name: "khmara_phone_systems",
        help: "Phone systems.",
        value: await parts.database.transaction("system", (tx) => systemStore.count(tx)),
      },
    ],
    handlers: {
      async phoneSystemList(context, { query }) {
        const place = await openProject(context, query.project);
        const row = await systemStore.ofProject(context.tx, place.projectId);
        return { items: row === undefined ? [] : [viewSystem(row)] };
      },

      async phoneSystemCreate(context, { body }) {
        const { project, name, domain: wanted, ...given } = body;
        const { organisationId, projectId, slug } = await openProject(context, project);
        const settings = withSystemDefaults(given as SettingsChange & { country: string });
        checkSettings(settings);
        if (settings.musicOnHold !== null || settings.defaultNumber !== null || settings.emergency.alertExtension !== null)
          throw invalid(
            "body",
            "Music, default number and the extension for alarms are of the phone system: set them once it is there.",
          );
        await checkMailAccount(context.tx, projectId, settings.mailAccountId);
        await reserveQuota(context.tx, { organisationId, projectId }, "voice.systems", 1);
        const row = {
          id: newId("phoneSystem"),
          organisationId: organisationId as SystemRow["organisationId"],
          projectId: projectId as SystemRow["projectId"],
          name,
          domain: wanted ?? (await freeDomain(context.tx, slug, parts.publicUrl)),
          settings,
          createdAt: new Date(),
        };
        await systemStore.insert(context.tx, row).catch((error) => alreadyThere(error, row));
        context.audit({ ...subjectOf("phoneSystem", row, name), after: { name, domain: row.domain, ...settings } });
        return viewSystem(there(await systemStore.find(context.tx, row.id), "phoneSystem"));
      },

      async phoneSystemGet(context, { params }) {
        return viewSystem(await openSystem(context, params.phoneSystem));
      },

      async phoneSystemUpdate(context, { params, body }) {
        const row = await openSystem(context, params.phoneSystem, { lock: true });
        checkRevision(context.ifMatch, row, "phoneSystem");
        const { name, domain, ...given } = body;
        const settings = changedSettings(row.settings, given as SettingsChange);
        checkSettings(settings);
        const { mailAccountId, ...ours } = given;
        await checkReferences(context.tx, row.id, ours);
        if (mailAccountId !== row.settings.mailAccountId) await checkMailAccount(context.tx, row.projectId, mailAccountId);
        const before = new Set(dialledWords(row.settings));
        await checkNumbersFree(
          context.tx,
          row.id,
          dialledWords(settings).filter((word) => !before.has(word)),
        );
        const after = { ...row, name: name ?? row.name, domain: domain ?? row.domain, settings };
        await systemStore.update(context.tx, after).catch((error) => alreadyThere(error, after));
        context.audit({
          ...subjectOf("phoneSystem", row, row.name),
          before: { name: row.name, domain: row.domain, ...row.settings },
          after: { name: after.name, domain: after.domain, ...settings },
        });
        return viewSystem(there(await systemStore.find(context.tx, row.id), "phoneSystem"));
      },

      async phoneSystemDelete(context, { params, query }) {
        const row = await openSystem(context, params.phoneSystem, { lock: true });
        if (query.confirm !== row.name)
          throw invalid(
            "query.confirm",
            `Type the name of the phone system, ${row.name}, to confirm that extensions, voicemails, recordings and call history go for good.`,
          );
        await removeSystem(context.tx, row);
        context.audit({ ...subjectOf("phoneSystem", row, row.name), before: { name: row.name, domain: row.domain } });
        return undefined;
      },

      async phoneCreditList(context, { params, query }) {
        const row = await openSystem(context, params.phoneSystem);
        const [below] = decodeCursor(query.cursor, 1) ?? [];
        const rows = await creditStore.page(context.tx, row.id, below === undefined ? undefined : String(below), query.limit + 1);
        return toPage(rows, query.limit, viewCredit, ({ id }) => [id]);
      },

      async phoneCreditCreate(context, { params, body }) {
        const row = await openSystem(context, params.phoneSystem, { lock: true });
        if (body.kind === "top_up" && !/^\d*\.?\d*[1-9]/.test(body.amount))
          throw invalid("body.amount", "A top-up adds something. To take from the balance make a correction.");
        const credit = there(await creditStore.add(context.tx, row, { ...body, by: actorIn(context) }), "phoneSystem");
        context.audit({
          ...subjectOf("phoneSystem", row, row.name),
          after: { kind: body.kind, amount: body.amount, note: body.note },
        });
        return viewCredit(credit);
      },
    },
  };
}
