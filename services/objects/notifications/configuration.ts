/** What of a bucket is told to whom (S3 User Guide, "Amazon S3 Event Notifications"). */
export interface NotificationConfiguration {
  rules: NotificationRule[];
  /** All events go into the cloud's own stream of events, too: what S3 calls EventBridge. */
  eventBridge?: true;
}

export const destinationKinds = ["Topic", "Queue", "CloudFunction"] as const;

export interface NotificationRule {
  id: string;
  /** Which element of the document it stood in; all of them lead to a webhook. */
  kind: (typeof destinationKinds)[number];
  arn: string;
  /** The webhook's name, the last part of the ARN. */
  webhook: string;
  /** As S3 names them: `s3:ObjectCreated:*`. */
  events: string[];
  prefix?: string;
  suffix?: string;
}

/** `event` without the star: `ObjectCreated:Put`. */
export const wants = ({ events, prefix = "", suffix = "" }: NotificationRule, event: string, key: string): boolean =>
  key.startsWith(prefix) &&
  key.endsWith(suffix) &&
  events.some((each) => each === `s3:${event}` || (each.endsWith("*") && `s3:${event}`.startsWith(each.slice(0, -1))));

/** Whether one object could set off both. */
export function overlap(a: NotificationRule, b: NotificationRule): boolean {
  const sameEvent = a.events.some((one) => b.events.some((other) => covers(one, other) || covers(other, one)));
  const [prefixes, suffixes] = [
    [a.prefix ?? "", b.prefix ?? ""],
    [a.suffix ?? "", b.suffix ?? ""],
  ] as [[string, string], [string, string]];
  return (
    sameEvent &&
    (prefixes[0].startsWith(prefixes[1]) || prefixes[1].startsWith(prefixes[0])) &&
    (suffixes[0].endsWith(suffixes[1]) || suffixes[1].endsWith(suffixes[0]))
  );
}
const covers = (wide: string, narrow: string): boolean =>
  wide === narrow || (wide.endsWith("*") && narrow.startsWith(wide.slice(0, -1)));
