import assert from "node:assert/strict";
import { globSync, readdirSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { dockerMissing, removeCloud, testCloudId, testDocker } from "../../../../testing/docker.ts";
import { buildConformance } from "../conformance.builds.ts";
import { eventually, openSuite, type Suite } from "../conformance.suite.ts";
import { DockerClient } from "./client.ts";
import { openDockerEngine } from "./index.ts";

describe("Docker: builds", { skip: dockerMissing() ?? false, concurrency: false, timeout: 600_000 }, () => {
  const suite = {} as Suite;
  let client: DockerClient;
  before(
    async () => {
      const { socket } = await testDocker();
      const cloudId = testCloudId();
      client = new DockerClient({ endpoint: socket });
      const engine = openDockerEngine({ address: { endpoint: socket }, cloudId });
      const close = () => removeCloud(socket, cloudId);
      Object.assign(suite, await openSuite(async () => ({ engine, other: engine, close })));
    },
    { timeout: 300_000 },
  );
  after(() => suite.close?.());
  buildConformance(suite);

  test("nothing is left of all these: no container, no control group", async () => {
    const mine = new RegExp(`^khmarabuild_${process.pid}_`);
    const groups = () =>
      globSync("/sys/fs/cgroup{,/*}").flatMap((folder) => {
        try {
          return readdirSync(folder).filter((name) => mine.test(name));
        } catch {
          return [];
        }
      });
    await eventually(groups, (left) => left.length === 0);
    type Container = { HostConfig: { CgroupParent: string } };
    const containers = async () => {
      const all = await client.get<{ Id: string }[]>("/containers/json", { query: { all: true } });
      const whole = await Promise.all(all.map(({ Id }) => client.find<Container>(`/containers/${Id}/json`)));
      return whole.filter((each) => mine.test(each?.HostConfig.CgroupParent.slice(1) ?? ""));
    };
    await eventually(containers, (left) => left.length === 0);
    assert.deepEqual(await suite.engine.containerList(), []);
  });
});
