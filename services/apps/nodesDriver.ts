/** The part of the engine's port (driver.ts) that several machines have. */
import type { Readable } from "node:stream";
import type { CallOptions, Labels } from "./driver.ts";

/** `down`: the others have lost it, and what may run elsewhere does. `unreachable`: it is there, and its engine does not answer us. */
export type NodeState = "ready" | "down" | "unreachable";

/** One of several machines that containers run on. */
export interface NodeReport {
  /** The engine's own. */
  id: string;
  name: string;
  /** Of the machine, in the network of the nodes. */
  address: string;
  /** The engine's own machine: images are built there, and what is not spread is there. */
  home: boolean;
  state: NodeState;
  /** It is to be empty of what may run elsewhere, and gets nothing new. */
  draining: boolean;
  engineVersion: string;
  architecture: string;
  cpus: number;
  memoryBytes: number;
  /** Ours, running; those of a node that does not answer are not known. */
  containers?: number | undefined;
  /** Our volumes that are on it alone; of the engine's own machine they are not counted. */
  volumes: { name: string; labels: Labels }[];
}

/** PEM. */
export interface NodeIdentity {
  /** Who vouches for the engines of nodes, and for us before them. */
  authority: string;
  certificate: string;
  key: string;
}

/** Where nodes get the images of the engine's own machine from. */
export interface NodeImageSource {
  /**
   * Makes an image one that nodes can pull. `host`: at which they reach this machine. failed_precondition `node_registry`: it cannot be served
   * there; storage_full.
   */
  offer(image: { id: string; host: string; save: () => Promise<Readable> }, options?: CallOptions): Promise<NodeImageOffer>;
}

export interface NodeImageOffer {
  /** `10.0.0.1:2378`. */
  registry: string;
  /** As `docker pull` takes it, before `@` and the digest. */
  repository: string;
  /** Of the manifest. */
  digest: string;
  /** Lets whoever has it read this image alone, for a while. */
  user: string;
  password: string;
}

/** What a machine needs to become a node; whoever has it can become one. */
export interface NodeInvitation {
  /** `10.0.0.1:2377`: where it asks to be let in. */
  manager: string;
  token: string;
}

/** Several machines as one engine. With one machine alone the list is empty, until the first invitation. */
export interface AppNodes {
  /** How we show ourselves to the engines of nodes; asked for when it is needed. Before this is called no node can be reached. */
  identifyBy(identity: () => Promise<NodeIdentity>): void;
  /** Before this is called no node gets an image. */
  pullFrom(source: NodeImageSource): void;
  list(options?: CallOptions): Promise<NodeReport[]>;
  /**
   * Ends all invitations that were made before. The first one makes this machine the manager; `address` is where the others reach it, which
   * has to be said where it has several (failed_precondition `address_needed`).
   */
  invite(options?: CallOptions & { address?: string | undefined }): Promise<NodeInvitation>;
  drain(node: string, options?: CallOptions): Promise<void>;
  activate(node: string, options?: CallOptions): Promise<void>;
  /**
   * One that is down, or drained and without volumes. failed_precondition `node_in_use`; with `abandonVolumes` the volumes on one that is
   * down are given up: they are made anew, empty, when they are needed.
   */
  remove(node: string, options?: CallOptions & { abandonVolumes?: boolean | undefined }): Promise<void>;
}
