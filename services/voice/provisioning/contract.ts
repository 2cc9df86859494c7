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
  createdAt: timestamp,
});
export type DeviceProvisioning = z.output<typeof deviceProvisioning>;

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
  phoneConfigurationGet: route({
    method: "GET",
    path: "/v1/phone-configuration/{token}/{file}",
    summary: "Give a phone its configuration",
    description: "For phones themselves, which know the address: give it to them over https only.",
    permission: "public",
    params: z.object({ token: z.string().min(20).max(100), file: z.string().min(1).max(100) }),
    stream: { response: "bytes" },
    errors: ["not_found", "rate_limited"],
    cli: false,
  }),
};
