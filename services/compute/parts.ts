import type { Readable } from "node:stream";
import { actorOf, type Place, type Principal } from "../../kernel/auth/principal.ts";
import type { Actor } from "../../kernel/contract.ts";
import type { Database, Tx } from "../../kernel/db/database.ts";
import { notFound } from "../../kernel/errors.ts";
import type { Id } from "../../kernel/ids.ts";
import type { Log } from "../../kernel/log.ts";
import type { Secrets } from "../../kernel/secrets.ts";
import type { RequestContext } from "../../kernel/service.ts";
import type { IdentityService } from "../identity/contract.ts";
import type { ObjectsService } from "../objects/contract.ts";
import type { ComputeDriver, ImageBuilder, InterfaceSpec, NetworkDriver, Progress } from "./driver.ts";

export type { Area } from "../../kernel/service.ts";

/** What every part of the service works with. */
export interface ComputeParts {
  database: Database;
  identity: IdentityService;
  objects: ObjectsService;
  secrets: Secrets;
  log: Log;
  dataDirectory: string;
  /** Throws failed_precondition, saying what is missing and how to add it, while there is no engine. */
  engine(): ComputeDriver;
  /** The same for networks: they need root on the host. */
  network(): NetworkDriver;
  /** The same for building images: that too is work of the host. */
  imageBuilder(): ImageBuilder;
  /** The parts as each other sees them; set once all are made. */
  instances: InstancesPart;
  images: ImagesPart;
  networks: NetworksPart;
  volumes: VolumesPart;
}

/** Where a project is; ids only. */
export interface ProjectPlace {
  organisationId: string;
  projectId: string;
}

/** An instance as the other parts see it. */
export interface InstanceView extends ProjectPlace {
  id: Id<"instance">;
  name: string;
  /** Its name in the engine. */
  engineName: string;
  state: string;
  kind: "container" | "vm";
  member: string | undefined;
  /** What it was made from; that may be deleted by now. */
  imageId?: string | undefined;
}

export interface InstancesPart {
  /** Sees what the transaction may see; undefined otherwise. `lock`: the row stays locked until the commit. */
  find(tx: Tx, id: string, options?: { lock?: boolean }): Promise<InstanceView | undefined>;
  /** Of the whole cloud or one project, not those being deleted; in pages of ids (`after`). */
  list(tx: Tx, filter: { projectId?: string; states?: string[]; after?: string; limit: number }): Promise<InstanceView[]>;
  /** Throws failed_precondition with the reason, as the state rules say (instances/contract.ts, instanceActions). */
  checkAction(instance: InstanceView, action: string): void;
  /**
   * Creates an instance in the caller's transaction and begins its operation: what instanceCreate does, for parts that need one of
   * their own (a job, a restore drill). `hidden` ones are in no list and in no quota, and metered only under `usageOf`; `labels` say
   * whose they are.
   */
  create(
    tx: Tx,
    request: {
      place: ProjectPlace;
      actor: Actor;
      name: string;
      imageId: string;
      sizeId?: string | undefined;
      capacity?: { vcpus: number; memoryBytes: number; diskBytes: number } | undefined;
      networkIds?: string[];
      securityGroupIds?: string[];
      userData?: string | undefined;
      labels?: Record<string, string>;
      hidden?: boolean;
      start: boolean;
      /**
       * Under whose name its usage is written down instead of its own: that of a job. Several instances may have the same one, so
       * their spans are closed by the ids of the spans (closeUsageSpansOf), not by the resource.
       */
      usageOf?: { kind: string; id: string; name: string } | undefined;
      /**
       * Instead of the image: a backup or snapshot that the disk comes from; `instance` and `snapshot` are names in the engine. The
       * image may be deleted by then: `kind` and `imageName` say what it was.
       */
      source?: { kind: "clone"; instance: string; snapshot?: string } | { kind: "backup"; backupId: string };
      kind?: "container" | "vm";
      imageName?: string;
    },
  ): Promise<{ instance: InstanceView; operationId: string }>;
  /** Deletes, with force, in the caller's transaction; answers the operation. */
  remove(tx: Tx, request: { instanceId: string; actor: Actor }): Promise<{ operationId: string }>;
  /**
   * Makes a `missing` one anew in the engine, with an empty disk from its image, and its cards, addresses and volumes; answers the
   * operation. failed_precondition in another state, or when its image is deleted.
   */
  recreate(tx: Tx, request: { instanceId: string; actor: Actor }): Promise<{ operationId: string }>;
  /** Sets a state while an operation of another part is at work (restoring, …), and back to what the engine says afterwards. */
  setState(tx: Tx, instanceId: string, state: string, reason?: string): Promise<void>;
  /** Asks the engine and writes down what it says, usage included; also while an operation of yours is at work on the instance. */
  refresh(instanceId: string): Promise<void>;
  /**
   * Compares all records with the engine. States that differ are written down, records without an instance become `missing`;
   * instances of the engine that carry our labels and have no record are answered. What an operation works on is left alone.
   */
  reconcile(signal?: AbortSignal): Promise<InstanceDifferences>;
}

export interface InstanceDifferences {
  /** Ids of instances whose record was changed to what the engine says. */
  refreshed: Id<"instance">[];
  missing: Id<"instance">[];
  /** By name in the engine. */
  orphans: { name: string; labels: Record<string, string>; createdAt: Date }[];
}

/** An image that instances can be made from. */
export interface ImageView {
  id: Id<"image">;
  name: string;
  /** Its alias in the engine. */
  engineName: string;
  kind: "container" | "vm";
  minimumDiskBytes: number;
  /** The user that cloud-init makes: debian, ubuntu, root. */
  defaultUser: string;
}

