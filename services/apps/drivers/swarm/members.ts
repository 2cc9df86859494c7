/** The machines of a swarm (Engine API, "Nodes"), each with an engine of its own that is asked over mutual TLS. */
import { CloudError } from "../../../../kernel/errors.ts";
import type { AppEngine, CallOptions } from "../../driver.ts";
import type { NodeIdentity } from "../../nodesDriver.ts";
import { DockerClient } from "../docker/client.ts";
import { openDockerEngine } from "../docker/index.ts";
import type { Engine } from "../docker/ownership.ts";
import { enginePort, nodeLabel, serverNameOf } from "./names.ts";

/** `GET /nodes`: what is used of it. */
export interface SwarmNode {
  ID: string;
  Version: { Index: number };
  Spec: { Name?: string; Labels: Record<string, string> | null; Role: string; Availability: "active" | "pause" | "drain" };
  Description: {
    Hostname: string;
    Platform: { Architecture: string };
    Resources: { NanoCPUs: number; MemoryBytes: number };
    Engine: { EngineVersion: string; Labels?: Record<string, string> | null };
  };
  Status: { State: "ready" | "down" | "unknown" | "disconnected"; Addr: string };
  ManagerStatus?: { Addr: string; Leader?: boolean } | null;
}

interface SwarmInfo {
  NodeID?: string;
  NodeAddr?: string;
  LocalNodeState?: string;
  ControlAvailable?: boolean;
}

export interface Member {
  id: string;
  name: string;
  /** This machine's own engine. */
  home: boolean;
  /** As the swarm says: one that is not up is not asked. */
  up: boolean;
  draining: boolean;
  node: SwarmNode;
  engine: AppEngine;
  docker: Engine;
}

/** Members come and go seldom; each call that is about several asks at most so often. */
const freshMs = 1000;
/** An engine that was no swarm's a moment ago is asked again after so long. */
const aloneMs = 10_000;
/** For short questions to another machine: one that has lost its power says nothing at all. */
export const answerMs = 5000;

interface Door {
  address: string;
  engine: AppEngine;
  docker: Engine;
}

export class Members {
  readonly #home: { engine: AppEngine; docker: Engine };
  readonly #doors = new Map<string, Door>();
  #identity: (() => Promise<NodeIdentity>) | undefined;
  #known: { at: number; members: Member[] } | undefined;
  #asking: Promise<Member[]> | undefined;

  constructor(home: { engine: AppEngine; docker: Engine }) {
    this.#home = home;
  }

  identifyBy(identity: () => Promise<NodeIdentity>): void {
    this.#identity = identity;
    this.#closeDoors();
    this.forget();
  }

  /** What is known of the members may be another truth now. */
  forget(): void {
    this.#known = undefined;
  }

  /** None while there is one machine. */
  async all(options?: CallOptions): Promise<Member[]> {
    const known = this.#known;
    if (known !== undefined && Date.now() - known.at < (known.members.length === 0 ? aloneMs : freshMs)) return known.members;
    // One question for all who ask at once; whoever gives up does not end it for the others.
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    const members = await this.#asking;
    options?.signal?.throwIfAborted();
    return members;
  }

  async info(): Promise<SwarmInfo> {
    const { client } = this.#home.docker;
    return (await client.get<{ Swarm?: SwarmInfo }>("/info")).Swarm ?? {};
  }

  close(): void {
    this.#closeDoors();
  }

  #closeDoors(): void {
    for (const id of [...this.#doors.keys()]) this.#closeDoor(id);
  }

  async #ask(): Promise<Member[]> {
    const { client } = this.#home.docker;
    const { NodeID, LocalNodeState, ControlAvailable } = await this.info();
    let members: Member[] = [];
    if (LocalNodeState === "active" && ControlAvailable) {
      const nodes = await client.get<SwarmNode[]>("/nodes");
      // One machine that is a swarm by itself is one machine.
      if (nodes.length > 1) members = await Promise.all(nodes.map((node) => this.#memberOf(node, node.ID === NodeID)));
    }
    for (const id of this.#doors.keys()) if (!members.some((each) => each.id === id && each.up)) this.#closeDoor(id);
    this.#known = { at: Date.now(), members };
    return members;
  }

  async #memberOf(node: SwarmNode, home: boolean): Promise<Member> {
    const { ID: id, Spec, Description, Status } = node;
    return {
      id,
      name: Description.Engine.Labels?.[nodeLabel] ?? (home ? Description.Hostname : `${Description.Hostname}-${id.slice(0, 4)}`),
      home,
      up: home || Status.State === "ready",
      draining: Spec.Availability !== "active",
      node,
      ...(home ? this.#home : await this.#doorOf(node)),
    };
  }

  async #doorOf({ ID, Description, Status }: SwarmNode): Promise<Door> {
    const name = Description.Engine.Labels?.[nodeLabel];
    const there = this.#doors.get(ID);
    const endpoint = `https://${Status.Addr.includes(":") ? `[${Status.Addr}]` : Status.Addr}:${enginePort}`;
    const address = `${name} ${endpoint}`;
    if (there?.address === address) return there;
    this.#closeDoor(ID);
    const identity = name === undefined ? undefined : await this.#identity?.();
    const tls =
      identity === undefined || name === undefined
        ? { certificate: "", key: "", authority: "" }
        : { ...identity, serverName: serverNameOf(name) };
    const { ownership } = this.#home.docker;
    const door: Door = {
      address,
      engine: openDockerEngine({ address: { endpoint, tls }, cloudId: ownership.cloudId }),
      docker: { client: new DockerClient({ endpoint, tls }), ownership },
    };
    this.#doors.set(ID, door);
    return door;
  }

  /** Whoever still waits for an answer is told that there will be none. */
  #closeDoor(id: string): void {
    const door = this.#doors.get(id);
    this.#doors.delete(id);
    door?.engine.close();
    door?.docker.client.close();
  }
}

/** A short question to a member; one that does not answer is `unavailable`, by its name. */
export async function askMember<T>(
  member: Member,
  work: (options: CallOptions) => Promise<T>,
  options: CallOptions | undefined,
): Promise<T> {
  if (member.home) return work({ signal: options?.signal });
  const late = AbortSignal.timeout(answerMs);
  try {
    return await work({ signal: options?.signal === undefined ? late : AbortSignal.any([options.signal, late]) });
  } catch (error) {
    options?.signal?.throwIfAborted();
    if (late.aborted || CloudError.is(error, "unavailable") || CloudError.is(error, "deadline_exceeded"))
      throw unreachable(member, error);
    throw error;
  }
}

export const unreachable = (member: Member, cause?: unknown): CloudError =>
  new CloudError("unavailable", `The node ${member.name} does not answer. It is asked again by itself.`, {
    cause,
    details: { reason: "node_unreachable", node: member.name, retryAfterSeconds: 5 },
  });

export const isDown = (member: Pick<Member, "name">, what: string): CloudError =>
  new CloudError(
    "failed_precondition",
    `${what} is on the node ${member.name}, which is down. Start that machine again, or remove the node for good.`,
    { details: { reason: "node_down", node: member.name } },
  );
