/** The gateway beside its cloud: started with it, found again after any death, and ended with it. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { runningKhmara } from "../server/data-folder.ts";
import { gatewayProcesses } from "../server/gateway-process.ts";
import { dockerMissing } from "../testing/docker.ts";
import { eventually, gone } from "../testing/launcher.ts";
import { newCloud, type TestCloud } from "./cloud.ts";

describe("the gateway of a cloud", { skip: dockerMissing() ?? false }, () => {
  let cloud: TestCloud;
  before(async () => {
    cloud = await newCloud({ apps: true });
    await cloud.start();
  });
  after(() => cloud?.remove());

  const folder = () => `${cloud.dataDirectory}/gateway`;
  const masterOf = () => gatewayProcesses(folder())[0];
  const ask = async (): Promise<number> => {
    const response = await fetch(`http://127.0.0.1:${cloud.apps?.httpPort}/`, { headers: { connection: "close" } });
    assert.match(await response.text(), /There is nothing here/);
    return response.status;
  };
  const answers = () => eventually(ask, (status) => status === 404, 120_000);
  const control = () => runningKhmara(cloud.dataDirectory)?.children.find(({ name }) => name === "control")?.pid as number;

  test("it is there with the cloud, which says where", async () => {
    await answers();
    assert.match(cloud.output, new RegExp(`Docker [\\d.]+.*gateway on ${cloud.apps?.httpPort} and ${cloud.apps?.httpsPort}`));
    const { client } = await cloud.signIn();
    const engine = await client.appEngineGet({});
    assert.deepEqual(
      [engine.missing, engine.gateway],
      [undefined, { httpPort: cloud.apps?.httpPort, httpsPort: cloud.apps?.httpsPort }],
    );
    assert.ok((engine.cpus ?? 0) > 0 && engine.version !== undefined);
  });

  test("it goes on while the control plane is dead, and is the same one afterwards", async () => {
    const master = masterOf();
    const before = control();
    process.kill(before, "SIGKILL");
    await gone(before);
    assert.equal(await ask(), 404);
    await eventually(control, (pid) => pid !== undefined && pid !== before, 120_000);
    await eventually(
      async () => (await fetch(`${cloud.url}/readyz`)).status,
      (status) => status === 200,
      120_000,
    );
    assert.equal(await ask(), 404);
    assert.equal(masterOf(), master);
  });

  test("it outlives a supervisor that is killed, and the next start takes it over", async () => {
    const master = masterOf();
    await cloud.kill();
    assert.equal(await ask(), 404);
    await cloud.start();
    await answers();
    assert.equal(masterOf(), master);
    // And it is changed as before: one that was killed is made anew.
    for (const pid of gatewayProcesses(folder())) process.kill(pid, "SIGKILL");
    await answers();
    assert.notEqual(masterOf(), master);
  });

  test("it ends with the cloud", async () => {
    await cloud.stop();
    assert.deepEqual(gatewayProcesses(folder()), []);
    await assert.rejects(ask);
    await cloud.start();
    await answers();
  });
});
