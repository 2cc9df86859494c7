import type { Place } from "../../kernel/auth/principal.ts";
import type { Actor } from "../../kernel/contract.ts";
import type { Database, Tx } from "../../kernel/db/database.ts";
import type { Id } from "../../kernel/ids.ts";
import type { Log } from "../../kernel/log.ts";
import type { Secrets } from "../../kernel/secrets.ts";
import type { DatabaseLinks } from "../databases/contract.ts";
import type { IdentityService } from "../identity/contract.ts";
import type { ObjectsService } from "../objects/contract.ts";
import type { CronJob as PlannedCronJob } from "./building/plan.ts";
import type { AppState, DeploymentSource } from "./deploying/contract.ts";
import type { AppEngine } from "./driver.ts";
import type { LinkKind } from "./linking/contract.ts";
import type { VisitAnswer, VisitRequest } from "./routing/visits.ts";

export type { Area } from "../../kernel/service.ts";

/** What every part of the service works with. */
export interface AppsParts {
  database: Database;
  identity: IdentityService;
  objects: ObjectsService;
  secrets: Secrets;
  log: Log;
  /** Of the whole cloud; ours is `apps` in it. */
  dataDirectory: string;
  /** Throws failed_precondition (`details.reason` engine_missing), saying what is missing and how to add it, while there is none. */
  engine(): AppEngine;
  /** Databases that apps may use; absent: there are none. */
  databaseLinks?: DatabaseLinks | undefined;
  /** Where this host serves S3, for apps; absent: it does not. */
  objectDoor?: ObjectDoorAddress | undefined;
  /** The address of the cloud's own registry, as `docker login` takes it: `cloud.example.org`, `127.0.0.1:8080`. */
  registryHost?: string | undefined;
  /** The parts as each other sees them; set once all are made. */
  deploying: DeployingPart;
  running: RunningPart;
  routing: RoutingPart;
  linking: LinkingPart;
  cron: CronPart;
}

export interface ObjectDoorAddress {
  /** Where this host itself listens: an address of it, or `0.0.0.0`; absent: it is elsewhere. */
  local?: { address: string; port: number } | undefined;
  /** As people reach it. */
  url: string;
  region: string;
}

/** An app as the other parts see it. */
export interface AppView {
  id: Id<"app">;
  name: string;
  organisationId: string;
  projectId: string;
  state: AppState;
  /** What requests go to, or went to before it was stopped. */
  liveReleaseId?: Id<"release"> | undefined;
  protected: boolean;
  /** Of a preview: the app that it is one of. */
  parentId?: Id<"app"> | undefined;
}

export interface ReleaseProcess {
  /** For `sh -c`; absent: what the image itself starts. */
  command?: string | undefined;
  /** SIGTERM unless said. */
  stopSignal?: string | undefined;
  /** How it is scaled when it is new; absent: 1 of 512 MiB and 1 processor. */
  count?: number | undefined;
  memoryBytes?: number | undefined;
  cpus?: number | undefined;
}

/** All that it takes to run a release; immutable. */
export interface ReleaseView {
  id: Id<"release">;
  number: number;
  appId: Id<"app">;
  organisationId: string;
  projectId: string;
  /** In the engine: `sha256:…`. */
  imageId: string;
  port: number;
  /** Without a path: its port takes connections. */
  healthCheck: { path?: string | undefined; intervalSeconds: number; timeoutSeconds: number; startSeconds: number };
  /** `web` is the one that the gateway reaches; without it nothing is reached. */
  processes: Readonly<Record<string, ReleaseProcess>>;
  /** Of capabilities(7), without CAP_: what its containers keep of root's rights. */
  capabilities: readonly string[];
  /** As whom they run; absent: as the image says. */
  user?: string | undefined;
  /** Small files that are in its containers: the certificate of linked databases. */
  files?: readonly { path: string; content: string }[] | undefined;
  /** With PORT, and with secrets in the clear: never logged. */
  environment: Readonly<Record<string, string>>;
}

