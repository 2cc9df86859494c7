import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, checkRevision, invalid, there } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { type Id, newId } from "../../../kernel/ids.ts";
import type { Area, RequestContext } from "../../../kernel/service.ts";
import { given } from "../given.ts";
import { placeOf, subjectOf, type VoiceParts } from "../parts.ts";
import { systemStore } from "../systems/store.ts";
import { openExtension } from "./changing.ts";
import type { extensionRoutes, PhoneDevice } from "./contract.ts";
import { newSipPassword, newUserName, sealPassword } from "./credentials.ts";
import { type DeviceRow, deviceStore, type ExtensionRow, extensionStore } from "./store.ts";
import { accountOf, viewDevice } from "./views.ts";

const most = 20;

export interface NewDevice {
  kind: PhoneDevice["kind"];
  label: string;
  maker: PhoneDevice["maker"];
  macAddress?: string | undefined;
  lampKeys?: Id<"extension">[] | undefined;
}

export const plainMac = (macAddress: string): string => macAddress.replace(/[^0-9a-fA-F]/g, "").toLowerCase();

const macTaken = (macAddress: string): CloudError =>
  new CloudError(
    "already_exists",
    `A device of this phone system has the MAC address ${macAddress} already. Delete that one first.`,
    {
      details: {
        resource: "phoneDevice",
        reason: "mac_address_taken",
        fields: [{ path: "body.macAddress", message: "This address is taken." }],
      },
    },
  );

async function checkLamps(tx: Tx, systemId: string, lampKeys: readonly string[] = []): Promise<void> {
  for (const [index, id] of lampKeys.entries())
    if ((await extensionStore.find(tx, id))?.systemId !== systemId)
      throw invalid(`body.lampKeys.${index}`, "This phone system has no such extension. Choose one of its own.");
}

/** In the transaction that holds the phone system. The password is in the answer alone. */
export async function insertDevice(
  parts: Pick<VoiceParts, "secrets">,
  tx: Tx,
  extension: ExtensionRow,
  wanted: NewDevice,
): Promise<{ row: DeviceRow; password: string }> {
  if ((await deviceStore.page(tx, extension.id, undefined, most)).length >= most)
    throw new CloudError(
      "failed_precondition",
      `An extension has at most ${most} devices. Delete one that is not used any more.`,
      {
        details: { resource: "phoneDevice", reason: "too_many_devices" },
      },
    );
  await checkLamps(tx, extension.systemId, wanted.lampKeys);
  const password = newSipPassword();
  const userName = newUserName();
  const row: DeviceRow = {
    id: newId("phoneDevice"),
    extensionId: extension.id,
    systemId: extension.systemId,
    organisationId: extension.organisationId,
    projectId: extension.projectId,
    kind: wanted.kind,
    label: wanted.label,
    maker: wanted.maker,
    macAddress: wanted.macAddress === undefined ? null : plainMac(wanted.macAddress),
    userName,
    password: sealPassword(parts.secrets, userName, password),
    enabled: true,
    guestExtensionId: null,
    provisioningToken: null,
    provisioningAt: null,
    provisioningSecret: null,
    awaitedUntil: null,
    lampKeys: wanted.lampKeys ?? [],
    lastRegisteredAt: null,
    lastAddress: null,
    lastUserAgent: null,
    createdAt: new Date(),
    revision: 1,
    isRegistered: false,
  };
  if (!(await deviceStore.insert(tx, row))) throw macTaken(wanted.macAddress ?? "");
  return { row, password };
}

/** The device of a route, its phone system locked. */
export async function openDevice(
  context: Pick<RequestContext, "tx" | "authorize">,
  id: string,
): Promise<{ row: DeviceRow; domain: string }> {
  const found = there(await deviceStore.find(context.tx, id), "phoneDevice");
  context.authorize(placeOf(found), "phoneDevice");
  return lockDevice(context.tx, found);
}

