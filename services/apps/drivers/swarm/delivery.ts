/**
 * Images are built on this machine. Before something on another one needs an image it is sent there, through the engines' own API and so over
 * their mutual TLS, as it is: the same content under the same id, with the labels that say whose it is.
 */
import { Readable } from "node:stream";
import { CloudError } from "../../../../kernel/errors.ts";
import type { AppEngine, CallOptions } from "../../driver.ts";
import { at } from "../docker/client.ts";
import { DockerError } from "../docker/engineError.ts";
import type { Engine, EngineLabels } from "../docker/ownership.ts";
import { askMember, type Member } from "./members.ts";

/** Unpacking takes as long as it takes, and says nothing meanwhile. */
const unpackMs = 15 * 60_000;

export function createDelivery(home: { engine: AppEngine; docker: Engine }) {
  const { ownership } = home.docker;
  const sending = new Map<string, Promise<void>>();

  async function send(member: Member, image: string): Promise<void> {
    const content = await home.engine.imageSave(image);
    const words = member.docker.client.upload<{ error?: string }>("/images/load", Readable.from(content), {
      query: { quiet: true },
      timeoutMs: unpackMs,
    });
    try {
      for await (const { error } of words) {
        if (error !== undefined)
          throw new CloudError("unavailable", `The image could not be sent to the node ${member.name}. Try again.`, {
            cause: new DockerError(error, 0, "POST /images/load"),
            details: { reason: "node_image", node: member.name },
          });
      }
    } finally {
      content.destroy();
    }
  }

  async function isThere(member: Member, image: string, options?: CallOptions): Promise<boolean> {
    return (await askMember(member, (some) => member.engine.imageGet(image, some), options)) !== undefined;
  }

  return {
    /** By id. Those who need the same at once wait for one sending. */
    async deliver(member: Member, image: string, options?: CallOptions): Promise<void> {
      if (member.home || (await isThere(member, image, options))) return;
      if (member.node.Description.Platform.Architecture !== "" && !(await sameArchitecture(member, options)))
        throw new CloudError(
          "failed_precondition",
          `The node ${member.name} has another processor than this machine: images that are built here do not run there. Take that node out.`,
          { details: { reason: "node_architecture", node: member.name } },
        );
      const key = `${member.id} ${image}`;
      const work = sending.get(key) ?? send(member, image).finally(() => sending.delete(key));
      sending.set(key, work);
      await work;
      options?.signal?.throwIfAborted();
      if (await isThere(member, image, options)) return;
      throw new CloudError(
        "failed_precondition",
        `The engine of the node ${member.name} gives images other ids than this one. Use the same Docker there.`,
        {
          details: { reason: "node_image", node: member.name },
        },
      );
    },

    /** What this machine has no more is not kept on others; what is in use there goes the next time. */
    async sweep(member: Member, options?: CallOptions): Promise<void> {
      const { client } = member.docker;
      const query = { filters: ownership.filter() };
      const listed = await client.get<{ Id: string; Labels: EngineLabels }[]>("/images/json", { query, signal: options?.signal });
      for (const { Id } of listed) {
        if ((await home.engine.imageGet(Id, options)) !== undefined) continue;
        await client.delete(at`/images/${Id}`, { signal: options?.signal, timeoutMs: 120_000 }).catch((error) => {
          if (!CloudError.is(error, "conflict") && !CloudError.is(error, "failed_precondition")) throw error;
        });
      }
    },
  };

  async function sameArchitecture(member: Member, options?: CallOptions): Promise<boolean> {
    const { architecture } = await home.engine.info(options);
    return architecture === architectureOf(member.node.Description.Platform.Architecture);
  }
}

/** As images have it. */
export const architectureOf = (platform: string): string => ({ x86_64: "amd64", aarch64: "arm64" })[platform] ?? platform;
