import { Readable } from "node:stream";
import { audit } from "../../../kernel/audit.ts";
import { systemActor } from "../../../kernel/auth/principal.ts";
import { isoTime } from "../../../kernel/clock.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, notFound } from "../../../kernel/errors.ts";
import { AddressLimit } from "../../../kernel/http/addressLimit.ts";
import { hashToken, newToken } from "../../../kernel/secrets.ts";
import type { RequestContext } from "../../../kernel/service.ts";
import { openDevice } from "../extensions/devices.ts";
import { openOwnDevice } from "../extensions/own.ts";
import { type DeviceRow, deviceStore } from "../extensions/store.ts";
import { type Area, subjectOf, type VoiceParts } from "../parts.ts";
import { openSystem } from "../systems/openSystem.ts";
import type { DeviceProvisioning, provisioningRoutes } from "./contract.ts";
import { addressOf, answersTo, fileOf, type PhoneFile, templateOf } from "./files.ts";
import { siteStore } from "./store.ts";
import { macIn, templates } from "./templates.ts";

/** A phone asks for some files at each start; many phones are behind one address. */
const perMinute = 120;
/** Fifty phones that get their power back ask for up to six files each, most of which nobody has. */
const atSitePerMinute = 300;

const hourMs = 3_600_000;
/** A phone that was taken out of its box today, or tomorrow morning. */
const awaitedMs = 24 * hourMs;
/** It starts again once or twice before it asks at its own address. */
const afterFirstMs = hourMs;

const tokenPurpose = (id: string): string => `voice.device_provisioning:${id}`;

