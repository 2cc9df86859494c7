import { spawnSync } from "node:child_process";
import { after, before, describe } from "node:test";
import { dockerMissing, removeCloud, testCloudId, testDocker } from "../../../../testing/docker.ts";
import { accessConformance } from "../conformance.access.ts";
import { containerConformance } from "../conformance.containers.ts";
import { imageConformance } from "../conformance.images.ts";
import { eventually, openSuite, type Suite } from "../conformance.suite.ts";
import { openDockerEngine } from "./index.ts";

/** A program where the engine's own loopback is. */
const inNamespace = (network: string | undefined, command: string[]): [string, string[], { encoding: "utf8" }] => {
  const words = network === undefined ? command : ["nsenter", `--net=${network}`, ...command];
  return [words[0] as string, words.slice(1), { encoding: "utf8" }];
};

describe("Docker: the engine of applications", { skip: dockerMissing() ?? false, concurrency: false, timeout: 600_000 }, () => {
  const suite = {} as Suite;
  before(
    async () => {
      const { socket, network } = await testDocker();
      const [one, two] = [testCloudId(), testCloudId()];
      const engineOf = (cloudId: string) => openDockerEngine({ address: { endpoint: socket }, cloudId });
      const close = async () => {
        for (const cloudId of [one, two]) await removeCloud(socket, cloudId);
      };
      const reachesHost = (port: number, words: string) =>
        eventually(
          () =>
            spawnSync(
              ...inNamespace(network, [
                "timeout",
                "5",
                "bash",
                "-c",
                `exec 3<>/dev/tcp/127.0.0.1/${port}; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3`,
              ]),
            ).stdout,
          (answer) => answer.includes(words),
        ).then(() => {});
      Object.assign(suite, await openSuite(async () => ({ engine: engineOf(one), other: engineOf(two), reachesHost, close })));
    },
    { timeout: 300_000 },
  );
  after(() => suite.close?.());
  imageConformance(suite);
  containerConformance(suite);
  accessConformance(suite);
});
