import { z } from "zod";

/**
 * Ids are a short kind, an underscore, and a UUID version 7 in 32 hex digits (RFC 9562): `prj_0192…`.
 * They sort by time of creation, and a wrong kind is seen at once.
 */
export const idKinds = {
  organisation: "org",
  project: "prj",
  user: "usr",
  serviceAccount: "sac",
  roleBinding: "rol",
  invitation: "inv",
  session: "ses",
  apiToken: "tok",
  accessKey: "key",
  passkey: "psk",
  personSshKey: "psh",
  operation: "opn",
  auditEntry: "aud",
  usageRecord: "use",
  bucket: "bkt",
  upload: "upl",
  share: "shr",
  bucketBackup: "bbk",
  bucketWebhook: "bwh",
  bucketWebhookDelivery: "bwd",
  trashItem: "trs",
  event: "evt",
  size: "siz",
  image: "img",
  instance: "ins",
  instanceGroup: "igr",
  sshKey: "ssh",
  network: "net",
  port: "prt",
  securityGroup: "sgr",
  addressPool: "apl",
  address: "adr",
  portForward: "fwd",
  loadBalancer: "lbr",
  volume: "vol",
  snapshot: "snp",
  snapshotSchedule: "sch",
  backup: "bak",
  backupVerification: "bkv",
  job: "job",
  task: "tsk",
  alertRule: "arl",
  alert: "alt",
  difference: "dif",
  webhookCall: "whk",
  app: "app",
  deployment: "dpl",
  release: "rel",
  appDisk: "adk",
  appLink: "lnk",
  mailAccount: "mac",
  cronJob: "crj",
  cronRun: "crr",
  domain: "dom",
  database: "dbs",
  databaseUser: "dbu",
  databaseBackup: "dbb",
  appBackup: "abk",
  installation: "isn",
  phoneSystem: "phs",
  extension: "ext",
  phoneDevice: "phd",
  phoneNumber: "phn",
  phoneContact: "pct",
  trunk: "trk",
  outboundRoute: "obr",
  trunkRate: "trt",
  phoneRate: "pht",
  phoneCredit: "phc",
  ringGroup: "rgr",
  callQueue: "cqu",
  queueAgent: "qag",
  phoneMenu: "mnu",
  conferenceRoom: "cnf",
  timeCondition: "tcn",
  announcement: "ann",
  pagingGroup: "pgr",
  parkingLot: "pkl",
  speedDial: "spd",
  blockedCaller: "blk",
  phoneApplication: "pap",
  call: "cal",
  callLeg: "leg",
  voicemail: "vcm",
  voicemailGreeting: "vgr",
  recording: "rcd",
  conversation: "cnv",
  chatMessage: "msg",
  callWebhook: "cwh",
  callWebhookDelivery: "cwd",
  callCommand: "cmd",
  registration: "reg",
  phoneAudio: "pau",
  phoneMail: "phl",
  phonePushSubscription: "pps",
} as const;

export type IdKind = keyof typeof idKinds;
export type Id<K extends IdKind> = string & { readonly __kind: K };

/** Random bytes cost much by the call and little by the byte; each is given out once. */
const supply = new Uint8Array(1000);
let used = supply.length;

/** UUIDv7 (RFC 9562, 5.7): 48 bits of Unix milliseconds, then randomness. Safe in a browser. */
export function newId<K extends IdKind>(kind: K, nowMs: number = Date.now()): Id<K> {
  if (used === supply.length) {
    crypto.getRandomValues(supply);
    used = 0;
  }
  const random = supply.subarray(used, used + 10);
  used += 10;
  random[0] = 0x70 | ((random[0] as number) & 0x0f);
  random[2] = 0x80 | ((random[2] as number) & 0x3f);
  let hex = nowMs.toString(16).padStart(12, "0");
  for (const byte of random) hex += hexOf[byte];
  return `${idKinds[kind]}_${hex}` as Id<K>;
}

const hexOf = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** The zod schema of an id of one kind. */
export const id = <K extends IdKind>(kind: K) =>
  z
    .string()
    .regex(new RegExp(`^${idKinds[kind]}_[0-9a-f]{32}$`), `Expected the id of a ${kind}: ${idKinds[kind]}_ and 32 hex digits.`)
    .meta({ examples: [`${idKinds[kind]}_${"0192f0c1d2e37a4b8c5d6e7f80912a3b"}`] }) as unknown as z.ZodType<Id<K>, string>;