export interface ImagesPart {
  /** By id or name among those the project may use (its own, shared ones, the cloud's); throws a clear error for none, or one not ready. */
  resolve(tx: Tx, place: ProjectPlace, idOrName: string): Promise<ImageView>;
  find(tx: Tx, id: string): Promise<ImageView | undefined>;
  /** While the cloud has no image that is everybody's: which one to build first, and whether that works here. */
  first(): Promise<{ recipe: string; title: string; available: boolean; reason?: string | undefined } | undefined>;
  /** Begins building that one for everybody, unless there is one or its building was begun before. Answers the operation. */
  buildFirst(): Promise<string | undefined>;
  /**
   * Compares all records with the engine. An image that is gone is in error until it is there again; images of the engine that carry
   * our labels and have no record are answered. What an operation works on is left alone.
   */
  reconcile(signal?: AbortSignal): Promise<ImageDifferences>;
  /** The record of an image that is gone from the engine goes; failed_precondition in another state. */
  forget(tx: Tx, imageId: string): Promise<void>;
}

export interface ImageDifferences {
  /** All that are gone, not only those that were found now. */
  missing: (Partial<ProjectPlace> & { id: Id<"image">; name: string })[];
  /** By name in the engine. */
  orphans: { name: string; labels: Record<string, string>; sizeBytes: number }[];
}

export interface PortView {
  id: Id<"port">;
  instanceId: string;
  networkId: Id<"network">;
  networkName: string;
  ipv4: string;
  macAddress: string;
  floatingAddress: string | undefined;
  securityGroupIds: Id<"securityGroup">[];
  /** For the engine. */
  interface: InterfaceSpec;
}

export interface NetworksPart {
  /** Makes a port in each network (the project's default network and group where none is given, made if needed), with free addresses. */
  createPorts(
    tx: Tx,
    request: {
      place: ProjectPlace;
      instanceId: string;
      hostName: string;
      networkIds: string[];
      securityGroupIds: string[];
      /** Who pays for the traffic; the instance, where that is not said, and nobody where it is null. */
      usageOf?: { kind: string; id: string; name: string } | null | undefined;
    },
  ): Promise<PortView[]>;
  ports(tx: Tx, instanceIds: readonly string[]): Promise<Map<string, PortView[]>>;
  /** Ports with all that leads to them: floating addresses are detached, forwards and memberships deleted. */
  deletePorts(tx: Tx, instanceId: string): Promise<void>;
  rename(tx: Tx, instanceId: string, hostName: string): Promise<void>;
  /** Brings the host's network of a project to what the records say. Calls for one project line up; cheap when nothing changed. */
  apply(projectId: string, signal?: AbortSignal): Promise<void>;
  /** A TCP connection to a port of an instance, from the control plane (`khmara ssh`). */
  connect(instanceId: string, port: number, signal?: AbortSignal): Promise<import("node:net").Socket>;
}

export interface VolumesPart {
  /** What is attached, for the engine: a rebuilt or restored instance gets it back. */
  attachments(tx: Tx, instanceId: string): Promise<{ volumeId: string; engineName: string; path: string }[]>;
  /** In the transaction that deletes the instance: volumes become free, records of snapshots go, spans end. Backups stay. */
  instanceDeleted(tx: Tx, instanceId: string): Promise<void>;
  /**
   * Gives the bytes of a backup to the step that makes an instance of them (`instanceImport`), and tells the progress. The stream fails
   * at its end when they are not those that were written (checksum); then, whatever `use` says, this fails with words about the backup.
   */
  readBackup<T>(
    backupId: string,
    options: { signal?: AbortSignal | undefined; progress?: Progress | undefined },
    use: (content: Readable) => Promise<T>,
  ): Promise<T>;
  /** Names in the engine of the copies that restore drills work with now: they have no record of an instance, and are no orphans. */
  drillCopies(tx: Tx): Promise<string[]>;
  /**
   * Compares all records with the engine. Attachments and sizes that differ are repaired, what drills left is deleted, records without
   * a volume become `missing` (or are found again); volumes of the engine that carry our labels and have no record are answered. What
   * an operation works on is left alone.
   */
  reconcile(signal?: AbortSignal): Promise<VolumeDifferences>;
  /** The record of a `missing` volume goes, with those of its snapshots and schedules; failed_precondition in another state. */
  forget(tx: Tx, volumeId: string): Promise<void>;
}

export interface VolumeDifferences {
  /** Ids of volumes whose record or attachment was put right. */
  repaired: Id<"volume">[];
  missing: Id<"volume">[];
  orphans: { kind: "volume"; name: string; labels: Record<string, string> }[];
}

export const actorIn = (context: { principal: Principal }): Actor => actorOf(context.principal);

/** The project of a route, once it is sure that the caller may do there what the route does. */
export async function openProject(
  parts: Pick<ComputeParts, "identity">,
  context: Pick<RequestContext, "authorize" | "tx">,
  projectId: string,
): Promise<ProjectPlace & { name: string; slug: string }> {
  const place = await parts.identity.projectPlace(context.tx, projectId);
  if (!place) throw notFound("project");
  context.authorize(place, "project");
  return place;
}

/** The same for an instance. */
export async function openInstance(
  parts: Pick<ComputeParts, "instances">,
  context: Pick<RequestContext, "authorize">,
  tx: Tx,
  instanceId: string,
  options: { lock?: boolean } = {},
): Promise<InstanceView> {
  const instance = await parts.instances.find(tx, instanceId, options);
  if (!instance) throw notFound("instance");
  context.authorize(placeOf(instance), "instance");
  return instance;
}

export const placeOf = ({ organisationId, projectId }: ProjectPlace): Place => ({ organisationId, projectId });
