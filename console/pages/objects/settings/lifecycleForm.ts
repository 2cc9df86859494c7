import { type TagRow, tagRowsOf, tagsOf } from "../tags.ts";
import { wholeNumber } from "./numbers.ts";
import type { LifecycleRule } from "./sentences.ts";
import { bytesOf, sizeUnits, unitOf } from "./sizes.ts";

/** The form of a lifecycle rule: what is typed, the rule that is meant, and what is wrong with it. */

/** From above to below: objects only go down. */
export const storageClasses = ["STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR"] as const;
export type StorageClass = (typeof storageClasses)[number];
export const filterUnits = ["KB", "MB", "GB"] as const;
type FilterUnit = (typeof filterUnits)[number];

/** Another storage class after a while. `newest` is said of old versions only, `day` where the rule has days of the calendar. */
export interface Step {
  id: number;
  storageClass: StorageClass;
  days: string;
  day: string;
  newest: string;
}

export interface Values {
  id: string;
  prefix: string;
  tags: TagRow[];
  larger: string;
  largerUnit: FilterUnit;
  smaller: string;
  smallerUnit: FilterUnit;
  /** Of all that happens to current objects: S3 lets no rule mix them. */
  timing: "days" | "day";
  moves: boolean;
  steps: Step[];
  expires: boolean;
  days: string;
  day: string;
  markers: boolean;
  oldMoves: boolean;
  oldSteps: Step[];
  old: boolean;
  oldDays: string;
  newest: string;
  uploads: boolean;
  uploadDays: string;
}

const mostDays = 36_500;
export const daysOf = (text: string): number | undefined => wholeNumber(text, 1, mostDays);
const newestOf = (text: string): number | undefined => wholeNumber(text, 1, 100);
export const isNewest = (text: string): boolean => text.trim() === "" || newestOf(text) !== undefined;
export const isDay = (text: string): boolean => !Number.isNaN(Date.parse(midnightOf(text)));
const midnightOf = (day: string): string => `${day}T00:00:00Z`;

/** So long something is kept before it goes down from, or into, a class for what is seldom read. */
const seldom = 30;
const isSeldom = (storageClass: StorageClass): boolean => storageClass.endsWith("_IA");
const depthOf = ({ storageClass }: Step): number => storageClasses.indexOf(storageClass);

export function newStep(steps: readonly Step[]): Step {
  const last = steps.at(-1);
  const free = storageClasses.filter((name) => steps.every(({ storageClass }) => storageClass !== name));
  return {
    id: Math.max(0, ...steps.map(({ id }) => id)) + 1,
    storageClass:
      free.find((name) => last === undefined || storageClasses.indexOf(name) > depthOf(last)) ?? free[0] ?? "GLACIER_IR",
    days: String((wholeNumber(last?.days ?? "0", 0, mostDays) ?? 0) + seldom),
    day: "",
    newest: "",
  };
}

const stepsOf = (
  given: (Partial<Record<"days" | "newerVersions", number | undefined>> & {
    at?: string | undefined;
    storageClass: StorageClass;
  })[] = [],
): Step[] =>
  given.map(({ days, at, newerVersions, storageClass }, id) => ({
    id,
    storageClass,
    days: String(days ?? ""),
    day: at?.slice(0, 10) ?? "",
    newest: String(newerVersions ?? ""),
  }));

export function valuesOf(rule: LifecycleRule | undefined): Values {
  const { prefix = "", tags, largerThanBytes: larger, smallerThanBytes: smaller } = rule?.filter ?? {};
  const [largerUnit, smallerUnit] = [unitOf(larger ?? 1e6, filterUnits), unitOf(smaller ?? 1e6, filterUnits)];
  const { expiration, noncurrent, abortUploadsDays } = rule ?? {};
  const [steps, oldSteps] = [stepsOf(rule?.transitions), stepsOf(rule?.noncurrentTransitions)];
  return {
    id: rule?.id ?? "",
    prefix,
    tags: tagRowsOf(tags),
    larger: larger === undefined ? "" : String(larger / sizeUnits[largerUnit]),
    largerUnit,
    smaller: smaller === undefined ? "" : String(smaller / sizeUnits[smallerUnit]),
    smallerUnit,
    timing: expiration?.at !== undefined || steps.some(({ day }) => day !== "") ? "day" : "days",
    moves: steps.length > 0,
    steps: steps.length > 0 ? steps : [newStep([])],
    expires: rule === undefined || expiration?.days !== undefined || expiration?.at !== undefined,
    days: String(expiration?.days ?? 30),
    day: expiration?.at?.slice(0, 10) ?? "",
    markers: expiration?.expiredMarkers ?? false,
    oldMoves: oldSteps.length > 0,
    oldSteps: oldSteps.length > 0 ? oldSteps : [newStep([])],
    old: noncurrent !== undefined,
    oldDays: String(noncurrent?.days ?? 30),
    newest: String(noncurrent?.newerVersions ?? ""),
    uploads: abortUploadsDays !== undefined,
    uploadDays: String(abortUploadsDays ?? 7),
  };
}

