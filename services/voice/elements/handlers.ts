import type { Tx } from "../../../kernel/db/database.ts";
import { checkRevision, invalid, there } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { newId } from "../../../kernel/ids.ts";
import { reserveQuota } from "../../../kernel/quota.ts";
import type { RequestContext } from "../../../kernel/service.ts";
import { deleteAudio } from "../audio/store.ts";
import { systemOf } from "../extensions/store.ts";
import { placeOf, subjectOf, type VoiceParts } from "../parts.ts";
import { openSystem } from "../systems/openSystem.ts";
import { raisePlanVersion, systemStore } from "../systems/store.ts";
import { type ElementKind, elementKinds } from "./contract.ts";
import { openPins, type Pins, sealPins } from "./pins.ts";
import { checkNumbersFree, checkReferences, checkUnused } from "./references.ts";
import { agentStore } from "./store/agents.ts";
import { elementStore } from "./store/elements.ts";
import type { ElementRow } from "./store/rows.ts";
import { viewElement } from "./views.ts";

type Settings = Record<string, unknown>;
interface Given {
  params: Record<string, string>;
  query: { cursor?: string; limit: number; search?: string };
  body: Settings & { name?: string; number?: string | null };
}
type ElementHandler = (context: RequestContext, given: Given) => Promise<unknown>;

/** Of its kind, locked when it is to be changed. */
export async function openElement(
  context: Pick<RequestContext, "tx" | "authorize">,
  kind: ElementKind,
  id: string,
  options: { lock?: boolean } = {},
): Promise<ElementRow> {
  const row = await elementStore.find(context.tx, id, options);
  const found = there(row?.kind === kind ? row : undefined, kind);
  context.authorize(placeOf(found), kind);
  return found;
}

/** PINs apart from what everybody may read; null takes away. */
function split(kind: ElementKind, given: Settings): { settings: Settings; pins: Record<string, string | null> } {
  if (kind !== "conferenceRoom") return { settings: given, pins: {} };
  const { pin, moderatorPin, ...settings } = given as Record<string, string | null>;
  return { settings, pins: { ...(pin === undefined ? {} : { pin }), ...(moderatorPin === undefined ? {} : { moderatorPin }) } };
}

const merged = <T extends object>(before: T, change: Settings): T =>
  Object.fromEntries(Object.entries({ ...before, ...change }).filter(([, value]) => value !== null && value !== undefined)) as T;

/** The numbers that it takes: its own, and the places of a parking lot. */
function numbersOf(row: Pick<ElementRow, "kind" | "number" | "settings">): string[] {
  const own = row.number === null ? [] : [row.number];
  if (row.kind !== "parkingLot") return own;
  const { firstSlot, slots } = row.settings as { firstSlot: string; slots: number };
  const places = Array.from({ length: slots }, (_, index) => String(Number(firstSlot) + index).padStart(firstSlot.length, "0"));
  if (places.some((place) => place.length > firstSlot.length))
    throw invalid("body.slots", `After ${firstSlot} there are not ${slots} numbers of ${firstSlot.length} digits.`);
  if (own.some((number) => places.includes(number)))
    throw invalid("body.number", "The lot's own number is one of its places. Give it another one.");
  return [...own, ...places];
}

