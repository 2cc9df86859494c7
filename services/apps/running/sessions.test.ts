import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { WebSocket } from "ws";
import { dockerMissing } from "../../../testing/docker.ts";
import { eventually } from "../drivers/conformance.suite.ts";
import { type TestRunning, testRunning } from "./testing/fixture.ts";

/** What came over a socket, by channel, until it was closed. */
class Talk {
  readonly socket: WebSocket;
  bytes = Buffer.alloc(0);
  readonly messages: Record<string, unknown>[] = [];
  closed: number | undefined;

  constructor(url: string, caller = "editor") {
    this.socket = new WebSocket(url.replace("http", "ws"), { headers: { authorization: `Bearer ${caller}` } });
    this.socket.on("message", (data: Buffer, isBinary) => {
      if (isBinary) this.bytes = Buffer.concat([this.bytes, data]);
      else this.messages.push(JSON.parse(data.toString()));
      if (isBinary && this.channels) this.output[data[0] as number] += data.subarray(1).toString();
    });
    this.socket.on("close", (code) => (this.closed = code));
    this.socket.on("error", () => (this.closed ??= 0));
  }
  channels = false;
  readonly output: Record<number, string> = { 1: "", 2: "" };

  opened = () => new Promise<void>((resolve) => this.socket.once("open", resolve));
  control = (message: object) => this.socket.send(JSON.stringify(message));
  type = (text: string) => this.socket.send(Buffer.from(text));
  shows = (text: string | RegExp) =>
    eventually(
      () => this.bytes.toString(),
      (shown) => (typeof text === "string" ? shown.includes(text) : text.test(shown)),
    );
  end = () =>
    eventually(
      () => this.closed,
      (code) => code !== undefined,
    );
}

describe("commands in and beside apps", { skip: dockerMissing() ?? false, concurrency: false, timeout: 300_000 }, () => {
  let cloud: TestRunning;
  let appId = "";
  const talk = async (path: string, caller?: string) => {
    const one = new Talk(`${cloud.url}/apps/${appId}/${path}`, caller);
    await one.opened();
    return one;
  };
  const audited = async (action: string) =>
    cloud.database.sql<
      { after: Record<string, unknown> }[]
    >`select after from kernel.audit_entries where action = ${action} order by sequence`;
  const left = async () => (await cloud.engine.containerList()).filter(({ labels }) => labels["kind"] === "app-run").length;
  const quota = async () => {
    const [row] = await cloud.database
      .sql`select used from kernel.quota_usage where scope_id = ${cloud.project} and name = 'apps.memory'`;
    return Number(row?.["used"]);
  };

  before(
    async () => {
      cloud = await testRunning();
      const { app } = await cloud.deploy({ environment: { COLOUR: "green" } });
      appId = app.id;
    },
    { timeout: 200_000 },
  );
  after(() => cloud?.stop());

  test("a terminal inside a container: typed, resized, ended", async () => {
    const one = await talk("containers/web-1/terminal?columns=90&rows=30");
    one.type("stty size; echo $((6*7)) $COLOUR\n");
    await one.shows(/30 90[\s\S]*42 green/);
    one.control({ resize: { columns: 100, rows: 40 } });
    one.type("sleep 0.3; stty size\n");
    await one.shows("40 100");
    one.type("exit 3\n");
    assert.equal(await one.end(), 1000);
    assert.deepEqual(one.messages, [{ exit: { code: 3 } }]);
    const [entry] = await audited("apps.app.terminal.end");
    assert.equal(entry?.after["exitCode"], 3);
  });

  test("a command beside the app: what it reads, writes and answers, with the settings of the release", async () => {
    const before = await quota();
    const one = await talk("run");
    one.channels = true;
    one.control({ start: { command: ["sh", "-c", 'cat; echo "$COLOUR $KHMARA_PROCESS"; echo careful >&2; exit 5'] } });
    one.type("some words\n");
    one.control({ end: true });
    assert.equal(await one.end(), 1000);
    assert.equal(one.output[1], "some words\ngreen run\n");
    assert.equal(one.output[2], "careful\n");
    assert.deepEqual(one.messages, [{ exit: { code: 5 } }]);
    await eventually(left, (count) => count === 0);
    await eventually(quota, (used) => used === before);
    const [entry] = await audited("apps.app.run");
    assert.match(JSON.stringify(entry?.after), /cat; echo/);
  });

  test("with a terminal; and whoever goes leaves nothing behind", async () => {
    const one = await talk("run");
    one.control({ start: { command: ["sh"], terminal: { columns: 70, rows: 20 } } });
    one.type("stty size; hostname\n");
    await one.shows(/20 70[\s\S]*run/);
    assert.equal(await left(), 1);
    assert.ok((await quota()) > 0);
    one.socket.close();
    await eventually(left, (count) => count === 0);
    await eventually(
      async () => (await cloud.database.sql`select 1 from apps.one_offs`).length,
      (count) => count === 0,
    );
  });

  test("refused: what is no command, what is not there, and who may not", async () => {
    const wrong = await talk("run");
    wrong.control({ start: { command: [] } });
    assert.equal(await wrong.end(), 4400);
    const missing = await talk("run");
    missing.channels = true;
    missing.control({ start: { command: ["no-such-program"] } });
    assert.equal(await missing.end(), 1000);
    assert.deepEqual(missing.messages, [{ exit: { code: 127 } }]);
    assert.match(missing.output[2] ?? "", /no-such-program.*No such file/);
    assert.equal(await left(), 0);
    for (const [path, caller] of [
      ["run", "viewer"],
      ["run", "stranger"],
      ["containers/web-1/terminal", "viewer"],
      ["containers/web-9/terminal", "editor"],
    ] as const) {
      const one = new Talk(`${cloud.url}/apps/${appId}/${path}`, caller);
      const status = await new Promise((resolve) =>
        one.socket.once("unexpected-response", (_, answer) => resolve(answer.statusCode)),
      );
      assert.equal(status, caller === "viewer" ? 403 : 404, `${path} as ${caller}`);
    }
  });
});