export interface CallOptions {
  signal?: AbortSignal | undefined;
  /** For the deployment's log: a line for people. */
  onLine?: ((line: string) => void) | undefined;
}

export interface DeployingPart {
  /** Sees what the transaction may see. `lock`: the row stays locked until the commit. */
  find(tx: Tx, id: string, options?: { lock?: boolean }): Promise<AppView | undefined>;
  /** Of the whole cloud (a system transaction) or a project; in pages of ids (`after`). */
  list(tx: Tx, filter: { projectId?: string; after?: string; limit: number }): Promise<AppView[]>;
  /** All of one name that the transaction may see; each is in another project. */
  named(tx: Tx, name: string): Promise<AppView[]>;
  /** Throws failed_precondition with the reason, as `appActions` says. */
  checkAction(app: AppView, action: string): void;
  /** With its settings opened: for system transactions. */
  release(tx: Tx, releaseId: string): Promise<ReleaseView | undefined>;
  /** What the reconciler sees of the live release's containers; nothing while a person has stopped it or it is deleted. */
  setHealth(tx: Tx, appId: string, health: { state: "running" } | { state: "failing"; reason: string }): Promise<void>;
  /**
   * Begins a deployment of source code that lies in a folder of ours (it is taken over: moved or removed), for doors such as git. Answers the
   * deployment and its operation.
   */
  deployFolder(request: {
    appId: string;
    actor: Actor;
    /** For the audit. */
    sourceIp?: string | undefined;
    folder: string;
    source: DeploymentSource;
  }): Promise<{ deploymentId: Id<"deployment">; operationId: Id<"operation"> }>;
  /** A new release of what is live with the settings of now, in the transaction that holds the app; undefined where nothing runs. `what` is for people. */
  deployAgain(
    tx: Tx,
    appId: string,
    what: string,
    actor: Actor,
  ): Promise<{ deploymentId: Id<"deployment">; operationId: Id<"operation"> } | undefined>;
  /** failed_precondition when a person has given one of these a value. */
  checkLinkNames(tx: Tx, appId: string, names: readonly string[]): Promise<void>;
  /** What links give an app, all of it: others of theirs go. A person's own go before `shared`. */
  linkSettings(
    tx: Tx,
    appId: string,
    variables: {
      set: Readonly<Record<string, { value: string; isSecret: boolean }>>;
      shared: Readonly<Record<string, { value: string; isSecret: boolean }>>;
    },
  ): Promise<void>;
  linkedValues(tx: Tx, appId: string): Promise<Record<string, string>>;
  /** The log of a deployment as it grows, and how it ended in words, until then or until the signal. */
  follow(deploymentId: string, signal: AbortSignal): AsyncGenerator<string>;
}

/** Where a container of an app is reached from this host. */
export interface Endpoint {
  appId: string;
  releaseId: string;
  /** `web-2`; unique in the app over all releases that are there: containers of two releases never have the same. */
  container: string;
  address: string;
  port: number;
}

