import assert from "node:assert/strict";
import { after } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import pino from "pino";
import type { startCloud } from "../../../../testing/cloud.ts";
import { type Baresip, type BaresipOptions, startBaresip } from "../../testing/baresip.ts";
import { type Json, openOffice } from "../../testing/office.ts";
import { openPhones, type Phones, type PhonesOptions } from "../phones.ts";

/** What a phone registers with. */
export interface Account {
  extensionId: string;
  number: string;
  userName: string;
  password: string;
}

/** Each test file its own: they run beside each other. */
export const rtpPorts = () => {
  const from = 10_000 + 400 * Math.floor(Math.random() * 50);
  return { from, to: from + 399 };
};

/** A phone system with a voice process in this one, and real phones. Ended with the test file. */
export async function openHouse(start: typeof startCloud, options: Partial<PhonesOptions> = {}) {
  const at = options.listen ?? "127.0.0.1";
  const running: { close(): Promise<void> }[] = [];
  let phones: Phones | undefined;
  // Before the cloud's own: hooks run in the order in which they were given.
  after(async () => {
    await Promise.all(running.map((phone) => phone.close()));
    await phones?.close({ drainMs: 0 });
  });
  const started = await start();
  const office = await openOffice(started);
  const { cloud, dataDirectory } = started;
  const log = pino({ level: process.env["VOICE_TEST_LOG"] ?? "silent" });
  const open = () =>
    openPhones({
      database: cloud.database,
      secrets: cloud.secrets,
      dataDirectory,
      publicUrl: "http://127.0.0.1",
      version: "test",
      listen: at,
      sipPort: 0,
      webSocketPort: 0,
      rtpPorts: rtpPorts(),
      address: at,
      workers: 1,
      log,
      ...options,
    });
  phones = await open();
  const system = await office.as("owner", "phoneSystemGet", { params: office.within });

  const house = {
    office,
    log,
    domain: system["domain"] as string,
    get phones(): Phones {
      return phones as Phones;
    },
    /** The voice process anew, at the same ports. */
    async restart(): Promise<void> {
      const { sipPort } = house.phones;
      await house.phones.close({ drainMs: 0 });
      options.sipPort = sipPort;
      phones = await open();
    },
    /** An extension with one device. */
    async account(number: string, name: string, settings: object = {}): Promise<Account> {
      const extension = await office.as("owner", "extensionCreate", {
        params: office.within,
        body: { number, name, ...settings },
      });
      return { ...(await house.device(extension["id"], number)), extensionId: extension["id"], number };
    },
    async device(extensionId: string, number: string): Promise<Account> {
      const device = await office.as("owner", "phoneDeviceCreate", {
        params: { extension: extensionId },
        body: { kind: "desk", label: `Phone of ${number}` },
      });
      const { userName, password } = device["account"] as Json;
      return { extensionId, number, userName, password };
    },
    /** Closed with the test file, before the voice process is. */
    keep<Phone extends { close(): Promise<void> }>(phone: Phone): Phone {
      running.push(phone);
      return phone;
    },
    /** A registered baresip. */
    async phone(account: Account, more: Partial<BaresipOptions> = {}): Promise<Baresip> {
      const phone = await startBaresip({
        user: account.userName,
        password: account.password,
        domain: house.domain,
        server: `${at}:${house.phones.sipPort}`,
        ...more,
      });
      house.keep(phone);
      await phone.registered();
      return phone;
    },
    /** Records of calls, the newest first, when there are as many. */
    async calls(count: number): Promise<Json[]> {
      let items: Json[] = [];
      await house.until(async () => {
        items = (await office.as("owner", "phoneCallList", { params: office.within }))["items"];
        return items.length >= count;
      }, `${count} records of calls`);
      return items;
    },
    async until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
      for (const deadline = Date.now() + 30_000; !(await isSo()); await sleep(50))
        assert.ok(Date.now() < deadline, `still waiting for ${what}`);
    },
  };
  return house;
}

export type House = Awaited<ReturnType<typeof openHouse>>;
