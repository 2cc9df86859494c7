/**
 * Images are built on this machine. Before something on another one needs an image, that one's engine pulls it from the cloud's registry: the layers
 * that are not there yet, under the same id, with the labels that say whose it is.
 */
import { Readable } from "node:stream";
import { CloudError } from "../../../../kernel/errors.ts";
import type { AppEngine, CallOptions } from "../../driver.ts";
import type { NodeImageOffer, NodeImageSource } from "../../nodesDriver.ts";
import { at } from "../docker/client.ts";
import { DockerError, wordsOf } from "../docker/engineError.ts";
import type { Engine, EngineLabels } from "../docker/ownership.ts";
import { askMember, type Member } from "./members.ts";
import { registryPort } from "./names.ts";

/** Between two signs of life; unpacking says nothing meanwhile. */
const pullMs = 15 * 60_000;

/** `hostAddress`: at which nodes reach this machine. */
export function createDelivery(home: { engine: AppEngine; docker: Engine }, hostAddress: () => Promise<string>) {
  const { ownership } = home.docker;
  const sending = new Map<string, Promise<void>>();
  let source: NodeImageSource | undefined;

  async function send(member: Member, image: string): Promise<void> {
    if (source === undefined) throw new CloudError("internal", "No registry was given for the nodes.");
    const offer = await source.offer({ id: image, host: await hostAddress(), save: () => home.engine.imageSave(image) });
    const { registry, repository, digest, user, password } = offer;
    // Engine API, "Authentication".
    const account = Buffer.from(JSON.stringify({ username: user, password, serveraddress: registry })).toString("base64url");
    try {
      const words = member.docker.client.upload<{ error?: string }>("/images/create", Readable.from([]), {
        query: { fromImage: repository, tag: digest },
        headers: { "x-registry-auth": account },
        timeoutMs: pullMs,
      });
      for await (const { error } of words) if (error !== undefined) throw new DockerError(error, 0, "POST /images/create");
    } catch (error) {
      throw pullFailure(member, offer, error);
    }
  }

  async function isThere(member: Member, image: string, options?: CallOptions): Promise<boolean> {
    return (await askMember(member, (some) => member.engine.imageGet(image, some), options)) !== undefined;
  }

  return {
    pullFrom(given: NodeImageSource): void {
      source = given;
    },

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

/** What the node's engine says of the registry, in words for whoever looks after the machines. */
function pullFailure({ name }: Member, { registry }: NodeImageOffer, error: unknown): unknown {
  const said = wordsOf(error);
  if (said === "") return error;
  const failed = (reason: string, message: string) =>
    new CloudError("failed_precondition", message, { cause: error, details: { reason, node: name } });
  if (/x509|certificate|tls:/i.test(said))
    return failed(
      "node_registry_trust",
      `The node ${name} does not trust the cloud's registry at ${registry}. Invite it again (khmara node invite ${name}) and run the command there; nothing on it is lost.`,
    );
  if (/dial tcp|no route|i\/o timeout|connection (refused|reset)|unreachable|Client\.Timeout|deadline exceeded/i.test(said))
    return failed(
      "node_registry_unreachable",
      `The node ${name} cannot reach the cloud's registry at ${registry}. Open TCP ${registryPort} of the cloud's machine for its nodes.`,
    );
  if (/no space left|disk quota/i.test(said))
    return failed("node_full", `The disk of the node ${name} is full. Free some space there.`);
  return new CloudError("unavailable", `The node ${name} could not get an image from the cloud's registry. It is tried again.`, {
    cause: error,
    details: { reason: "node_image", node: name },
  });
}
