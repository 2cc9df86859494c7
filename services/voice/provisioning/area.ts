import { Readable } from "node:stream";
import { isoTime } from "../../../kernel/clock.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, notFound, there } from "../../../kernel/errors.ts";
import { AddressLimit } from "../../../kernel/http/addressLimit.ts";
import { hashToken, newToken } from "../../../kernel/secrets.ts";
import type { RequestContext } from "../../../kernel/service.ts";
import { openPassword } from "../extensions/credentials.ts";
import { openDevice } from "../extensions/devices.ts";
import { openOwnDevice } from "../extensions/own.ts";
import { type DeviceRow, deviceStore, extensionStore } from "../extensions/store.ts";
import { accountOf } from "../extensions/views.ts";
import { type Area, subjectOf, type VoiceParts } from "../parts.ts";
import { systemStore } from "../systems/store.ts";
import type { DeviceProvisioning, provisioningRoutes } from "./contract.ts";
import { fill, type Template, templates } from "./templates.ts";

/** A phone asks for some files at each start; many phones are behind one address. */
const perMinute = 120;

const templateOf = ({ maker }: DeviceRow): Template | undefined => (maker === "other" ? undefined : templates[maker]);

/** A phone without a known MAC address gets the file by whatever one it says. */
function answersTo(template: Template, device: DeviceRow, file: string): boolean {
  const wanted = file.toLowerCase();
  return template.fileNames.some((name) => {
    const [before = "", after] = name.split("{mac}");
    if (after === undefined) return wanted === name;
    const mac = wanted.slice(before.length, wanted.length - after.length);
    return (
      wanted === `${before}${mac}${after}` &&
      (device.macAddress === null ? /^[0-9a-f]{12}$/.test(mac) : mac === device.macAddress)
    );
  });
}

export function createProvisioningArea(parts: VoiceParts): Area<typeof provisioningRoutes> {
  const limit = new AddressLimit(perMinute);

  async function provision(context: Pick<RequestContext, "tx" | "audit">, row: DeviceRow): Promise<DeviceProvisioning> {
    const template = templateOf(row);
    if (row.kind === "browser" || template === undefined)
      throw new CloudError(
        "failed_precondition",
        "Khmara writes no configuration for this device. Say whose it is, or type its account into it.",
        { details: { resource: "phoneDevice", reason: "maker_unknown" } },
      );
    if (parts.sip === undefined)
      throw new CloudError(
        "failed_precondition",
        "Phones are turned off on this server, except in browsers. Start it with --sip-port 5060.",
        {
          details: { resource: "phoneDevice", reason: "sip_off" },
        },
      );
    const token = newToken("khp_");
    const createdAt = new Date();
    await deviceStore.update(context.tx, { ...row, provisioningToken: hashToken(token), provisioningAt: createdAt });
    context.audit({ ...subjectOf("phoneDevice", row, row.label), after: { provisioning: "new" } });
    const fileNames = template.fileNames.map((name) => name.replace("{mac}", row.macAddress ?? "MAC"));
    const url = `${parts.publicUrl}/api/v1/phone-configuration/${token}/${template.addsFileName ? "" : fileNames[0]}`;
    const { default: qrcode } = await import("qrcode");
    return { url, fileNames, qrCodeSvg: await qrcode.toString(url, { type: "svg" }), createdAt: isoTime(createdAt) };
  }

  /** Undefined: there is none, or not for this file, and whoever asks learns no more. */
  async function configurationOf(
    tx: Tx,
    token: string,
    file: string,
  ): Promise<{ contentType: string; text: string } | undefined> {
    const device = await deviceStore.ofProvisioningToken(tx, hashToken(token));
    if (!device?.enabled || !(await parts.identity.organisationActive(tx, device.organisationId))) return undefined;
    const template = templateOf(device);
    if (template === undefined || !answersTo(template, device, file)) return undefined;
    const extension = there(await extensionStore.find(tx, device.extensionId), "extension");
    const { domain, settings } = there(await systemStore.find(tx, device.systemId), "phoneSystem");
    const account = accountOf(parts, domain, { userName: device.userName, password: openPassword(parts.secrets, device) });
    const { port, tlsPort, bySrv = false } = parts.sip ?? {};
    const hasTls = port === undefined && tlsPort !== undefined;
    const number = (hasTls ? tlsPort : port) ?? 5060;
    const name = extension.settings.callerName ?? extension.name;
    const text = fill(template, {
      name,
      quotableName: name.replace(/["\\]/g, ""),
      number: extension.number,
      domain,
      user: account.userName,
      password: account.password,
      server: account.server,
      port: String(number),
      colonPort: bySrv ? "" : `:${number}`,
      transport: hasTls ? "tls" : "udp",
      transportNumber: hasTls ? "2" : "0",
      yealinkPort: bySrv ? "0" : String(number),
      yealinkTransport: bySrv ? "3" : hasTls ? "2" : "0",
      grandstreamLookup: bySrv ? "1" : "0",
      fanvilTransport: hasTls ? "3" : "0",
      voicemail: settings.featureCodes.voicemail ?? "",
      pickup: settings.featureCodes.pickupGroup ?? "",
      pickupOne: settings.featureCodes.pickupExtension ?? "",
    });
    return { contentType: template.contentType, text };
  }

  return {
    handlers: {
      async phoneDeviceProvisioningCreate(context, { params }) {
        return provision(context, (await openDevice(context, params.phoneDevice)).row);
      },

      async phoneDeviceProvisioningDelete(context, { params }) {
        const { row } = await openDevice(context, params.phoneDevice);
        await deviceStore.update(context.tx, { ...row, provisioningToken: null, provisioningAt: null });
        context.audit({ ...subjectOf("phoneDevice", row, row.label), before: { provisioning: row.provisioningToken !== null } });
        return undefined;
      },

      async myPhoneDeviceProvisioningCreate(context, { params }) {
        return provision(context, (await openOwnDevice(context, params.phoneDevice)).row);
      },

      async phoneConfigurationGet(context, { params }) {
        limit.take(context.sourceIp);
        const found = await parts.database.transaction("system", (tx) => configurationOf(tx, params.token, params.file));
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
      },
    },
  };
}