export async function lockDevice(tx: Tx, found: DeviceRow): Promise<{ row: DeviceRow; domain: string }> {
  const system = there(await systemStore.find(tx, found.systemId, { lock: true }), "phoneSystem");
  return { row: there(await deviceStore.find(tx, found.id), "phoneDevice"), domain: system.domain };
}

export async function devicePage(tx: Tx, extensionId: string, query: { cursor?: string | undefined; limit: number }) {
  const [after] = decodeCursor(query.cursor, 1) ?? [];
  const rows = await deviceStore.page(tx, extensionId, after === undefined ? undefined : String(after), query.limit + 1);
  return toPage(rows, query.limit, viewDevice, ({ id }) => [id]);
}

export const auditOfDevice = ({ label, kind, maker, macAddress, enabled, guestExtensionId, lampKeys }: DeviceRow) => ({
  label,
  kind,
  maker,
  macAddress,
  enabled,
  lampKeys,
  signedInExtension: guestExtensionId,
});

type DeviceHandlers = Pick<
  Area<typeof extensionRoutes>["handlers"],
  "phoneDeviceList" | "phoneDeviceCreate" | "phoneDeviceUpdate" | "phoneDeviceRotate" | "phoneDeviceDelete"
>;

export function deviceHandlers(parts: VoiceParts): DeviceHandlers {
  return {
    async phoneDeviceList(context, { params, query }) {
      const extension = there(await extensionStore.find(context.tx, params.extension), "extension");
      context.authorize(placeOf(extension), "extension");
      return devicePage(context.tx, extension.id, query);
    },

    async phoneDeviceCreate(context, { params, body }) {
      const { system, row: extension } = await openExtension(context, params.extension);
      const { row, password } = await insertDevice(parts, context.tx, extension, body);
      context.audit({
        ...subjectOf("phoneDevice", row, row.label),
        after: { extension: extension.number, ...auditOfDevice(row) },
      });
      return { ...viewDevice(row), account: accountOf(parts, system.domain, { userName: row.userName, password }) };
    },

    async phoneDeviceUpdate(context, { params, body }) {
      const { row } = await openDevice(context, params.phoneDevice);
      checkRevision(context.ifMatch, row, "phoneDevice");
      const { macAddress, signedInExtension, ...rest } = given(body);
      const mac = macAddress === undefined ? row.macAddress : macAddress === null ? null : plainMac(macAddress);
      if (mac !== null && mac !== row.macAddress && (await deviceStore.macIsTaken(context.tx, row.systemId, mac, row.id)))
        throw macTaken(mac);
      await checkLamps(context.tx, row.systemId, rest.lampKeys);
      const signsOut = signedInExtension === null && row.guestExtensionId !== null;
      if (signsOut) await deviceStore.setGuest(context.tx, row, null);
      const guest = signsOut ? { guestExtensionId: null } : {};
      const after = await deviceStore.update(context.tx, { ...row, ...rest, ...guest, macAddress: mac });
      context.audit({ ...subjectOf("phoneDevice", row, row.label), before: auditOfDevice(row), after: auditOfDevice(after) });
      return viewDevice(after);
    },

    async phoneDeviceRotate(context, { params }) {
      const { row, domain } = await openDevice(context, params.phoneDevice);
      const password = newSipPassword();
      const after = await deviceStore.update(context.tx, {
        ...row,
        password: sealPassword(parts.secrets, row.userName, password),
      });
      context.audit({ ...subjectOf("phoneDevice", row, row.label), after: { password: "new" } });
      return { ...viewDevice(after), account: accountOf(parts, domain, { userName: row.userName, password }) };
    },

    async phoneDeviceDelete(context, { params }) {
      const { row } = await openDevice(context, params.phoneDevice);
      await deviceStore.delete(context.tx, row);
      context.audit({ ...subjectOf("phoneDevice", row, row.label), before: auditOfDevice(row) });
      return undefined;
    },
  };
}
