/** The part of the engine that keeps and builds images, in memory. It builds what it is given, and no more than that: a line RUN says what it does. */
import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { extract } from "tar-stream";
import { CloudError } from "../../../../kernel/errors.ts";
import { type Faults, withFaults } from "../../../compute/testing/faults.ts";
import type { AppEngine, ImageReport, Labels } from "../../driver.ts";

export interface ImageEngine extends AppEngine {
  /** What was built, in order. */
  readonly builds: { name: string; dockerfile: string; files: string[]; network: string | undefined }[];
  readonly images: Map<string, ImageReport>;
  /** With their labels. */
  readonly networks: Map<string, Labels>;
}

const prefix = "kh-test/";

export function createImageEngine(): { driver: ImageEngine; faults: Faults } {
  const images = new Map<string, ImageReport>();
  const builds: ImageEngine["builds"] = [];
  const networks: ImageEngine["networks"] = new Map();
  const find = (image: string): ImageReport | undefined =>
    images.get(image) ?? [...images.values()].find(({ names, reference }) => names.includes(image) || reference === image);
  const rename = (id: string, name: string) => {
    for (const each of images.values()) if (each.id !== id) each.names = each.names.filter((other) => other !== name);
    const image = images.get(id) as ImageReport;
    image.names = [...new Set([...image.names, name])].sort();
    for (const each of images.values()) each.reference = each.names[0] === undefined ? undefined : prefix + each.names[0];
  };
  const add = (name: string, labels: Labels, content: string, more: Partial<ImageReport> = {}): ImageReport => {
    const id = `sha256:${createHash("sha256")
      .update(JSON.stringify([labels, content]))
      .digest("hex")}`;
    const report: ImageReport = images.get(id) ?? {
      id,
      names: [],
      digests: [],
      labels,
      createdAt: new Date(),
      sizeBytes: 1000 + content.length,
      architecture: "amd64",
      defaults: {},
      exposedPorts: [],
      volumes: [],
      onBuild: [],
      ...more,
    };
    images.set(id, report);
    rename(id, name);
    return structuredClone(report);
  };
  const engine: Partial<ImageEngine> = {
    builds,
    images,
    networks,
    async networkCreate({ name, labels }) {
      networks.set(name, labels);
    },
    async networkRemove(name) {
      networks.delete(name);
    },
    networkList: async () =>
      [...networks].map(([name, labels]) => ({
        name,
        id: name,
        labels,
        internal: false,
        subnet: "10.0.0.0/24",
        gateway: "10.0.0.1",
        createdAt: new Date(),
        members: [],
      })),
    async imageImport({ name, labels }, content) {
      return add(
        name,
        labels,
        createHash("sha256")
          .update(await buffer(content))
          .digest("hex"),
      );
    },
    async imageLoad({ name, labels }, content) {
      const text = (await buffer(content)).toString();
      if (!text.startsWith("image")) throw new CloudError("invalid_argument", "This is no image.");
      return add(name, labels, text, { exposedPorts: ["9000/tcp"] });
    },
    async imagePull({ name, labels }, reference) {
      if (!reference.startsWith("docker.io/library/there"))
        throw new CloudError("failed_precondition", "The registry docker.io cannot be reached from this cloud.", {
          details: { reason: "registry_unreachable" },
        });
      return add(name, labels, reference, reference.includes("hostile") ? { onBuild: ["ADD http://10.0.0.1/ /x"] } : {});
    },
    async imageBuild({ name, labels, dockerfile, network, target }, context, { onLine, signal }) {
      if (network !== undefined && !networks.has(network)) throw new CloudError("not_found", `There is no network ${network}.`);
      const files = await filesOf(context);
      const text = files.get(dockerfile) ?? "";
      builds.push({ name, dockerfile: text, files: [...files.keys()].sort(), network });
      for (const line of text.split("\n")) {
        onLine(`Step: ${line}`);
        const [, image] = /^FROM (\S+)/.exec(line) ?? [];
        const isStage = [...text.matchAll(/^FROM \S+ AS (\S+)/gm)].some(([, each]) => each === image);
        if (image !== undefined && image !== "scratch" && !isStage && !find(image))
          throw new CloudError("failed_precondition", `There is no image ${image}.`, { details: { reason: "build_failed" } });
        if (line === "RUN fail")
          throw new CloudError("failed_precondition", "A step of the build failed (exit code 1).", {
            details: { reason: "build_failed", exitCode: 1 },
          });
        if (line === "RUN wait")
          await new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason), { once: true }));
      }
      const image = add(name, labels, JSON.stringify([...files, target]));
      return { image, usage: { seconds: 1 } };
    },
    async imageGet(image) {
      return structuredClone(find(image));
    },
    async imageTag(image, name) {
      rename((find(image) as ImageReport).id, name);
    },
    imageList: async () => structuredClone([...images.values()]),
    async imageRemove(image) {
      const found = find(image);
      if (!found) return;
      found.names = image.startsWith("sha256:") ? [] : found.names.filter((name) => name !== image);
      found.reference = found.names[0] === undefined ? undefined : prefix + found.names[0];
      if (found.names.length === 0) images.delete(found.id);
    },
    close() {},
  };
  return withFaults(engine as ImageEngine, ["builds", "images", "networks", "close"]);
}

async function filesOf(context: Readable): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const reader = extract();
  context.on("error", (error) => reader.destroy(error));
  context.pipe(reader);
  for await (const entry of reader) files.set(entry.header.name, (await buffer(entry)).toString());
  return files;
}