/** Whether it asks for tags or sizes, which unfinished uploads and delete markers have not. */
export const hasConditions = ({ tags, larger, smaller }: Pick<Values, "tags" | "larger" | "smaller">): boolean =>
  tags.length > 0 || larger.trim() !== "" || smaller.trim() !== "";

export type StepProblem =
  | { kind: "none" | "time" | "seldom" | "newest" | "twice" }
  | { kind: "order"; earlier: StorageClass; later: StorageClass; days: number };

/** The first thing that is wrong with storage classes one after the other, as S3 sees it; undefined: they can be. */
export function stepProblem(steps: readonly Step[], timing: Values["timing"]): StepProblem | undefined {
  if (steps.length === 0) return { kind: "none" };
  if (new Set(steps.map(depthOf)).size < steps.length) return { kind: "twice" };
  if (steps.some(({ newest }) => !isNewest(newest))) return { kind: "newest" };
  const sorted = [...steps].sort((a, b) => depthOf(a) - depthOf(b));
  for (const [index, step] of sorted.entries()) {
    const before = sorted[index - 1];
    if (timing === "day") {
      if (!isDay(step.day)) return { kind: "time" };
      if (before && step.day <= before.day)
        return { kind: "order", earlier: before.storageClass, later: step.storageClass, days: 1 };
      continue;
    }
    const days = wholeNumber(step.days, 0, mostDays);
    if (days === undefined) return { kind: "time" };
    if (isSeldom(step.storageClass) && days < seldom) return { kind: "seldom" };
    const more = before && isSeldom(before.storageClass) ? seldom : 1;
    if (before && days < Number(before.days) + more)
      return { kind: "order", earlier: before.storageClass, later: step.storageClass, days: more };
  }
  return undefined;
}

/** Whether what is deleted then has got all its storage classes before. */
export function endsLater(steps: readonly Step[], timing: Values["timing"], end: { days: string; day: string }): boolean {
  return steps.every((step) => (timing === "day" ? end.day > step.day : Number(end.days) > Number(step.days)));
}

/** A size that is asked for; undefined: none is, or what stands there is none. */
const sizeOf = (values: Values, name: "larger" | "smaller"): number | undefined => bytesOf(values[name], values[`${name}Unit`]);
export const isSize = (text: string): boolean => text.trim() === "" || bytesOf(text, "KB") !== undefined;
export function sizesFit(values: Values): boolean {
  const [larger, smaller] = [sizeOf(values, "larger"), sizeOf(values, "smaller")];
  return larger === undefined || smaller === undefined || larger < smaller;
}

/** The rule that is meant, or undefined while it says nothing or something is missing. */
export function ruleOf(values: Values, enabled = true): LifecycleRule | undefined {
  const { timing, moves, steps, expires, oldMoves, oldSteps, old } = values;
  const uploads = values.uploads && !hasConditions(values);
  const markers = values.markers && !expires && !hasConditions(values);
  const [larger, smaller] = [sizeOf(values, "larger"), sizeOf(values, "smaller")];
  const whole =
    isSize(values.larger) &&
    isSize(values.smaller) &&
    sizesFit(values) &&
    (!moves || stepProblem(steps, timing) === undefined) &&
    (!oldMoves || stepProblem(oldSteps, "days") === undefined) &&
    (!expires || (timing === "day" ? isDay(values.day) : daysOf(values.days) !== undefined)) &&
    (!expires || !moves || endsLater(steps, timing, values)) &&
    (!old || (daysOf(values.oldDays) !== undefined && isNewest(values.newest))) &&
    (!old || !oldMoves || endsLater(oldSteps, "days", { days: values.oldDays, day: "" })) &&
    (!uploads || daysOf(values.uploadDays) !== undefined);
  if (!whole || !(moves || expires || markers || oldMoves || old || uploads)) return undefined;
  const time = ({ days, day }: { days: string; day: string }) =>
    timing === "day" ? { at: midnightOf(day) } : { days: Number(days) };
  const keep = (newest: string) => (newest.trim() === "" ? {} : { newerVersions: Number(newest) });
  return {
    id: values.id.trim() || "rule",
    enabled,
    filter: {
      ...(values.prefix === "" ? {} : { prefix: values.prefix }),
      ...(values.tags.length > 0 && { tags: tagsOf(values.tags) }),
      ...(larger !== undefined && { largerThanBytes: larger }),
      ...(smaller !== undefined && { smallerThanBytes: smaller }),
    },
    ...(expires ? { expiration: time(values) } : markers && { expiration: { expiredMarkers: true } }),
    ...(old && { noncurrent: { days: Number(values.oldDays), ...keep(values.newest) } }),
    ...(uploads && { abortUploadsDays: Number(values.uploadDays) }),
    ...(moves && { transitions: steps.map((step) => ({ ...time(step), storageClass: step.storageClass })) }),
    ...(oldMoves && {
      noncurrentTransitions: oldSteps.map(({ days, newest, storageClass }) => ({
        days: Number(days),
        ...keep(newest),
        storageClass,
      })),
    }),
  };
}
