import { isoTime } from "../../../kernel/clock.ts";
import type { GreetingView, PhoneCall, RecordingView, ReportLine, VoicemailView } from "./contract.ts";
import type { CallListRow } from "./store/calls.ts";
import type { RecordingRow } from "./store/recordings.ts";
import type { ReportRow } from "./store/report.ts";
import type { GreetingRow, VoicemailRow } from "./store/voicemails.ts";

const dayMs = 24 * 60 * 60 * 1000;

export const viewCall = (row: CallListRow): PhoneCall => ({
  id: row.id,
  phoneSystemId: row.systemId,
  projectId: row.projectId,
  organisationId: row.organisationId,
  direction: row.direction,
  outcome: row.outcome,
  fromNumber: row.fromNumber,
  fromName: row.fromName ?? undefined,
  toNumber: row.toNumber,
  toName: row.toName ?? undefined,
  extensionIds: row.extensionIds,
  trunkId: row.trunkId ?? undefined,
  phoneNumberId: row.phoneNumberId ?? undefined,
  queueId: row.queueId ?? undefined,
  country: row.country ?? undefined,
  startedAt: isoTime(row.startedAt),
  answeredAt: row.answeredAt ? isoTime(row.answeredAt) : undefined,
  endedAt: isoTime(row.endedAt),
  waitSeconds: row.waitSeconds,
  talkSeconds: row.talkSeconds,
  cause: row.cause ?? undefined,
  reason: row.reason ?? undefined,
  hungUpBy: row.hungUpBy ?? undefined,
  cost: row.cost ?? undefined,
  price: row.price ?? undefined,
  currency: row.currency ?? undefined,
  quality: row.quality ?? undefined,
  recordingIds: row.recordingIds,
});

export const viewVoicemail = (row: VoicemailRow): VoicemailView => ({
  id: row.id,
  phoneSystemId: row.systemId,
  projectId: row.projectId,
  organisationId: row.organisationId,
  extensionId: row.extensionId,
  folder: row.folder,
  heard: row.heard,
  fromNumber: row.fromNumber,
  fromName: row.fromName ?? undefined,
  forwardedBy: row.forwardedBy ?? undefined,
  note: row.note ?? undefined,
  callId: row.callId ?? undefined,
  seconds: row.milliseconds / 1000,
  sizeBytes: row.sizeBytes,
  createdAt: isoTime(row.createdAt),
});

export const viewRecording = (row: RecordingRow, retentionDays: number | undefined): RecordingView => ({
  id: row.id,
  phoneSystemId: row.systemId,
  projectId: row.projectId,
  organisationId: row.organisationId,
  callId: row.callId ?? undefined,
  extensionIds: row.extensionIds,
  fromNumber: row.fromNumber,
  toNumber: row.toNumber,
  seconds: row.milliseconds / 1000,
  sizeBytes: row.sizeBytes,
  sha256: row.sha256,
  legalHold: row.legalHold,
  deletesAt: row.legalHold || retentionDays === undefined ? undefined : isoTime(row.createdAt.getTime() + retentionDays * dayMs),
  createdAt: isoTime(row.createdAt),
});

export const viewGreeting = (row: Pick<GreetingRow, "kind" | "milliseconds" | "sizeBytes" | "createdAt">): GreetingView => ({
  kind: row.kind,
  seconds: row.milliseconds / 1000,
  sizeBytes: row.sizeBytes,
  createdAt: isoTime(row.createdAt),
});

const percent = (part: number, whole: number): number => (whole === 0 ? 0 : Math.round((part / whole) * 1000) / 10);
const average = (sum: number, count: number): number => (count === 0 ? 0 : Math.round((sum / count) * 10) / 10);

export const viewSums = (row: ReportRow): Omit<ReportLine, "key" | "name"> => ({
  calls: row.calls,
  answered: row.answered,
  answeredPercent: percent(row.answered, row.calls),
  talkSeconds: Math.round(row.talkSeconds),
  averageTalkSeconds: average(row.talkSeconds, row.answered),
  averageWaitSeconds: average(row.waitSeconds, row.calls),
  inServiceLevel: row.inServiceLevel,
  ...(row.queued === 0 ? {} : { serviceLevelPercent: percent(row.inServiceLevel, row.queued) }),
  cost: row.cost,
  price: row.price,
});
export const viewReportLine = (row: ReportRow): ReportLine => ({
  key: row.key,
  ...(row.name === null ? {} : { name: row.name }),
  ...viewSums(row),
});
