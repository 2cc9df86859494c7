import { newId } from "../../kernel/ids.ts";
import type { Case, Input } from "./authorizationCase.ts";
import { as, newProject, unique } from "./authorizationWalk.ts";

/** The cases of the phone system's records: systems, extensions, devices, numbers, trunks, routes, rates. */
export function voiceCases(): Record<string, Case> {
  let known: Promise<string> | undefined;
  /** One for all cases but those that make or delete one: a project has one. */
  const phoneSystem = () => {
    known ??= newSystem().then(({ id }) => id as string);
    return known;
  };
  const newSystem = async () =>
    as("owner", "phoneSystemCreate", { body: { project: await newProject(), name: unique("Phones"), country: "UA" } });
  const inSystem = (more?: Partial<Input>): Case => ({
    input: async () => ({ params: { phoneSystem: await phoneSystem() }, ...more }),
  });
  const made = async (key: string, body: object, params?: Record<string, string>) =>
    (await as("owner", key, { params: params ?? { phoneSystem: await phoneSystem() }, body }))["id"] as string;

  const newExtension = () => made("extensionCreate", { name: unique("Person") });
  const newDevice = async () =>
    made("phoneDeviceCreate", { kind: "desk", label: unique("Phone"), maker: "snom" }, { extension: await newExtension() });
  let numbers = 0;
  const newNumber = () => `+38044${String(2_000_000 + ++numbers)}`;
  const hangUp = { kind: "hang_up" };
  const trunkBody = () => ({ name: unique("Provider"), kind: "ip", host: "sip.example.org" });
  const newTrunk = () => made("trunkCreate", trunkBody());
  const routeBody = async () => ({ name: unique("Route"), trunks: [await newTrunk()] });
  const onExtension = (more?: Partial<Input>): Case => ({
    input: async () => ({ params: { extension: await newExtension() }, ...more }),
  });
  const onDevice = (more?: Partial<Input>): Case => ({
    input: async () => ({ params: { phoneDevice: await newDevice() }, ...more }),
  });
  const onNumber = (more?: Partial<Input>): Case => ({
    input: async () => ({
      params: { phoneNumber: await made("phoneNumberCreate", { number: newNumber(), destination: hangUp }) },
      ...more,
    }),
  });
  const onTrunk = (more?: Partial<Input>): Case => ({ input: async () => ({ params: { trunk: await newTrunk() }, ...more }) });
  const onRoute = (more?: Partial<Input>): Case => ({
    input: async () => ({ params: { outboundRoute: await made("outboundRouteCreate", await routeBody()) }, ...more }),
  });
  const rate = (prefix = "+380") => ({ prefix, perMinute: "0.05" });

  return {
    phoneSystemList: { input: async () => ({ query: { project: await newProject() } }) },
    phoneSystemCreate: { input: async () => ({ body: { project: await newProject(), name: "Phones", country: "FR" } }) },
    phoneSystemGet: inSystem(),
    phoneSystemUpdate: inSystem({ body: { language: "fr" } }),
    phoneSystemDelete: {
      input: async () => {
        const { id, name } = await newSystem();
        return { params: { phoneSystem: id }, query: { confirm: name } };
      },
    },
    phoneCreditList: inSystem(),
    phoneCreditCreate: inSystem({ body: { amount: "5" } }),
    voiceProcessList: { atCloud: true, input: () => ({}) },
    extensionList: inSystem(),
    extensionCreate: inSystem({ body: { name: "Walked" } }),
    extensionImport: inSystem({ body: { csv: "name\nWalked" } }),
    extensionGet: onExtension(),
    extensionUpdate: onExtension({ body: { name: "Walked" } }),
    extensionDelete: onExtension(),
    phoneDeviceList: onExtension(),
    phoneDeviceCreate: onExtension({ body: { kind: "app", label: "Walked" } }),
    phoneDeviceUpdate: onDevice({ body: { enabled: false } }),
    phoneDeviceRotate: onDevice(),
    phoneDeviceDelete: onDevice(),
    phoneDeviceProvisioningCreate: onDevice(),
    phoneDeviceProvisioningDelete: onDevice(),
    phoneSiteCreate: inSystem(),
    phoneSiteDelete: inSystem(),
    phoneSiteAwait: inSystem(),
    phoneNumberList: inSystem(),
    phoneNumberCreate: {
      input: async () => ({ params: { phoneSystem: await phoneSystem() }, body: { number: newNumber(), destination: hangUp } }),
    },
    phoneNumberBlockCreate: {
      input: async () => ({
        params: { phoneSystem: await phoneSystem() },
        body: { first: newNumber(), count: 1, destination: hangUp },
      }),
    },
    phoneNumberUpdate: onNumber({ body: { label: "Walked" } }),
    phoneNumberDelete: onNumber(),
    trunkList: inSystem(),
    trunkCreate: { input: async () => ({ params: { phoneSystem: await phoneSystem() }, body: trunkBody() }) },
    trunkGet: onTrunk(),
    trunkUpdate: onTrunk({ body: { enabled: false } }),
    trunkDelete: onTrunk(),
    outboundRouteList: inSystem(),
    outboundRouteCreate: { input: async () => ({ params: { phoneSystem: await phoneSystem() }, body: await routeBody() }) },
    outboundRouteUpdate: onRoute({ body: { priority: 1 } }),
    outboundRouteDelete: onRoute(),
    phoneRateList: inSystem(),
    phoneRateSet: inSystem({ body: rate() }),
    phoneRateImport: inSystem({ body: { csv: "prefix,per_minute\n+380,0.05" } }),
    phoneRateDelete: {
      input: async () => {
        const params = { phoneSystem: await phoneSystem() };
        const { id } = await as("owner", "phoneRateSet", { params, body: rate("+33") });
        return { params: { phoneRate: id } };
      },
    },
  };
}

const extension = newId("extension");
const phoneDevice = newId("phoneDevice");
/** What is one's own: never another's. */
export const voiceForeignThings: Record<string, Input> = {
  myExtensionUpdate: { params: { extension }, body: { doNotDisturb: true } },
  myPhoneDeviceList: { params: { extension } },
  myPhoneDeviceCreate: { params: { extension }, body: { kind: "app", label: "x" } },
  myPhoneDeviceDelete: { params: { phoneDevice } },
  mySoftphoneCreate: { params: { extension } },
  mySoftphoneDoorsGet: { params: { extension } },
  myPhonePushSubscriptionCreate: {
    params: { extension },
    body: {
      endpoint: "https://push.example.org/1",
      keys: { p256dh: "B".repeat(87), auth: "a".repeat(22) },
      language: "en",
    },
  },
  myPhonePushSubscriptionDelete: { params: { phonePushSubscription: newId("phonePushSubscription") } },
  myPhoneDeviceProvisioningCreate: { params: { phoneDevice } },
};
export const voicePublicRoutes = ["phoneConfigurationGet", "phoneSiteConfigurationGet"];
