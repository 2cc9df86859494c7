import assert from "node:assert/strict";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import type { EngineChange, LogRecord } from "../driver.ts";
import { eventually, MiB, refuses, type Suite } from "./conformance.suite.ts";

const all = async (records: AsyncIterable<LogRecord>): Promise<LogRecord[]> => Array.fromAsync(records);

export function accessConformance(suite: Suite): void {
  describe("logs", () => {
    test("both streams apart, with times, from a time on, the last ones, and a very long line", async () => {
      const { engine } = suite;
      const script =
        "echo one; sleep 0.05; echo two >&2; sleep 0.05; printf 'no end'; head -c 40000 /dev/zero | tr '\\0' x; echo; echo last";
      const spec = suite.spec(suite.name("talker"), { command: ["/bin/sh", "-c", script] });
      await suite.start(spec);
      await engine.containerWait(spec.name);
      const records = await all(engine.containerLogs(spec.name));
      assert.deepEqual(
        records.slice(0, 2).map(({ stream, text, partial }) => [stream, text, partial]),
        [
          ["stdout", "one", false],
          ["stderr", "two", false],
        ],
      );
      for (const { at } of records) assert.match(at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/);
      const long = records.slice(2, -1);
      assert.equal(long.map(({ text }) => text).join(""), `no end${"x".repeat(40_000)}`);
      assert.deepEqual(
        long.map(({ partial }) => partial),
        [...long.slice(1).map(() => true), false],
      );
      assert.equal(records.at(-1)?.text, "last");
      const since = records[1]?.at as string;
      assert.equal(
        (await all(engine.containerLogs(spec.name, { since })))[0]?.text,
        "two",
        "that one included, to the nanosecond",
      );
      assert.deepEqual(
        (await all(engine.containerLogs(spec.name, { tail: 1 }))).map(({ text }) => text),
        ["last"],
      );
      await refuses(all(engine.containerLogs("none")), "not_found");
      await refuses(all(engine.containerLogs(spec.name, { since: "yesterday" })), "invalid_argument");
      await engine.containerRemove(spec.name);
    });

    test("followed as they are written, to the end of the container or of our patience", async () => {
      const { engine } = suite;
      const spec = suite.spec(suite.name("followed"), {
        command: ["/bin/sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.2; done"],
      });
      await suite.start(spec);
      assert.deepEqual(
        (await all(engine.containerLogs(spec.name, { follow: true }))).map(({ text }) => text),
        ["1", "2", "3"],
      );
      const endless = suite.spec(suite.name("endless"), { command: ["/bin/sh", "-c", "echo first; while :; do sleep 1; done"] });
      await suite.start(endless);
      const stop = new AbortController();
      const seen: string[] = [];
      await refuses(
        (async () => {
          for await (const { text } of engine.containerLogs(endless.name, { follow: true, signal: stop.signal })) {
            seen.push(text);
            stop.abort();
          }
        })(),
        "cancelled",
      );
      assert.deepEqual(seen, ["first"]);
      for await (const { text } of engine.containerLogs(endless.name, { follow: true })) {
        assert.equal(text, "first");
        break;
      }
      for (const { name } of [spec, endless]) await engine.containerRemove(name);
    });

    test("what is kept is bounded", async () => {
      const { engine } = suite;
      const spec = suite.spec(suite.name("chatty"), {
        command: ["/bin/sh", "-c", "seq 1 20000"],
        log: { fileBytes: 16_384, files: 2 },
      });
      await suite.start(spec);
      await engine.containerWait(spec.name);
      const records = await all(engine.containerLogs(spec.name));
      assert.equal(records.at(-1)?.text, "20000");
      assert.ok(records.length < 2000, `${records.length} records`);
      await engine.containerRemove(spec.name);
    });
  });

  describe("commands", () => {
    let name = "";
    const guest = async (): Promise<string> => {
      if (name === "") {
        name = suite.name("guest");
        await suite.start(suite.spec(name, { temporaryFolders: [{ path: "/tmp", sizeBytes: 8 * MiB }] }));
      }
      return name;
    };

    test("to their end, with input, both outputs and the exit code", async () => {
      const { engine } = suite;
      const result = await engine.containerExec(await guest(), {
        command: ["sh", "-c", 'cat; echo "$WORD" >&2; pwd; id -u; exit 3'],
        environment: { WORD: "said" },
        workingDirectory: "/data",
        user: "nobody",
        input: Buffer.from("input "),
        maxOutputBytes: MiB,
      });
      assert.equal(result.exitCode, 3);
      assert.equal(Buffer.from(result.stdout).toString(), "input /data\n65534\n");
      assert.equal(Buffer.from(result.stderr).toString(), "said\n");
      assert.equal(result.truncated, false);
    });

    test("a lot of output is cut, and binary bytes are whole", async () => {
      const { engine } = suite;
      const much = await engine.containerExec(await guest(), {
        command: ["head", "-c", "5000000", "/dev/zero"],
        maxOutputBytes: 1000,
      });
      assert.deepEqual([much.exitCode, much.stdout.length, much.truncated], [0, 1000, true]);
      const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7) % 256));
      const copy = await engine.containerExec(await guest(), { command: ["cat"], input: bytes, maxOutputBytes: MiB });
      assert.ok(bytes.equals(copy.stdout));
    });

    test("twenty at once, each with its own output", async () => {
      const { engine } = suite;
      const container = await guest();
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          engine.containerExec(container, { command: ["echo", String(i)], maxOutputBytes: 100 }),
        ),
      );
      assert.deepEqual(
        results.map(({ stdout }) => Buffer.from(stdout).toString()),
        results.map((_, i) => `${i}\n`),
      );
    });

    test("one that is not there, and a container that does not run", async () => {
      const { engine } = suite;
      const run = (container: string, command: string) =>
        engine.containerExec(container, { command: [command], maxOutputBytes: 100 });
      assert.equal((await run(await guest(), "/no/such/program")).exitCode, 127);
      assert.equal((await run(await guest(), "/etc/passwd")).exitCode, 126);
      const stopped = suite.name("stopped");
      await engine.containerCreate(suite.spec(stopped));
      await refuses(run(stopped, "true"), "failed_precondition", "engine_container_state");
      await engine.containerRemove(stopped);
      await refuses(run("none", "true"), "not_found");
    });

    test("given up, it is killed", async () => {
      const { engine } = suite;
      const container = await guest();
      const stop = new AbortController();
      const running = engine.containerExec(container, { command: ["sleep", "4321"], maxOutputBytes: 100, signal: stop.signal });
      running.catch(() => {});
      const sleeping = () => suite.sh(container, "ps -o args | grep -c '^sleep 4321' || :");
      await eventually(sleeping, (count) => count === "1");
      stop.abort();
      await refuses(running, "cancelled");
      await eventually(sleeping, (count) => count === "0");
    });

    test("a terminal: typed into, resized, hung up", async () => {
      const { engine } = suite;
      const session = await engine.containerOpen(await guest(), { command: ["sh"], terminal: { columns: 91, rows: 23 } });
      let seen = "";
      session.stdout.setEncoding("utf8").on("data", (chunk) => {
        seen += chunk;
      });
      session.stdin.write("stty size; echo T=$TERM\n");
      await eventually(
        () => seen,
        (output) => /^23 91\r?$/m.test(output) && output.includes("T=xterm-256color"),
      );
      await session.resize({ columns: 120, rows: 40 });
      session.stdin.write("stty size\n");
      await eventually(
        () => seen,
        (output) => /^40 120\r?$/m.test(output),
      );
      session.stdin.write("exit 9\n");
      assert.equal(await session.exited, 9);
      const second = await engine.containerOpen(await guest(), {
        command: ["sleep", "1234"],
        terminal: { columns: 80, rows: 24 },
      });
      second.stdout.resume();
      second.close();
      assert.notEqual(await second.exited, 0);
      await eventually(
        () => suite.sh(name, "ps -o args | grep -c '^sleep 1234' || :"),
        (count) => count === "0",
      );
    });

    test("a one-off container: streams, exit code, and nothing is left", async () => {
      const { engine } = suite;
      const spec = suite.spec(suite.name("once"), { command: ["/bin/sh", "-c", "cat; echo bad >&2; exit 4"] });
      const session = await engine.containerRun(spec);
      session.stdin.end("through");
      const [out, bad, code] = await Promise.all([text(session.stdout), text(session.stderr), session.exited]);
      assert.deepEqual([out, bad, code], ["through", "bad\n", 4]);
      await eventually(
        () => engine.containerGet(spec.name),
        (report) => report === undefined,
      );
      const quick = await Promise.all(
        Array.from({ length: 5 }, async () => {
          const each = await engine.containerRun(suite.spec(suite.name("quick"), { command: ["/bin/echo", "hi"] }));
          return [await text(each.stdout), await each.exited];
        }),
      );
      assert.deepEqual(
        quick,
        quick.map(() => ["hi\n", 0]),
      );
      const shellName = suite.name("shell");
      const shell = await engine.containerRun(suite.spec(shellName, { command: ["/bin/sh"] }), {
        terminal: { columns: 77, rows: 11 },
      });
      let seen = "";
      shell.stdout.on("data", (chunk) => {
        seen += chunk;
      });
      await eventually(
        () => {
          shell.stdin.write("stty size\n");
          return seen;
        },
        (output) => /^11 77\r?$/m.test(output),
      );
      shell.close();
      await eventually(
        () => engine.containerGet(shellName),
        (report) => report === undefined,
      );
      const none = engine.containerRun(suite.spec(suite.name("none"), { command: ["/no/such"] }));
      await refuses(none, "failed_precondition", "command_not_found");
    });

    test("numbers of what runs, none of what does not", async () => {
      const { engine } = suite;
      const container = await guest();
      const before = await engine.containerMetrics(container);
      assert.ok(before !== undefined);
      assert.equal(before.memoryLimitBytes, 64 * MiB);
      assert.ok(before.memoryBytes > 0 && before.memoryBytes < 64 * MiB);
      assert.ok(before.processes >= 1);
      await suite.sh(container, "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done");
      const after = await engine.containerMetrics(container);
      assert.ok((after?.cpuSeconds ?? 0) > before.cpuSeconds);
      await engine.containerStop(container, { timeoutSeconds: 0 });
      assert.equal(await engine.containerMetrics(container), undefined);
      assert.equal(await engine.containerMetrics("none"), undefined);
      await engine.containerRemove(container);
    });
  });

  test("what happens is told, of ours alone", async () => {
    const { engine, other } = suite;
    const seen: EngineChange[] = [];
    const stop = new AbortController();
    const connected = Promise.withResolvers<void>();
    engine.watch({ onChange: (change) => void seen.push(change), onConnect: connected.resolve }, stop.signal);
    await connected.promise;
    const name = suite.name("watched");
    await other.networkCreate({ name: "elsewhere", labels: {}, internal: true });
    await engine.networkCreate({ name: "seen", labels: {}, internal: true });
    await engine.volumeCreate({ name: "seen", labels: {} });
    await suite.start(suite.spec(name, { command: ["/bin/sh", "-c", "exit 6"] }));
    await engine.containerWait(name);
    await engine.containerRemove(name);
    await engine.networkRemove("seen");
    await engine.volumeRemove("seen");
    await other.networkRemove("elsewhere");
    const told = () => seen.map(({ object, name: each, kind, exitCode }) => [object, each, kind, exitCode].join(" ").trim());
    const wanted = [
      "network seen created",
      "volume seen created",
      `container ${name} created`,
      `container ${name} started`,
      `container ${name} exited 6`,
      `container ${name} removed`,
      "network seen removed",
      "volume seen removed",
    ];
    await eventually(told, (lines) => wanted.every((each) => lines.includes(each)));
    assert.ok(!told().some((line) => line.includes("elsewhere")));
    assert.ok(seen.every(({ at }) => Math.abs(at.getTime() - Date.now()) < 600_000));
    stop.abort();
  });
}