export interface RunningPart {
  /** In the transaction that makes a release: rows for its processes, with what the manifest says or 1 web of 512 MiB and 1 processor; kept scales stay. */
  releaseMade(tx: Tx, release: Pick<ReleaseView, "appId" | "organisationId" | "projectId" | "processes">): Promise<void>;
  /** Disks that the manifest asks for are made; those that are there stay. */
  ensureDisks(tx: Tx, appId: string, disks: readonly { name: string; path: string }[]): Promise<void>;
  hasDisks(tx: Tx, appId: string): Promise<boolean>;
  /** Makes and starts the containers of a release as its processes' counts say; beside what else runs of the app. Harmless to repeat. */
  start(releaseId: string, options?: CallOptions): Promise<void>;
  /**
   * Until all of them are healthy, as the release's check says. failed_precondition (`details.reason` unhealthy) when they are not in time or
   * end by themselves, with the last lines of their output in the message.
   */
  awaitHealthy(releaseId: string, options?: CallOptions): Promise<void>;
  /** A container of its own, for the release command: its exit code. Output goes to onLine. */
  runOnce(releaseId: string, command: string, options?: CallOptions): Promise<number>;
  /** Drains, stops and removes the containers of an app, but for those of one release. */
  retire(appId: string, options?: CallOptions & { keepReleaseId?: string | undefined }): Promise<void>;
  /** Removes those of one release at once: it never came to serve. */
  discard(releaseId: string, options?: CallOptions): Promise<void>;
  /** What the gateway may send requests to: containers of process web of live releases that are healthy, of apps that are not stopped. */
  endpoints(tx: Tx): Promise<Endpoint[]>;
  /** How many run, by app and process. */
  counts(tx: Tx, appIds: readonly string[]): Promise<Map<string, { name: string; wanted: number; running: number }[]>>;
  /** Containers, disks, logs, samples; and the project's network with its last app. Records too, in a transaction of its own. */
  remove(appId: string, options?: CallOptions): Promise<void>;
}

/** Which link gave which variables of a release. */
export interface ReleaseLink {
  id: string;
  names: string[];
}

export interface LinkingPart {
  /** Brings the settings of an app to what its links are now, in the transaction that makes a release or changes a link. */
  bring(tx: Tx, appId: string): Promise<ReleaseLink[]>;
  /** failed_precondition (`details.reason` links_missing) with what has to be linked before. */
  check(
    tx: Tx,
    app: Pick<AppView, "id" | "name">,
    wanted: readonly { kind: LinkKind; prefix?: string | undefined }[],
  ): Promise<void>;
  /** Variables of links that are no more: they let nobody in. */
  gone(tx: Tx, links: readonly ReleaseLink[]): Promise<string[]>;
  files(tx: Tx, links: readonly ReleaseLink[]): Promise<{ path: string; content: string }[]>;
  /** In the transaction that deletes an app: what was made for its links goes. */
  appDeleted(tx: Tx, appId: string): Promise<void>;
}

export interface CronPart {
  /** In the transaction that makes a release the live one: what it wants to run by the clock; what persons made stays. */
  live(tx: Tx, appId: string, jobs: readonly PlannedCronJob[]): Promise<void>;
}

export interface RoutingPart {
  /** Where a browser finds an app; all its names, its own first. */
  hosts(
    tx: Tx,
    apps: readonly Pick<AppView, "id" | "name" | "projectId">[],
  ): Promise<Map<string, { url: string; hosts: string[] }>>;
  /** Brings the gateway to what the records and `running.endpoints` say. Calls line up and are joined; resolves when new requests are handled so. */
  apply(options?: CallOptions): Promise<void>;
  /** Resolves when the container answers nobody any more, or at the deadline. */
  drain(appId: string, container: string, options: { deadlineMs: number; signal?: AbortSignal | undefined }): Promise<void>;
  /** Requests for each app in a span of time, for charts and for scaling. */
  requests(appId: string, from: Date, to: Date, stepSeconds: number): Promise<RequestSample[]>;
  /** In the transaction that deletes an app. */
  appDeleted(tx: Tx, appId: string): Promise<void>;
  /** What is answered to an ACME server that asks for this token over HTTP; undefined when nothing was asked for. */
  challenge(token: string): Promise<string | undefined>;
  /** What is below `/.khmara/` of an app's host that asks for a sign-in. */
  visit(request: VisitRequest): Promise<VisitAnswer>;
}

export interface RequestSample {
  at: Date;
  requests: number;
  /** Answers of 500 and above. */
  errors: number;
  sentBytes: number;
  /** Milliseconds. */
  p50: number;
  p95: number;
  p99: number;
}

/** The place of an app, for authorizing. */
export const placeOf = (app: Pick<AppView, "organisationId" | "projectId">): Place => ({
  organisationId: app.organisationId,
  projectId: app.projectId,
});
