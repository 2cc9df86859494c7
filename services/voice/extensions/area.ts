import { checkRevision, there } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { reserveQuota } from "../../../kernel/quota.ts";
import { deleteAudioOf } from "../audio/store.ts";
import { checkUnused } from "../elements/references.ts";
import { type Area, placeOf, subjectOf, type VoiceParts } from "../parts.ts";
import { openSystem } from "../systems/openSystem.ts";
import { auditOfPins, changeExtension, checkNumber, checkPerson, insertExtension, openExtension } from "./changing.ts";
import type { extensionRoutes } from "./contract.ts";
import { deviceHandlers } from "./devices.ts";
import { importExtensions } from "./importing.ts";
import { ownHandlers } from "./own.ts";
import { credentialStore, type ExtensionRow, extensionStore } from "./store.ts";
import { accountOf, viewDevice, viewExtension } from "./views.ts";

const auditOf = ({ number, name, userId, settings }: ExtensionRow) => ({ number, name, userId, ...settings });

export function createExtensionArea(parts: VoiceParts): Area<typeof extensionRoutes> {
  return {
    workers: [
      {
        name: "voice.softphone_credentials",
        everySeconds: 600,
        run: () => parts.database.transaction("system", (tx) => credentialStore.forgetOver(tx)),
      },
    ],
    handlers: {
      ...deviceHandlers(parts),
      ...ownHandlers(parts),

      async extensionList(context, { params, query }) {
        const system = await openSystem(context, params.phoneSystem);
        const [after] = decodeCursor(query.cursor, 1) ?? [];
        const rows = await extensionStore.page(context.tx, {
          systemId: system.id,
          search: query.search,
          after: after === undefined ? undefined : String(after),
          limit: query.limit + 1,
        });
        return toPage(rows, query.limit, viewExtension, ({ number }) => [number]);
      },

      async extensionCreate(context, { params, body }) {
        const system = await openSystem(context, params.phoneSystem, { lock: true });
        const row = await insertExtension(parts, context.tx, system, body);
        context.audit({ ...subjectOf("extension", row, row.number), after: { ...auditOf(row), ...auditOfPins(body) } });
        return viewExtension(row);
      },

      async extensionImport(context, { params, body }) {
        const system = await openSystem(context, params.phoneSystem, { lock: true });
        const imported = await importExtensions(parts, context.tx, system, body.csv);
        for (const { extension } of imported)
          context.audit({ ...subjectOf("extension", extension, extension.number), after: auditOf(extension) });
        return {
          extensions: imported.map(({ extension }) => viewExtension(extension)),
          devices: imported.flatMap(({ device }) =>
            device === undefined
              ? []
              : [
                  {
                    ...viewDevice(device.row),
                    account: accountOf(parts, system.domain, { ...device.row, password: device.password }),
                  },
                ],
          ),
        };
      },

      async extensionGet(context, { params }) {
        const row = there(await extensionStore.find(context.tx, params.extension), "extension");
        context.authorize(placeOf(row), "extension");
        return viewExtension(row);
      },

      async extensionUpdate(context, { params, body }) {
        const { system, row } = await openExtension(context, params.extension);
        checkRevision(context.ifMatch, row, "extension");
        const { number, name, user, ...change } = body;
        if (number !== undefined && number !== row.number) await checkNumber(context.tx, system, number, row.id);
        if (typeof user === "string" && user !== row.userId) await checkPerson(parts, system, user, "body.user");
        const after = await extensionStore.update(context.tx, {
          ...(await changeExtension(context.tx, { ...row, number: number ?? row.number }, change)),
          name: name ?? row.name,
          userId: user === undefined ? row.userId : user,
        });
        context.audit({
          ...subjectOf("extension", row, row.number),
          before: auditOf(row),
          after: { ...auditOf(after), ...auditOfPins(change) },
        });
        return viewExtension(after);
      },

      async extensionDelete(context, { params }) {
        const { row } = await openExtension(context, params.extension);
        await checkUnused(context.tx, row.systemId, { kind: "extension", id: row.id, name: row.number });
        await deleteAudioOf(context.tx, { extensionId: row.id });
        await extensionStore.delete(context.tx, row);
        await reserveQuota(context.tx, row, "voice.extensions", -1);
        context.audit({ ...subjectOf("extension", row, row.number), before: auditOf(row) });
        return undefined;
      },
    },
  };
}
