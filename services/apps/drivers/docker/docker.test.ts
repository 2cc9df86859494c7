import { after, before, describe } from "node:test";
import { dockerMissing, removeCloud, testCloudId, testDocker } from "../../../../testing/docker.ts";
import { accessConformance } from "../conformance.access.ts";
import { containerConformance } from "../conformance.containers.ts";
import { imageConformance } from "../conformance.images.ts";
import { openSuite, type Suite } from "../conformance.suite.ts";
import { openDockerEngine } from "./index.ts";

describe("Docker: the engine of applications", { skip: dockerMissing() ?? false, concurrency: false, timeout: 600_000 }, () => {
  const suite = {} as Suite;
  before(
    async () => {
      const { socket } = await testDocker();
      const [one, two] = [testCloudId(), testCloudId()];
      const engineOf = (cloudId: string) => openDockerEngine({ address: { endpoint: socket }, cloudId });
      const close = async () => {
        for (const cloudId of [one, two]) await removeCloud(socket, cloudId);
      };
      Object.assign(suite, await openSuite(async () => ({ engine: engineOf(one), other: engineOf(two), close })));
    },
    { timeout: 300_000 },
  );
  after(() => suite.close?.());
  imageConformance(suite);
  containerConformance(suite);
  accessConformance(suite);
});