export function createProvisioningArea(parts: VoiceParts): Area<typeof provisioningRoutes> {
  const limit = new AddressLimit(perMinute);
  const siteLimit = new AddressLimit(atSitePerMinute);
  const isEncrypted = parts.publicUrl.startsWith("https:");

  function checkPhones(): void {
    if (parts.sip === undefined)
      throw new CloudError(
        "failed_precondition",
        "Phones are turned off on this server, except in browsers. Start it with --sip-port 5060.",
        {
          details: { resource: "phoneDevice", reason: "sip_off" },
        },
      );
    if (!isEncrypted)
      parts.log.warn(
        { publicUrl: parts.publicUrl },
        "phones fetch their passwords over http, where others can read them: give --public-url an https address",
      );
  }

  /** Gives it a new address; the phone may also ask at the one of its site for a while, when it can be told by its MAC address. */
  async function newAddress(tx: Tx, row: DeviceRow): Promise<{ token: string; createdAt: Date }> {
    const token = newToken("khp_");
    const createdAt = new Date();
    await deviceStore.update(tx, {
      ...row,
      provisioningToken: hashToken(token),
      provisioningAt: createdAt,
      provisioningSecret: parts.secrets.encrypt(tokenPurpose(row.id), token),
      awaitedUntil: row.macAddress === null ? null : new Date(createdAt.getTime() + awaitedMs),
    });
    return { token, createdAt };
  }

  async function provision(context: Pick<RequestContext, "tx" | "audit">, row: DeviceRow): Promise<DeviceProvisioning> {
    const template = templateOf(row);
    if (row.kind === "browser" || template === undefined)
      throw new CloudError(
        "failed_precondition",
        "Khmara writes no configuration for this device. Say whose it is, or type its account into it.",
        { details: { resource: "phoneDevice", reason: "maker_unknown" } },
      );
    checkPhones();
    const { token, createdAt } = await newAddress(context.tx, row);
    context.audit({ ...subjectOf("phoneDevice", row, row.label), after: { provisioning: "new" } });
    const fileNames = [...template.fileNames, ...(template.first ? [template.first.fileName] : [])].map((name) =>
      name.replace("{mac}", row.macAddress ?? "MAC"),
    );
    const url = `${addressOf(parts, token)}${template.addsFileName ? "" : fileNames[0]}`;
    const { default: qrcode } = await import("qrcode");
    const qrCodeSvg = await qrcode.toString(url, { type: "svg" });
    return { url, fileNames, qrCodeSvg, isEncrypted, createdAt: isoTime(createdAt) };
  }

  const mayFetch = async (tx: Tx, device: DeviceRow | undefined): Promise<boolean> =>
    device?.enabled === true && (await parts.identity.organisationActive(tx, device.organisationId));

  /** Undefined: there is none, or not for this file, and whoever asks learns no more. */
  async function configurationOf(tx: Tx, token: string, file: string): Promise<PhoneFile | undefined> {
    const device = await deviceStore.ofProvisioningToken(tx, hashToken(token));
    if (device === undefined || !(await mayFetch(tx, device))) return undefined;
    const template = templateOf(device);
    if (template === undefined || !answersTo(template, device, file)) return undefined;
    return fileOf(parts, tx, template, device, { file, token });
  }

  type Asked = Pick<RequestContext, "sourceIp" | "userAgent" | "requestId">;

  /** The same at the address of a site: for a phone that is awaited, and told by its MAC address. */
  async function siteConfigurationOf(
    tx: Tx,
    { token, file }: { token: string; file: string },
    { sourceIp, userAgent, requestId }: Asked,
  ): Promise<PhoneFile | undefined> {
    const mac = Object.values(templates).reduce<string | undefined>((found, each) => found || macIn(each, file), undefined);
    if (!mac) return undefined;
    const device = await siteStore.awaited(tx, hashToken(token), mac);
    if (device === undefined || device.provisioningSecret === null || !(await mayFetch(tx, device))) return undefined;
    const template = templateOf(device);
    if (template === undefined || !answersTo(template, device, file)) return undefined;
    await siteStore.awaitNoLongerThan(tx, device.id, new Date(Date.now() + afterFirstMs));
    audit(tx, {
      action: "voice.phone_device.configure",
      actor: systemActor,
      ...subjectOf("phoneDevice", device, device.label),
      ...{ sourceIp, userAgent, requestId },
      after: { file },
    });
    const own = parts.secrets.decrypt(tokenPurpose(device.id), device.provisioningSecret).toString();
    return fileOf(parts, tx, template, device, { file, token: own });
  }

  function answer(found: PhoneFile | undefined) {
    if (found === undefined) throw notFound("phoneConfiguration");
    return {
      status: 200,
      headers: {
        "content-type": found.contentType,
        "content-length": String(Buffer.byteLength(found.text)),
        // It has a password.
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
      },
      body: Readable.from([Buffer.from(found.text)]),
    };
  }

  return {
    handlers: {
      async phoneDeviceProvisioningCreate(context, { params }) {
        return provision(context, (await openDevice(context, params.phoneDevice)).row);
      },

      async phoneDeviceProvisioningDelete(context, { params }) {
        const { row } = await openDevice(context, params.phoneDevice);
        const none = { provisioningToken: null, provisioningAt: null, provisioningSecret: null, awaitedUntil: null };
        await deviceStore.update(context.tx, { ...row, ...none });
        context.audit({ ...subjectOf("phoneDevice", row, row.label), before: { provisioning: row.provisioningToken !== null } });
        return undefined;
      },

      async myPhoneDeviceProvisioningCreate(context, { params }) {
        return provision(context, (await openOwnDevice(context, params.phoneDevice)).row);
      },

      async phoneSiteCreate(context, { params }) {
        const system = await openSystem(context, params.phoneSystem, { lock: true });
        checkPhones();
        const token = newToken("khs_");
        await siteStore.set(context.tx, system.id, hashToken(token));
        context.audit({ ...subjectOf("phoneSystem", system, system.name), after: { siteAddress: "new" } });
        const url = `${parts.publicUrl}/api/v1/phone-sites/${token}/`;
        const makers = Object.entries(templates).flatMap(([maker, { fileNames, siteFile }]) =>
          fileNames.some((name) => name.includes("{mac}")) ? [{ maker, url: `${url}${siteFile ?? ""}` }] : [],
        );
        return { url, makers, isEncrypted };
      },

      async phoneSiteDelete(context, { params }) {
        const system = await openSystem(context, params.phoneSystem, { lock: true });
        await siteStore.set(context.tx, system.id, null);
        context.audit({ ...subjectOf("phoneSystem", system, system.name), after: { siteAddress: "none" } });
        return undefined;
      },

      async phoneSiteAwait(context, { params }) {
        const system = await openSystem(context, params.phoneSystem, { lock: true });
        checkPhones();
        const devices = (await deviceStore.all(context.tx, system.id)).filter(
          (row) =>
            row.enabled &&
            row.macAddress !== null &&
            row.lastRegisteredAt === null &&
            templateOf(row) !== undefined &&
            // One that has an address, though nobody knows it any more, may have been told it.
            (row.provisioningToken === null || row.provisioningSecret !== null),
        );
        const until = new Date(Date.now() + awaitedMs);
        for (const row of devices) {
          if (row.provisioningToken === null) await newAddress(context.tx, row);
          else await siteStore.await(context.tx, row.id, until);
        }
        context.audit({ ...subjectOf("phoneSystem", system, system.name), after: { awaitedPhones: devices.length } });
        return { devices: devices.length, until: isoTime(until) };
      },

      async phoneConfigurationGet(context, { params }) {
        limit.take(context.sourceIp);
        return answer(await parts.database.transaction("system", (tx) => configurationOf(tx, params.token, params.file)));
      },

      async phoneSiteConfigurationGet(context, { params }) {
        siteLimit.take(context.sourceIp);
        return answer(await parts.database.transaction("system", (tx) => siteConfigurationOf(tx, params, context)));
      },
    },
  };
}
