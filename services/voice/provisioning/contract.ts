import { z } from "zod";
import { route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";

const byDevice = z.object({ phoneDevice: id("phoneDevice") });

export const deviceProvisioning = z.object({
  url: z
    .string()
    .describe("What is typed into the phone, or its QR code; whoever has it has the device's password. Shown this once."),
  fileNames: z.array(z.string()).describe("What phones ask for below it."),
  qrCodeSvg: z.string().describe("The address as a QR code."),
  isEncrypted: z.boolean().describe("False: the address is http, and whoever is on the way reads the password."),
  createdAt: timestamp,
});
export type DeviceProvisioning = z.output<typeof deviceProvisioning>;

export const phoneSite = z.object({
  url: z.string().describe("For DHCP option 66, or a maker's redirection service. Shown this once."),
  makers: z.array(z.object({ maker: z.string(), url: z.string() })).describe("As each maker's phones want it written."),
  isEncrypted: z.boolean().describe("False: the address is http, and whoever is on the way reads the passwords."),
});
export type PhoneSite = z.output<typeof phoneSite>;
const bySystem = z.object({ phoneSystem: id("phoneSystem") });
const asked = z.object({ token: z.string().min(20).max(100), file: z.string().min(1).max(100) });

export const provisioningRoutes = {
  phoneDeviceProvisioningCreate: route({
    method: "POST",
    path: "/v1/phone-devices/{phoneDevice}/provisioning",
    summary: "Get the address from which a phone takes its configuration",
    description: "A new one each time; the one before is refused from now on.",
    permission: "voice.phone_device.provision",
    roles: ["editor"],
    params: byDevice,
    response: deviceProvisioning,
    status: 201,
    errors: ["not_found", "failed_precondition"],
  }),
  phoneDeviceProvisioningDelete: route({
    method: "DELETE",
    path: "/v1/phone-devices/{phoneDevice}/provisioning",
    summary: "Have the address of a phone's configuration refused",
    permission: "voice.phone_device.unprovision",
    roles: ["editor"],
    params: byDevice,
    errors: ["not_found"],
  }),
  myPhoneDeviceProvisioningCreate: route({
    method: "POST",
    path: "/v1/my/phone-devices/{phoneDevice}/provisioning",
    summary: "Get the address from which your own phone takes its configuration",
    permission: "self",
    params: byDevice,
    response: deviceProvisioning,
    status: 201,
    errors: ["not_found", "failed_precondition"],
  }),
  phoneSiteCreate: route({
    method: "POST",
    path: "/v1/phone-systems/{phoneSystem}/site",
    summary: "Get the address that all phones of a site ask for their configuration",
    description:
      "A new one each time; the one before is refused from now on. It answers only phones that are awaited, by their MAC addresses; from their first configuration on they ask at an address of their own.",
    permission: "voice.phone_site.create",
    roles: ["editor"],
    params: bySystem,
    response: phoneSite,
    status: 201,
    errors: ["not_found", "failed_precondition"],
  }),
  phoneSiteDelete: route({
    method: "DELETE",
    path: "/v1/phone-systems/{phoneSystem}/site",
    summary: "Have the address of a site's phones refused",
    permission: "voice.phone_site.delete",
    roles: ["editor"],
    params: bySystem,
    errors: ["not_found"],
  }),
  phoneSiteAwait: route({
    method: "POST",
    path: "/v1/phone-systems/{phoneSystem}/site/await",
    summary: "Await the first contact of phones at the address of their site",
    description: "For a day: all devices with a MAC address and a maker that have never registered.",
    permission: "voice.phone_site.await",
    roles: ["editor"],
    params: bySystem,
    response: z.object({ devices: z.int(), until: timestamp }),
    errors: ["not_found", "failed_precondition"],
  }),
  phoneSiteConfigurationGet: route({
    method: "GET",
    path: "/v1/phone-sites/{token}/{file}",
    summary: "Give a phone its first configuration",
    description: "For phones themselves, while they are awaited; each that is given out is in the audit log.",
    permission: "public",
    params: asked,
    stream: { response: "bytes" },
    errors: ["not_found", "rate_limited"],
    cli: false,
  }),
  phoneConfigurationGet: route({
    method: "GET",
    path: "/v1/phone-configuration/{token}/{file}",
    summary: "Give a phone its configuration",
    description: "For phones themselves, which know the address: give it to them over https only.",
    permission: "public",
    params: asked,
    stream: { response: "bytes" },
    errors: ["not_found", "rate_limited"],
    cli: false,
  }),
};
