import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { CloudError } from "../../../kernel/errors.ts";
import { testContext } from "../../../testing/docker.ts";
import type { BuildSpec } from "../driver.ts";
import { MiB, refuses, type Suite } from "./conformance.suite.ts";

export function buildConformance(suite: Suite): void {
  const build = async (spec: BuildSpec, files: Record<string, string | Buffer>, signal?: AbortSignal) => {
    const lines: string[] = [];
    const work = suite.engine.imageBuild(spec, testContext(files), { onLine: (line) => lines.push(line), signal });
    return { lines, result: await work };
  };
  const from = (...lines: string[]) => ({ Dockerfile: [`FROM ${suite.reference}`, ...lines].join("\n") });
  const run = (script: string) => from(`RUN ${script}`);
  const images = async () => (await suite.engine.imageList()).length;
  /** It failed alone: the same engine builds another one at once. */
  const buildsOn = async () => {
    const { result } = await build(suite.build(suite.name("after"), { cache: false }), run("echo alive"));
    await suite.engine.imageRemove(result.image.id);
  };

  describe("builds", () => {
    test("an image with our labels, its arguments, its log line by line, and a cache", async () => {
      const { engine } = suite;
      const files = {
        ...from(
          "ARG WORD",
          "LABEL khmara.cloud=stolen khmara.name=stolen own=kept",
          "COPY file /etc/file",
          'RUN echo "said $WORD"; echo bad >&2; cat /etc/file; ls /sys/class/net',
          'CMD ["cat", "/etc/file"]',
          "EXPOSE 8080",
        ),
        file: "content\n",
      };
      const spec = suite.build("built:1", { arguments: { WORD: "$HOME\"'" } });
      const { lines, result } = await build(spec, files);
      for (const line of [`said $HOME"'`, "bad", "content", "lo"])
        assert.ok(lines.includes(line), `${line} in ${lines.join("|")}`);
      assert.ok(!lines.includes("eth0"), "no network was asked for");
      const { image, usage } = result;
      assert.deepEqual(image.names, ["built:1"]);
      assert.deepEqual(image.labels, spec.labels);
      assert.deepEqual(image.defaults.command, ["cat", "/etc/file"]);
      assert.deepEqual(image.exposedPorts, ["8080/tcp"]);
      assert.ok(usage.seconds > 0 && (usage.memoryPeakBytes ?? 0) > 0 && (usage.cpuSeconds ?? 0) > 0, JSON.stringify(usage));
      const again = await build({ ...spec, name: "built:2" }, files);
      assert.ok(again.lines.some((line) => line.includes("Using cache")));
      const fresh = await build({ ...spec, name: "built:3", cache: false }, files);
      assert.ok(!fresh.lines.some((line) => line.includes("Using cache")));
      const session = await engine.containerRun({ ...suite.spec(suite.name("built")), image: image.id, command: undefined });
      const [output] = await Promise.all([session.stdout.toArray(), session.exited]);
      assert.equal(Buffer.concat(output).toString(), "content\n");
      for (const { id } of [image, again.result.image, fresh.result.image]) await engine.imageRemove(id);
    });

    test("with a network of ours that was named", async () => {
      await suite.engine.networkCreate({ name: "building", labels: {}, internal: true });
      const spec = suite.build(suite.name("netted"), { network: "building" });
      const { lines, result } = await build(spec, run("ls /sys/class/net"));
      assert.ok(lines.includes("eth0"));
      await suite.engine.imageRemove(result.image.id);
      await suite.engine.networkRemove("building");
      await refuses(build({ ...spec, network: "building" }, run("true")), "not_found");
    });

    test("a step that fails, a Dockerfile that is none, and one that is not there", async () => {
      const before = await images();
      const failed = await refuses(
        build(suite.build("bad:1"), from("RUN echo made > /x", "RUN exit 42")),
        "failed_precondition",
        "build_failed",
      );
      assert.equal(failed.details["exitCode"], 42);
      await refuses(build(suite.build("bad:1"), { Dockerfile: "NONSENSE here" }), "invalid_argument", "dockerfile_invalid");
      await refuses(build(suite.build("bad:1"), { Dockerfile: "" }), "invalid_argument", "dockerfile_invalid");
      await refuses(build(suite.build("bad:1"), { other: "x" }), "invalid_argument", "dockerfile_invalid");
      await refuses(build(suite.build("bad:1"), from("COPY none /none")), "failed_precondition", "build_failed");
      assert.equal(await images(), before);
      assert.equal(await suite.engine.imageGet("bad:1"), undefined);
    });

    test("a memory hog dies alone, also one of many processes", async () => {
      const limits = { memoryBytes: 24 * MiB, cpus: 1, processes: 64, seconds: 60, diskBytes: 200 * MiB };
      const spec = suite.build(suite.name("hog"), { limits });
      await refuses(
        build(spec, run("head -c 300000000 /dev/zero | tail -c 300000000 >/dev/null")),
        "failed_precondition",
        "build_out_of_memory",
      );
      // None of them alone is too large.
      const each = '(head -c 8000000 /dev/zero; sleep 3) | tail -c 8000000 >/dev/null & p="$p $!"';
      const many = `for i in 1 2 3 4 5 6; do ${each}; done; for i in $p; do wait $i || exit 137; done`;
      await refuses(build(spec, run(many)), "failed_precondition", "build_out_of_memory");
      await buildsOn();
    });

    test("a fork bomb meets its limit, and dies alone", async () => {
      const limits = { memoryBytes: 256 * MiB, cpus: 0.5, processes: 40, seconds: 5, diskBytes: 200 * MiB };
      const bomb = "b() { b & b & wait; }; b; while :; do sleep 1; done";
      // Its shell may give up by itself before the time is over.
      await assert.rejects(
        build(suite.build(suite.name("bomb"), { limits }), run(bomb)),
        (error) => CloudError.is(error) && (error.details.reason === "build_too_long" || error.details["processLimit"] === true),
      );
      const count = "i=0; while [ $i -lt 100 ]; do sleep 3 & i=$((i+1)); done; wait";
      const counted = await refuses(
        build(suite.build(suite.name("bomb"), { limits }), run(count)),
        "failed_precondition",
        "build_failed",
      );
      assert.equal(counted.details["processLimit"], true, counted.message);
      await buildsOn();
    });

    test("a disk filler is stopped in the middle, over several steps too", async () => {
      const limits = { memoryBytes: 256 * MiB, cpus: 1, processes: 64, seconds: 60, diskBytes: 50 * MiB };
      const spec = suite.build(suite.name("filler"), { limits });
      const { lines } = await watched(
        spec,
        run(
          "i=0; while [ $i -lt 400 ]; do dd if=/dev/zero of=/f$i bs=1M count=1 2>/dev/null; sleep 0.05; i=$((i+1)); done; echo filled",
        ),
      );
      assert.ok(!lines.includes("filled"));
      const step = (file: string) => `RUN dd if=/dev/zero of=/${file} bs=1M count=20; sleep 1`;
      const steps = await watched(spec, from(step("a"), step("b"), step("c"), "RUN sleep 5; echo filled"));
      assert.ok(!steps.lines.includes("filled"));
      await refuses(
        build(spec, { ...from("COPY big /big"), big: randomBytes(51 * MiB) }),
        "failed_precondition",
        "build_context_too_large",
      );
      await buildsOn();
    });

    test("what takes too long is ended, and so is what nobody waits for", async () => {
      const limits = { memoryBytes: 64 * MiB, cpus: 1, processes: 64, seconds: 2, diskBytes: 50 * MiB };
      await refuses(
        build(suite.build(suite.name("slow"), { limits }), run("sleep infinity")),
        "deadline_exceeded",
        "build_too_long",
      );
      const stop = new AbortController();
      const lines: string[] = [];
      const work = suite.engine.imageBuild(suite.build(suite.name("gone")), testContext(run("sleep infinity")), {
        onLine: (line) => {
          lines.push(line);
          if (line.includes("Running in")) stop.abort();
        },
        signal: stop.signal,
      });
      await refuses(work, "cancelled");
      await buildsOn();
    });

    async function watched(spec: BuildSpec, files: Record<string, string>): Promise<{ lines: string[] }> {
      const lines: string[] = [];
      const work = suite.engine.imageBuild(spec, testContext(files), { onLine: (line) => lines.push(line) });
      await refuses(work, "failed_precondition", "build_disk_full");
      return { lines };
    }
  });
}
