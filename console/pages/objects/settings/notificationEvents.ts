import type { Answer } from "../../../api/api.ts";

export type NotificationRule = Answer<"bucketNotificationGet">["rules"][number];
type EventName = NotificationRule["events"][number];

/** Kinds of events that a person chooses among; programs may name single ones of a kind. */
export const families = ["ObjectCreated", "ObjectRemoved", "ObjectTagging", "ObjectAcl", "LifecycleExpiration"] as const;
export type Family = (typeof families)[number];

/** Of `s3:ObjectCreated:Put`; undefined for kinds that people are not asked about. */
export const familyOf = (event: string): Family | undefined => families.find((each) => each === event.split(":")[1]);

/** All events of a kind under one name; the lists of access have only one event, and no name for all. */
export const wholeFamily = (family: Family) => (family === "ObjectAcl" ? "s3:ObjectAcl:Put" : `s3:${family}:*`) as EventName;
export const isWhole = (event: string): boolean => families.some((family) => wholeFamily(family) === event);
