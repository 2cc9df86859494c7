import type { Tx } from "../../kernel/db/database.ts";
import { loadElements } from "./elements/store/plan.ts";
import type { PlanElements } from "./elements/store/rows.ts";
import type { ExtensionSettings, PhoneDevice } from "./extensions/contract.ts";
import { deviceStore, extensionStore } from "./extensions/store.ts";
import { ownPromptStore } from "./ownPrompts/store.ts";
import type { PhoneSystemSettings } from "./systems/contract.ts";
import { systemStore } from "./systems/store.ts";
import type { NumberSettings, RouteSettings, TrunkSettings } from "./trunks/contract.ts";
import { numberStore, type Rate, rateStore, routeStore, trunkStore } from "./trunks/store.ts";

export interface PlanSystem extends PhoneSystemSettings {
  id: string;
  organisationId: string;
  projectId: string;
  name: string;
  domain: string;
}

export interface PlanDevice {
  id: string;
  kind: PhoneDevice["kind"];
  label: string;
  userName: string;
  enabled: boolean;
}

export interface PlanExtension extends ExtensionSettings {
  id: string;
  number: string;
  name: string;
  userId: string | undefined;
  /** argon2id; see `verifyPin`. */
  voicemailPin: string | undefined;
  hotDeskPin: string | undefined;
  /** Its own, but for those where somebody else has signed in, and the one where it has. */
  devices: PlanDevice[];
}

export interface PlanNumber extends NumberSettings {
  id: string;
  /** E.164. */
  number: string;
}

export interface PlanTrunk extends TrunkSettings {
  id: string;
  name: string;
  /** Sealed; see `openTrunkPassword`. */
  password: Uint8Array | undefined;
}

export interface PlanRoute extends RouteSettings {
  id: string;
  name: string;
}

/** All that a call must know of a phone system. What it does to the balance and the day's spending is asked anew: `creditStore.spending`. */
export interface PhonePlan {
  /** Of the phone system, as its row had it when this was read. */
  version: number;
  system: PlanSystem;
  /** By number. */
  extensions: PlanExtension[];
  numbers: PlanNumber[];
  trunks: PlanTrunk[];
  routes: PlanRoute[];
  /** Costs of trunks, and prices of the system (`trunkId` null); see `openRates`. */
  rates: Rate[];
  elements: PlanElements;
  /** Sounds of words that this phone system says in its own way, by `language/prompt`. */
  ownPrompts: Map<string, string>;
}

/** Reads a phone system whole, in ten queries; undefined when there is none that this transaction may see. */
export async function loadPlan(tx: Tx, systemId: string): Promise<PhonePlan | undefined> {
  const plan = await loadPlanWithoutRates(tx, systemId);
  return plan && { ...plan, rates: await rateStore.all(tx, systemId) };
}

/** Rates may be many thousands: for whoever needs none. */
export async function loadPlanWithoutRates(tx: Tx, systemId: string): Promise<Omit<PhonePlan, "rates"> | undefined> {
  // The version first: a change that comes in between is then only read twice.
  const system = await systemStore.find(tx, systemId);
  if (system === undefined) return undefined;
  const devices = Map.groupBy(await deviceStore.all(tx, systemId), (row) => row.guestExtensionId ?? row.extensionId);
  const { id, organisationId, projectId, name, domain, settings } = system;
  return {
    version: system.planVersion,
    system: { ...settings, id, organisationId, projectId, name, domain },
    extensions: (await extensionStore.all(tx, systemId)).map((row) => ({
      ...row.settings,
      id: row.id,
      number: row.number,
      name: row.name,
      userId: row.userId ?? undefined,
      voicemailPin: row.voicemailPin ?? undefined,
      hotDeskPin: row.hotDeskPin ?? undefined,
      devices: (devices.get(row.id) ?? []).map(planDevice),
    })),
    numbers: (await numberStore.page(tx, systemId)).map((row) => ({ ...row.settings, id: row.id, number: row.number })),
    trunks: (await trunkStore.page(tx, systemId)).map((row) => ({
      ...row.settings,
      id: row.id,
      name: row.name,
      password: row.password ?? undefined,
    })),
    routes: (await routeStore.page(tx, systemId)).map((row) => ({ ...row.settings, id: row.id, name: row.name })),
    elements: await loadElements(tx, systemId),
    ownPrompts: await ownPromptStore.sounds(tx, systemId),
  };
}

const planDevice = (row: PlanDevice): PlanDevice => ({
  id: row.id,
  kind: row.kind,
  label: row.label,
  userName: row.userName,
  enabled: row.enabled,
});
