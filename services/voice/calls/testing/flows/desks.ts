import assert from "node:assert/strict";
import { freePort } from "../../../../../testing/ports.ts";
import { patienceMs } from "../../../testing/phoneProcess.ts";
import { startSipp } from "../../../testing/sipp.ts";
import type { openHouse } from "../house.ts";
import { type Desk, receive, register, type Step, scenario } from "./script.ts";

type House = Awaited<ReturnType<typeof openHouse>>;

/** Phones that SIPp plays, each at a port of its own, in one phone system. */
export function openDesks(house: House) {
  let next = 300;
  const server = () => `127.0.0.1:${house.phones.sipPort}`;

  async function begin(
    desk: Desk,
    steps: readonly Step[],
    options: { transport?: "udp" | "tcp"; host?: string; calls?: number } = {},
  ) {
    const isCalled = /^<recv/.test(steps[0] ?? "");
    const sipp = await startSipp({
      scenario: scenario(steps),
      port: desk.port,
      traced: true,
      ...(isCalled ? {} : { target: server() }),
      ...options,
    });
    const done = sipp.finished(patienceMs).finally(() => sipp.close());
    done.catch(() => {});
    return {
      seen: (words: string) => sipp.seen(words),
      async end(): Promise<void> {
        const { exitCode, successful, failed, errors } = await done;
        assert.ok(
          exitCode === 0 && failed === 0 && successful > 0,
          `${desk.number} (sipp ended with ${exitCode}):\n${errors.slice(-20_000)}`,
        );
      },
    };
  }

  const desks = {
    house,
    server,
    /** An extension with a phone that does not register yet. */
    async account(settings: object = {}): Promise<Desk> {
      const number = String(++next);
      const account = await house.account(number, `Phone ${number}`, { voicemail: { enabled: false }, ...settings });
      return { ...account, domain: house.domain, port: await freePort() };
    },
    async desk(settings: object = {}): Promise<Desk> {
      const desk = await desks.account(settings);
      await desks.play(desk, [...register(desk, 1), receive(200)]);
      return desk;
    },
    desks: (...settings: object[]): Promise<Desk[]> => Promise.all(settings.map((each) => desks.desk(each))),
    begin,
    /** Plays it to its end. @throws AssertionError, with all messages, when it did not go so */
    async play(desk: Desk, steps: readonly Step[], options: Parameters<typeof begin>[2] = {}): Promise<void> {
      await (await begin(desk, steps, options)).end();
    },
    /** All at once; those that are called listen before anybody calls. */
    async together(...parts: [Desk, readonly Step[]][]): Promise<void> {
      const called = parts.filter(([, steps]) => /^<recv/.test(steps[0] ?? ""));
      const others = parts.filter((part) => !called.includes(part));
      const running: { end(): Promise<void> }[] = [];
      for (const group of [called, others])
        running.push(...(await Promise.all(group.map(([desk, steps]) => begin(desk, steps)))));
      await desks.ended(...running);
    },
    async ended(...running: { end(): Promise<void> }[]): Promise<void> {
      const results = await Promise.allSettled(running.map((one) => one.end()));
      const errors = results.flatMap((result) => (result.status === "rejected" ? [result.reason.message] : []));
      assert.equal(errors.length, 0, errors.join("\n=====\n"));
    },
  };
  return desks;
}
export type Desks = ReturnType<typeof openDesks>;
