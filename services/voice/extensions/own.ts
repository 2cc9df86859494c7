import { isoTime } from "../../../kernel/clock.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, checkRevision, notFound } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import type { Area, RequestContext } from "../../../kernel/service.ts";
import { leaseStore } from "../live/store/leases.ts";
import { turnCredentials, turnSecret, turnUrls } from "../media/turn.ts";
import { myExtensions } from "../mine.ts";
import { subjectOf, type VoiceParts } from "../parts.ts";
import { auditOfPins, changeExtension, lockExtension } from "./changing.ts";
import type { extensionRoutes } from "./contract.ts";
import { newSipPassword, newUserName, sealPassword } from "./credentials.ts";
import { auditOfDevice, devicePage, insertDevice, lockDevice } from "./devices.ts";
import { credentialStore, type DeviceRow, deviceStore, type ExtensionRow, extensionStore } from "./store.ts";
import { accountOf, viewDevice, viewExtension } from "./views.ts";

const browserHours = 12;
const browsersOfOne = 10;

type OwnHandlers = Pick<
  Area<typeof extensionRoutes>["handlers"],
  | "myExtensionList"
  | "myExtensionUpdate"
  | "myPhoneDeviceList"
  | "myPhoneDeviceCreate"
  | "myPhoneDeviceDelete"
  | "mySoftphoneCreate"
  | "mySoftphoneDoorsGet"
>;
type Context = Pick<RequestContext, "tx" | "principal">;

async function openOwn(context: Context, id: string) {
  const [found] = await myExtensions(context.tx, context.principal, id);
  return lockExtension(context.tx, found as ExtensionRow);
}

/** A device of an extension of the person's own. */
export async function openOwnDevice(context: Context, id: string) {
  const found = await deviceStore.find(context.tx, id);
  const mine = await myExtensions(context.tx, context.principal);
  if (found === undefined || !mine.some((extension) => extension.id === found.extensionId)) throw notFound("phoneDevice");
  return lockDevice(context.tx, found);
}

/** What people do with their own extension; nobody needs a role for it beyond being there. */
export function ownHandlers(parts: VoiceParts): OwnHandlers {
  async function browserOf(tx: Tx, extension: ExtensionRow): Promise<DeviceRow> {
    const found = await deviceStore.browserOf(tx, extension.id);
    if (found) return found;
    const { row } = await insertDevice(parts, tx, extension, { kind: "browser", label: "Browser", maker: "other" });
    return row;
  }

  /** The console's own address comes last: by it one reaches the voice process beside the control plane, whatever that serves. */
  async function doorsOf(tx: Tx, systemId: string): Promise<string[]> {
    const doors = await leaseStore.doors(tx, systemId);
    return [...new Set([...doors.map((url) => url ?? "/sip"), "/sip"])];
  }

  return {
    async myExtensionList(context, { query }) {
      const [after] = decodeCursor(query.cursor, 1) ?? [];
      const mine = await myExtensions(context.tx, context.principal);
      const rows = mine.filter(({ id }) => after === undefined || id > String(after)).slice(0, query.limit + 1);
      return toPage(rows, query.limit, viewExtension, ({ id }) => [id]);
    },

    async myExtensionUpdate(context, { params, body }) {
      const { row } = await openOwn(context, params.extension);
      checkRevision(context.ifMatch, row, "extension");
      const after = await extensionStore.update(context.tx, await changeExtension(context.tx, row, body));
      context.audit({
        ...subjectOf("extension", row, row.number),
        before: row.settings,
        after: { ...after.settings, ...auditOfPins(body) },
      });
      return viewExtension(after);
    },

    async myPhoneDeviceList(context, { params, query }) {
      const [extension] = await myExtensions(context.tx, context.principal, params.extension);
      return devicePage(context.tx, (extension as ExtensionRow).id, query);
    },

    async myPhoneDeviceCreate(context, { params, body }) {
      const { system, row: extension } = await openOwn(context, params.extension);
      const { row, password } = await insertDevice(parts, context.tx, extension, body);
      context.audit({
        ...subjectOf("phoneDevice", row, row.label),
        after: { extension: extension.number, ...auditOfDevice(row) },
      });
      return { ...viewDevice(row), account: accountOf(parts, system.domain, { userName: row.userName, password }) };
    },

    async myPhoneDeviceDelete(context, { params }) {
      const { row } = await openOwnDevice(context, params.phoneDevice);
      await deviceStore.delete(context.tx, row);
      context.audit({ ...subjectOf("phoneDevice", row, row.label), before: auditOfDevice(row) });
      return undefined;
    },

    async mySoftphoneCreate(context, { params }) {
      const { system, row: extension } = await openOwn(context, params.extension);
      const device = await browserOf(context.tx, extension);
      if (!device.enabled)
        throw new CloudError(
          "failed_precondition",
          "Calls in the browser are turned off for this extension. Ask who runs the phone system.",
          {
            details: { resource: "phoneDevice", reason: "disabled" },
          },
        );
      const [userName, password, createdAt] = [newUserName(), newSipPassword(), new Date()];
      const expiresAt = new Date(createdAt.getTime() + browserHours * 3_600_000);
      await credentialStore.insert(context.tx, device, {
        userName,
        password: sealPassword(parts.secrets, userName, password),
        createdAt,
        expiresAt,
      });
      await credentialStore.trim(context.tx, device.id, browsersOfOne);
      return {
        ...accountOf(parts, system.domain, { userName, password }),
        extensionId: extension.id,
        deviceId: device.id,
        number: extension.number,
        displayName: extension.settings.callerName ?? extension.name,
        iceServers:
          parts.turn === undefined
            ? []
            : [
                turnCredentials({
                  secret: turnSecret(parts.secrets),
                  user: userName,
                  validSeconds: browserHours * 3600,
                  now: createdAt.getTime(),
                  urls: turnUrls(parts.turn),
                }),
              ],
        webSocketUrls: await doorsOf(context.tx, system.id),
        expiresAt: isoTime(expiresAt),
      };
    },

    async mySoftphoneDoorsGet(context, { params }) {
      const [extension] = await myExtensions(context.tx, context.principal, params.extension);
      return { webSocketUrls: await doorsOf(context.tx, (extension as ExtensionRow).systemId) };
    },
  };
}
