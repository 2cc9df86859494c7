import type { z } from "zod";
import * as appBackups from "./apps/backups/contract.ts";
import * as catalogue from "./apps/catalogue/contract.ts";
import * as apps from "./apps/contract.ts";
import * as cron from "./apps/cron/contract.ts";
import * as deploying from "./apps/deploying/contract.ts";
import * as linking from "./apps/linking/contract.ts";
import * as mailAccounts from "./apps/mailAccounts/contract.ts";
import * as nodes from "./apps/nodes/contract.ts";
import * as previews from "./apps/previews/contract.ts";
import * as registry from "./apps/registry/contract.ts";
import * as routing from "./apps/routing/contract.ts";
import * as running from "./apps/running/contract.ts";
import * as audit from "./audit/contract.ts";
import * as billing from "./billing/contract.ts";
import * as access from "./compute/access/contract.ts";
import * as compute from "./compute/contract.ts";
import * as engine from "./compute/engine/contract.ts";
import * as images from "./compute/images/contract.ts";
import * as instances from "./compute/instances/contract.ts";
import * as jobs from "./compute/jobs/contract.ts";
import * as networks from "./compute/networks/contract.ts";
import * as networkEdge from "./compute/networks/edge/contract.ts";
import * as volumeBackups from "./compute/volumes/backups/contract.ts";
import * as volumes from "./compute/volumes/contract.ts";
import * as volumeSchedules from "./compute/volumes/schedules/contract.ts";
import * as volumeSnapshots from "./compute/volumes/snapshots/contract.ts";
import * as watch from "./compute/watch/contract.ts";
import * as databaseContent from "./databases/content/contract.ts";
import * as databases from "./databases/contract.ts";
import * as databaseScripts from "./databases/scripts/contract.ts";
import * as databaseWatching from "./databases/watching/contract.ts";
import * as identity from "./identity/contract.ts";
import * as bucketAccess from "./objects/access/contract.ts";
import * as bucketLogging from "./objects/accessLogs/contract.ts";
import * as bucketBackups from "./objects/backup/contract.ts";
import * as objects from "./objects/contract.ts";
import * as lifecycle from "./objects/lifecycle/contract.ts";
import * as bucketNotifications from "./objects/notifications/contract.ts";
import * as bucketQuotas from "./objects/quota/contract.ts";
import * as relocation from "./objects/relocation/contract.ts";
import * as objectResources from "./objects/resources/contract.ts";
import * as scrub from "./objects/scrub/contract.ts";
import * as bucketSettings from "./objects/settings/contract.ts";
import * as objectVersions from "./objects/versions/contract.ts";
import * as websites from "./objects/websites/contract.ts";
import * as operations from "./operations/contract.ts";
import * as phoneContacts from "./voice/contacts/contract.ts";
import * as voice from "./voice/contract.ts";
import * as phoneDestinations from "./voice/destinations/contract.ts";
import * as phoneElements from "./voice/elements/contract.ts";
import * as phoneElementShapes from "./voice/elements/shapes/contract.ts";
import * as phoneExtensions from "./voice/extensions/contract.ts";
import * as phoneLive from "./voice/live/contract.ts";
import * as phoneVerbs from "./voice/live/verbs/contract.ts";
import * as phoneMails from "./voice/mails/contract.ts";
import * as phoneMessages from "./voice/messages/contract.ts";
import * as phoneOwnPrompts from "./voice/ownPrompts/contract.ts";
import * as phoneProcesses from "./voice/processes/contract.ts";
import * as phoneProvisioning from "./voice/provisioning/contract.ts";
import * as phonePush from "./voice/push/contract.ts";
import * as phoneRecords from "./voice/records/contract.ts";
import * as phoneSystems from "./voice/systems/contract.ts";
import * as trunks from "./voice/trunks/contract.ts";

/** Every service of the cloud, in the order in which help and the API reference show them. */
export const contracts = [
  identity.default,
  compute.default,
  apps.default,
  databases.default,
  voice.default,
  objects.default,
  operations.default,
  billing.default,
  audit.default,
] as const;

/** The objects and unions that contracts export by name: the API reference shows them as shared components. */
export const schemas: Record<string, z.ZodType> = Object.fromEntries(
  [
    identity,
    instances,
    access,
    images,
    volumes,
    volumeSnapshots,
    volumeSchedules,
    volumeBackups,
    networks,
    networkEdge,
    jobs,
    watch,
    engine,
    deploying,
    running,
    routing,
    linking,
    mailAccounts,
    cron,
    appBackups,
    catalogue,
    previews,
    registry,
    nodes,
    databases,
    databaseContent,
    databaseScripts,
    databaseWatching,
    phoneContacts,
    phoneDestinations,
    phoneSystems,
    phoneExtensions,
    trunks,
    phoneProcesses,
    phoneProvisioning,
    phoneElements,
    { speech: phoneElementShapes.speech, spokenText: phoneElementShapes.spokenText },
    phoneRecords,
    phonePush,
    phoneLive,
    phoneVerbs,
    phoneMails,
    phoneMessages,
    phoneOwnPrompts,
    objectResources,
    bucketAccess,
    lifecycle,
    objectVersions,
    bucketLogging,
    bucketBackups,
    bucketNotifications,
    bucketQuotas,
    relocation,
    scrub,
    bucketSettings,
    websites,
    operations,
    billing,
    audit,
  ].flatMap((module) =>
    Object.entries(module).filter((entry): entry is [string, z.ZodType] =>
      ["object", "union"].includes((entry[1] as { type?: string })?.type ?? ""),
    ),
  ),
);

type UnionToIntersection<U> = (U extends unknown ? (of: U) => void : never) extends (of: infer I) => void ? I : never;

/** All routes under their keys, as the typed client sees them. */
export type CloudRoutes = UnionToIntersection<(typeof contracts)[number]["routes"]>;
