import type { Sound } from "../../prompts/wav.ts";
import type { Baresip, BaresipOptions } from "../../testing/baresip.ts";
import { PhoneBrowser } from "../../testing/browserPhone.ts";
import { type LinphoneOptions, startLinphone } from "../../testing/linphone.ts";
import type { Account, House } from "./house.ts";

/** What phones of all kinds do, in the same words: one call at a time. */
export interface AnyPhone {
  readonly name: string;
  readonly number: string;
  readonly toneHz: number;
  dial(number: string): Promise<void>;
  /** Waits until it rings, and answers. */
  answer(): Promise<void>;
  /** Of a call that it dialled. */
  established(): Promise<void>;
  hold(): Promise<void>;
  resume(): Promise<void>;
  press(digits: string): Promise<void>;
  hangUp(): Promise<void>;
  closed(): Promise<void>;
  /** What it hears from now on, so long. */
  hears(seconds: number): Promise<Sound>;
}

const wait = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** What a phone that is registered can do beside. */
export async function baresip(house: House, account: Account, toneHz: number, more: Partial<BaresipOptions> = {}) {
  const phone: Baresip = await house.phone(account, { toneHz, ...more });
  /** Sounds of calls before the one that runs. */
  let before = 0;
  const begin = async () => {
    before = (await phone.heard()).length;
  };
  return {
    phone,
    name: "baresip",
    number: account.number,
    toneHz,
    dial: async (number: string) => {
      await begin();
      await phone.dial(number);
    },
    answer: async () => {
      await begin();
      await phone.answer();
      await phone.established();
    },
    established: async () => void (await phone.established()),
    hold: async () => {
      await phone.hold();
      await phone.next("CALL_REMOTE_SDP", ({ param }) => param === "answer");
    },
    resume: async () => {
      await phone.resume();
      await phone.next("CALL_REMOTE_SDP", ({ param }) => param === "answer");
    },
    press: (digits: string) => phone.press(digits),
    hangUp: async () => {
      await phone.hangUp();
      await phone.closed();
      phone.forget();
    },
    closed: async () => {
      await phone.closed();
      phone.forget();
    },
    async hears(seconds: number) {
      await house.until(async () => (await phone.heard().catch(() => [])).length > before, "the sound of baresip's call");
      const from = (await phone.heardFor(0.1)).samples.length;
      const { sampleRate, samples } = await phone.heardFor(from / 8000 + seconds);
      return { sampleRate, samples: samples.subarray(from) };
    },
  } satisfies AnyPhone & { phone: Baresip };
}

export async function linphone(house: House, account: Account, toneHz: number, more: Partial<LinphoneOptions> = {}) {
  const phone = await startLinphone({
    user: account.userName,
    password: account.password,
    domain: house.domain,
    server: `127.0.0.1:${house.phones.sipPort}`,
    toneHz,
    ...more,
  });
  house.keep(phone);
  await phone.registered();
  let call = 0;
  return {
    phone,
    /** The number that the call has there. */
    get call(): number {
      return call;
    },
    name: "linphone",
    number: account.number,
    toneHz,
    dial: async (number: string) => phone.dial(`sip:${number}@${house.domain}`),
    answer: async () => {
      call = await phone.answer();
    },
    established: async () => {
      call = await phone.established();
    },
    hold: async () => {
      phone.hold();
      await phone.next(/is now paused/);
    },
    resume: async () => {
      phone.resume(call);
      await phone.next(/Media streams established/);
    },
    press: (digits: string) => phone.press(digits),
    hangUp: async () => {
      phone.hangUp();
      await phone.closed();
    },
    closed: () => phone.closed(),
    async hears(seconds: number) {
      const read = await phone.hear();
      await wait(seconds);
      // Its file is whole once another one is begun.
      await phone.hear();
      return read();
    },
  } satisfies AnyPhone & { phone: typeof phone; call: number };
}

export async function openBrowser(house: House) {
  const browser = house.keep(await PhoneBrowser.start());
  return async (account: Account, toneHz: number, more: { video?: boolean; server?: string } = {}) => {
    const server = `ws://127.0.0.1:${house.phones.webSocketPort}`;
    const { userName: user, password } = account;
    const phone = await browser.phone({ user, password, domain: house.domain, server, toneHz, ...more });
    await phone.registered();
    let call = "";
    return {
      phone,
      get call(): string {
        return call;
      },
      name: "browser",
      number: account.number,
      toneHz,
      dial: async (number: string) => {
        call = await phone.dial(`sip:${number}@${house.domain}`);
      },
      answer: async () => {
        call = await phone.answer();
        await phone.established();
      },
      established: () => phone.established(),
      hold: () => phone.hold(call),
      resume: () => phone.resume(call),
      press: (digits: string) => phone.press(call, digits),
      hangUp: async () => {
        await phone.hangUp(call);
        await phone.closed();
      },
      closed: () => phone.closed(),
      async hears(seconds: number) {
        await phone.heard();
        return phone.heardFor(seconds);
      },
    } satisfies AnyPhone & { phone: typeof phone; call: string };
  };
}
