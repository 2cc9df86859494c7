import { isoTime } from "../../../kernel/clock.ts";
import { checkRevision, invalid, nameTaken, there } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { newId } from "../../../kernel/ids.ts";
import { reserveQuota } from "../../../kernel/quota.ts";
import type { Area, RequestContext } from "../../../kernel/service.ts";
import { checkReferences, checkUnused } from "../elements/references.ts";
import { given } from "../given.ts";
import { placeOf, subjectOf, type VoiceParts } from "../parts.ts";
import { openSystem } from "../systems/openSystem.ts";
import { brokenConstraint, systemStore } from "../systems/store.ts";
import type { Trunk, TrunkSettings, trunkRoutes } from "./contract.ts";
import { withTrunkDefaults } from "./defaults.ts";
import { sealTrunkPassword } from "./passwords.ts";
import { type TrunkRow, trunkStore } from "./store.ts";

const view = (row: TrunkRow): Trunk => {
  const isOn = row.settings.enabled;
  return {
    ...row.settings,
    id: row.id,
    phoneSystemId: row.systemId,
    name: row.name,
    hasPassword: row.password !== null,
    state: isOn ? (row.state ?? "unknown") : "disabled",
    ...(isOn && row.stateReason !== null ? { stateReason: row.stateReason } : {}),
    ...(isOn && row.stateAt !== null ? { stateAt: isoTime(row.stateAt) } : {}),
    createdAt: isoTime(row.createdAt),
    revision: row.revision,
  };
};

/** The trunk of a route, its phone system locked. */
async function openTrunk(context: Pick<RequestContext, "tx" | "authorize">, id: string): Promise<TrunkRow> {
  const found = there(await trunkStore.find(context.tx, id), "trunk");
  context.authorize(placeOf(found), "trunk");
  await systemStore.find(context.tx, found.systemId, { lock: true });
  return there(await trunkStore.find(context.tx, id), "trunk");
}

function checkTrunk({ kind, userName }: TrunkSettings): void {
  if (kind === "registration" && userName === null)
    throw invalid("body.userName", "Give the user name that the provider gave you: we register there as that user.");
}

const auditOf = ({ name, settings }: TrunkRow) => ({ name, ...settings });
const auditOfPassword = (password: string | null | undefined) =>
  password === undefined ? {} : { password: password === null ? "removed" : "set" };

type Handlers = Pick<
  Area<typeof trunkRoutes>["handlers"],
  "trunkList" | "trunkCreate" | "trunkGet" | "trunkUpdate" | "trunkDelete"
>;

export function trunkHandlers(parts: Pick<VoiceParts, "secrets">): Handlers {
  const sealed = (id: string, password: string | null | undefined, before: Uint8Array | null): Uint8Array | null =>
    password === undefined ? before : password === null ? null : sealTrunkPassword(parts.secrets, id, password);

  return {
    async trunkList(context, { params, query }) {
      const system = await openSystem(context, params.phoneSystem);
      const [after] = decodeCursor(query.cursor, 1) ?? [];
      const rows = await trunkStore.page(context.tx, system.id, {
        after: after === undefined ? undefined : String(after),
        limit: query.limit + 1,
      });
      return toPage(rows, query.limit, view, ({ name }) => [name]);
    },

    async trunkCreate(context, { params, body }) {
      const system = await openSystem(context, params.phoneSystem, { lock: true });
      const { name, password, ...wanted } = body;
      const settings = withTrunkDefaults(wanted);
      checkTrunk(settings);
      await checkReferences(context.tx, system.id, wanted);
      await reserveQuota(context.tx, system, "voice.trunks", 1);
      const id = newId("trunk");
      const row: TrunkRow = {
        id,
        systemId: system.id,
        organisationId: system.organisationId,
        projectId: system.projectId,
        name,
        settings,
        password: sealed(id, password, null),
        state: null,
        stateReason: null,
        stateAt: null,
        createdAt: new Date(),
        revision: 1,
      };
      if (!(await trunkStore.insert(context.tx, row))) throw nameTaken("trunk", "This phone system", name);
      context.audit({ ...subjectOf("trunk", row, name), after: { ...auditOf(row), ...auditOfPassword(password) } });
      return view(row);
    },

    async trunkGet(context, { params }) {
      const row = there(await trunkStore.find(context.tx, params.trunk), "trunk");
      context.authorize(placeOf(row), "trunk");
      return view(row);
    },

    async trunkUpdate(context, { params, body }) {
      const row = await openTrunk(context, params.trunk);
      checkRevision(context.ifMatch, row, "trunk");
      const { name, password, ...change } = body;
      const settings = { ...row.settings, ...given(change) };
      checkTrunk(settings);
      await checkReferences(context.tx, row.systemId, change);
      const after = await trunkStore
        .update(context.tx, { ...row, name: name ?? row.name, settings, password: sealed(row.id, password, row.password) })
        .catch((error) => {
          throw brokenConstraint(error) === "trunks_name" ? nameTaken("trunk", "This phone system", name ?? row.name) : error;
        });
      context.audit({
        ...subjectOf("trunk", row, row.name),
        before: auditOf(row),
        after: { ...auditOf(after), ...auditOfPassword(password) },
      });
      return view(after);
    },

    async trunkDelete(context, { params }) {
      const row = await openTrunk(context, params.trunk);
      await checkUnused(context.tx, row.systemId, { kind: "trunk", id: row.id, name: row.name });
      await trunkStore.delete(context.tx, row);
      await reserveQuota(context.tx, row, "voice.trunks", -1);
      context.audit({ ...subjectOf("trunk", row, row.name), before: auditOf(row) });
      return undefined;
    },
  };
}
