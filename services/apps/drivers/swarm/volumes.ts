/**
 * Where volumes are. One that may be on any node is in the swarm's own records (Engine API, "Configs": an empty one for each), written before
 * it is made: whoever finds none there, and none here, may make it. The others are on the engine's own machine.
 */
import { createHash } from "node:crypto";
import { CloudError } from "../../../../kernel/errors.ts";
import type { AppEngine, CallOptions, VolumeReport, VolumeSpec } from "../../driver.ts";
import { at } from "../docker/client.ts";
import { type Engine, type EngineLabels, labelsIn, nameIn } from "../docker/ownership.ts";
import { askMember, isDown, type Member, type Members } from "./members.ts";

const nodeKey = "khmara.volume-node";

interface Config {
  ID: string;
  Spec: { Name: string; Labels: EngineLabels };
}

export interface VolumePlace {
  name: string;
  labels: Record<string, string>;
  nodeId: string;
  recordId: string;
}

export type SwarmVolumes = ReturnType<typeof createSwarmVolumes>;

/** `choose`: the node with most room. */
export function createSwarmVolumes(
  home: { engine: AppEngine; docker: Engine },
  members: Members,
  choose: (options?: CallOptions) => Promise<Member | undefined>,
) {
  const { client, ownership } = home.docker;

  async function records(options?: CallOptions): Promise<VolumePlace[]> {
    const configs = await client.get<Config[]>("/configs", { query: { filters: ownership.filter() }, signal: options?.signal });
    return configs
      .filter(({ Spec }) => Spec.Labels?.[nodeKey] !== undefined && ownership.isOurs(Spec.Labels))
      .map(({ ID, Spec }) => ({
        name: nameIn(Spec.Labels),
        labels: labelsIn(Spec.Labels),
        nodeId: Spec.Labels?.[nodeKey] as string,
        recordId: ID,
      }));
  }

  /** The node that a volume is on; undefined of one that has no record, and so is here or nowhere. */
  async function memberOf(name: string, all: readonly Member[], options?: CallOptions): Promise<Member | undefined> {
    if (all.length === 0) return undefined;
    const record = (await records(options)).find((each) => each.name === name);
    if (record === undefined) return undefined;
    const member = all.find(({ id }) => id === record.nodeId);
    if (member === undefined)
      throw new CloudError("failed_precondition", `The volume ${name} was on a node that has left. Remove that node for good.`, {
        details: { reason: "node_gone" },
      });
    return member;
  }

  async function make(member: Member, spec: VolumeSpec, options?: CallOptions): Promise<void> {
    if (!member.up) throw isDown(member, `The volume ${spec.name}`);
    await member.engine.volumeCreate({ name: spec.name, labels: spec.labels }, options);
  }

  async function nodeFor(near: readonly string[], all: readonly Member[], options?: CallOptions): Promise<Member | undefined> {
    for (const other of near) {
      const member = await memberOf(other, all, options);
      if (member !== undefined) return member;
      if ((await home.engine.volumeGet(other, options)) !== undefined) return undefined;
    }
    return choose(options);
  }

  return {
    records,
    memberOf,

    async create(spec: VolumeSpec, options?: CallOptions): Promise<void> {
      const { near, ...plain } = spec;
      const all = near === undefined ? [] : await members.all(options);
      const recorded = await memberOf(spec.name, all, options);
      if (recorded !== undefined) return make(recorded, plain, options);
      if (near === undefined || all.length === 0 || (await home.engine.volumeGet(spec.name, options)) !== undefined)
        return home.engine.volumeCreate(plain, options);
      const member = await nodeFor(near, all, options);
      if (member === undefined || member.home) return home.engine.volumeCreate(plain, options);
      const engineName = ownership.engineName(spec.name);
      try {
        await client.post(
          "/configs/create",
          {
            // At most 64 letters.
            Name: `kh-volume-${createHash("sha256").update(engineName).digest("hex").slice(0, 40)}`,
            Labels: { ...ownership.labelsFor(spec.name, spec.labels), [nodeKey]: member.id },
            Data: Buffer.from(engineName).toString("base64"),
          },
          { signal: options?.signal },
        );
      } catch (error) {
        // Somebody was quicker, perhaps with another node.
        if (!CloudError.is(error, "already_exists") && !CloudError.is(error, "conflict")) throw error;
        const there = await memberOf(spec.name, all, options);
        if (there === undefined) throw error;
        return make(there, plain, options);
      }
      await make(member, plain, options);
    },

    async get(name: string, options?: CallOptions): Promise<VolumeReport | undefined> {
      const member = await memberOf(name, await members.all(options), options);
      if (member === undefined) return home.engine.volumeGet(name, options);
      if (!member.up) throw isDown(member, `The volume ${name}`);
      return askMember(member, (some) => member.engine.volumeGet(name, some), options);
    },

    /** Of the nodes that are up. */
    async list(options?: CallOptions): Promise<VolumeReport[]> {
      const all = (await members.all(options)).filter(({ up, home: isHome }) => up && !isHome);
      const lists = [
        home.engine.volumeList(options),
        ...all.map((member) => askMember(member, (some) => member.engine.volumeList(some), options)),
      ];
      return (await Promise.all(lists)).flat();
    },

    async remove(name: string, options?: CallOptions): Promise<void> {
      const all = await members.all(options);
      const record = all.length === 0 ? undefined : (await records(options)).find((each) => each.name === name);
      if (record === undefined) return home.engine.volumeRemove(name, options);
      const member = all.find(({ id }) => id === record.nodeId);
      if (member !== undefined && !member.up) throw isDown(member, `The volume ${name}`);
      await member?.engine.volumeRemove(name, options);
      await forget(record, options);
    },

    forget,
  };

  async function forget({ recordId }: VolumePlace, options?: CallOptions): Promise<void> {
    await client.delete(at`/configs/${recordId}`, { signal: options?.signal });
  }
}
