/**
 * Who is listened to. Strangers look for phone systems with passwords to guess all day; each of their messages costs. An address that fails a few times
 * is not answered for a while, longer each time. Phones that are registered are answered whatever others behind their address do.
 */
export interface Admission {
  /** Before a message is read. */
  admits(address: string, flow: string): boolean;
  /** A wrong password, an unknown user, or nonsense. */
  failed(address: string): void;
  /** A right password: what failed before was somebody's typing. */
  succeeded(address: string): void;
}

const failuresAllowed = 8;
/** One failure is forgotten after so long. */
const forgetMs = 30_000;
const longestBlockMs = 3_600_000;
/** Of messages by strangers of one address: as many at once, and so many each second after that. Fifty phones behind one router are no flood. */
const burst = 600;
const perSecond = 60;
/** So many times more of one address where a trunk is. */
const ofProviders = 10;
const maximumAddresses = 50_000;

interface Account {
  failures: number;
  failedAt: number;
  blockedUntil: number;
  blocks: number;
  tokens: number;
  at: number;
}

export interface AdmissionOptions {
  /** Whether a registered phone, or a trunk that has answered, speaks by this flow. */
  isKnown(flow: string): boolean;
  /** Of a trunk: many calls at once are no flood. Anybody may say of whole networks that a trunk is there, so they have a bound too. */
  isProvider(address: string): boolean;
  /** Of the first block; default a minute. Each further one is twice as long, up to an hour. */
  firstBlockMs?: number;
  now?: () => number;
}

export function openAdmission({ isKnown, isProvider, firstBlockMs = 60_000, now = Date.now }: AdmissionOptions): Admission {
  const accounts = new Map<string, Account>();
  const accountOf = (address: string, tokens = burst): Account => {
    let account = accounts.get(address);
    if (!account) {
      // The oldest goes: an attacker with so many addresses gains nothing by it.
      if (accounts.size >= maximumAddresses) accounts.delete(accounts.keys().next().value as string);
      account = { failures: 0, failedAt: now(), blockedUntil: 0, blocks: 0, tokens, at: now() };
      accounts.set(address, account);
    }
    return account;
  };
  return {
    admits(address, flow) {
      if (isKnown(flow)) return true;
      const time = now();
      if (time < (accounts.get(address)?.blockedUntil ?? 0)) return false;
      const times = isProvider(address) ? ofProviders : 1;
      const account = accountOf(address, burst * times);
      account.tokens = Math.min(burst * times, account.tokens + ((time - account.at) / 1000) * perSecond * times);
      account.at = time;
      if (account.tokens < 1) return false;
      account.tokens -= 1;
      return true;
    },
    failed(address) {
      const account = accountOf(address);
      const time = now();
      account.failures = Math.max(0, account.failures - Math.floor((time - account.failedAt) / forgetMs)) + 1;
      account.failedAt = time;
      if (account.failures <= failuresAllowed) return;
      account.blockedUntil = time + Math.min(firstBlockMs * 2 ** account.blocks, longestBlockMs);
      account.blocks++;
      account.failures = 0;
    },
    succeeded(address) {
      const account = accounts.get(address);
      if (account) account.failures = 0;
    },
  };
}