function checkSettings(settings: Settings): void {
  const { timeZone, callbackDigit, agents, members } = settings as {
    timeZone?: string;
    callbackDigit?: string;
    agents?: { extension: string }[];
    members?: unknown[];
  };
  if (timeZone !== undefined && !isTimeZone(timeZone))
    throw invalid("body.timeZone", `There is no time zone ${timeZone}. Use one of the tz database: Europe/Kyiv.`);
  if (agents && new Set(agents.map(({ extension }) => extension)).size < agents.length)
    throw invalid("body.agents", "An extension is an agent twice. Take one of them out.");
  if (
    members &&
    new Set(members.map((member) => JSON.stringify((member as { target?: unknown }).target ?? member))).size < members.length
  )
    throw invalid("body.members", "Somebody is a member twice. Take one of them out.");
  if (callbackDigit !== undefined && settings["announcePosition"] === false)
    throw invalid("body.callbackDigit", "The callback is offered with the position: announce that too.");
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** What calls for help goes before everything, and codes before elements; but the code for parking may be that of a lot. */
async function checkReserved(tx: Tx, row: ElementRow, numbers: readonly string[]): Promise<void> {
  const { emergency, featureCodes } = there(await systemStore.find(tx, row.systemId), "phoneSystem").settings;
  const help = numbers.find((number) => emergency.numbers.includes(number));
  if (help !== undefined) throw invalid("body.number", `${help} calls for help here, whoever dials it. Choose another number.`);
  const codes = Object.entries(featureCodes).filter(([name]) => name !== "park" || row.kind !== "parkingLot");
  const code = numbers.find((number) => codes.some(([, dialled]) => dialled === number));
  if (code !== undefined) throw invalid("body.number", `${code} is a feature code. Choose another number.`);
}

async function checkElement(tx: Tx, row: ElementRow, before?: ElementRow): Promise<void> {
  checkSettings(row.settings);
  const { audio: _, ...settings } = row.settings;
  await checkReferences(tx, row.systemId, settings);
  const had = before ? numbersOf(before) : [];
  const taken = numbersOf(row).filter((number) => !had.includes(number));
  if (taken.length > 0) await checkReserved(tx, row, taken);
  await checkNumbersFree(tx, row.systemId, taken, row.id);
}

/** The five routes of one kind. */
export function elementHandlers(parts: VoiceParts, kind: ElementKind): Record<string, ElementHandler> {
  const { update, fields } = elementKinds[kind];
  const names = [...Object.keys(fields.shape)];

  /** PINs are for those who may change them. */
  const view = (context: RequestContext, row: ElementRow): Record<string, unknown> =>
    viewElement(row, context.allows(update.permission, update.roles, placeOf(row)) ? openPins(parts.secrets, row) : {});
  const audited = (row: ElementRow): Settings => ({ name: row.name, number: row.number ?? undefined, ...row.settings });
  const given = (body: Settings): Settings =>
    Object.fromEntries(names.filter((name) => body[name] !== undefined).map((name) => [name, body[name]]));

  return {
    async [`${kind}List`](context, { params, query }) {
      const system = await openSystem(context, params["phoneSystem"] as string);
      const [name, id] = decodeCursor(query.cursor, 2) ?? [];
      const rows = await elementStore.page(context.tx, {
        systemId: system.id,
        kind,
        search: query.search,
        after: id === undefined ? undefined : { name: String(name), id: String(id) },
        limit: query.limit + 1,
      });
      return toPage(
        rows,
        query.limit,
        (row) => view(context, row),
        (row) => [row.name, row.id],
      );
    },

    async [`${kind}Create`](context, { params, body }) {
      const system = await openSystem(context, params["phoneSystem"] as string);
      await reserveQuota(context.tx, system, "voice.elements", 1);
      const id = newId(kind);
      const { settings, pins } = split(kind, given(body));
      const row: ElementRow = {
        id,
        organisationId: system.organisationId,
        projectId: system.projectId,
        systemId: system.id,
        kind,
        name: body.name as string,
        number: body.number ?? null,
        settings: merged({}, settings),
        sealed: sealPins(parts.secrets, id, merged({}, pins)),
        createdAt: new Date(),
        revision: 1,
      };
      await checkElement(context.tx, row);
      await elementStore.insert(context.tx, row);
      await raisePlanVersion(context.tx, system);
      context.audit({ ...subjectOf(kind, row, row.name), after: audited(row) });
      return view(context, row);
    },

    async [`${kind}Get`](context, { params }) {
      return view(context, await openElement(context, kind, params[kind] as string));
    },

    async [`${kind}Update`](context, { params, body }) {
      const row = await openElement(context, kind, params[kind] as string, { lock: true });
      checkRevision(context.ifMatch, row, elementKinds[kind].noun);
      const { settings, pins } = split(kind, given(body));
      const before: Pins = openPins(parts.secrets, row);
      const after: ElementRow = {
        ...row,
        name: body.name ?? row.name,
        number: body.number === undefined ? row.number : body.number,
        settings: merged(row.settings, settings),
        sealed: Object.keys(pins).length === 0 ? row.sealed : sealPins(parts.secrets, row.id, merged(before, pins)),
      };
      await checkElement(context.tx, after, row);
      const changed = await elementStore.update(context.tx, after);
      if (kind === "callQueue") {
        const { agents } = changed.settings as { agents: { extension: string }[] };
        await agentStore.forget(
          context.tx,
          row.id,
          agents.map(({ extension }) => extension),
        );
      }
      await raisePlanVersion(context.tx, systemOf(row));
      context.audit({ ...subjectOf(kind, row, row.name), before: audited(row), after: audited(changed) });
      return view(context, changed);
    },

    async [`${kind}Delete`](context, { params }) {
      const row = await openElement(context, kind, params[kind] as string, { lock: true });
      await checkUnused(context.tx, row.systemId, row);
      const { audio } = row.settings as { audio?: { id: string } };
      if (audio) await deleteAudio(context.tx, audio.id);
      await elementStore.delete(context.tx, row);
      await reserveQuota(context.tx, row, "voice.elements", -1);
      await raisePlanVersion(context.tx, systemOf(row));
      context.audit({ ...subjectOf(kind, row, row.name), before: audited(row) });
      return undefined;
    },
  };
}
