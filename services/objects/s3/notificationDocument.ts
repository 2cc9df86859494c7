/** The NotificationConfiguration document (S3 API Reference, PutBucketNotificationConfiguration). */
import { randomUUID } from "node:crypto";
import {
  destinationKinds,
  type NotificationConfiguration,
  type NotificationRule,
  overlap,
} from "../notifications/configuration.ts";
import { eventNames, idleEventNames, mostRules } from "../notifications/contract.ts";
import { invalidArgument, S3Error } from "./errors.ts";
import { carriedByXml, childrenOf, element, group, parseXml, textOf, type XmlNode, xmlDocument } from "./xml.ts";

const malformed = (): S3Error => new S3Error("MalformedXML");

/** Undefined: nobody is told anything. */
export function readNotification(document: string): NotificationConfiguration | undefined {
  const root = parseXml(document, "NotificationConfiguration");
  const rules = destinationKinds.flatMap((kind) =>
    childrenOf(root, kind === "CloudFunction" ? "CloudFunctionConfiguration" : `${kind}Configuration`).map((node) =>
      readRule(node, kind),
    ),
  );
  if (rules.length > mostRules) throw new S3Error("InvalidRequest", `At most ${mostRules} notifications of a bucket.`);
  if (new Set(rules.map(({ id }) => id)).size < rules.length)
    throw new S3Error("InvalidArgument", "Same ID used for multiple configurations. IDs must be unique");
  rules.forEach((rule, index) => {
    if (rules.slice(0, index).some((other) => overlap(rule, other)))
      throw new S3Error(
        "InvalidArgument",
        "Configurations overlap. Configurations on the same bucket cannot share a common event type.",
      );
  });
  const eventBridge = childrenOf(root, "EventBridgeConfiguration").length > 0;
  return rules.length === 0 && !eventBridge ? undefined : { rules, ...(eventBridge && { eventBridge }) };
}

function readRule(node: XmlNode, kind: NotificationRule["kind"]): NotificationRule {
  const [id, arn] = [textOf(node, "Id") || randomUUID(), textOf(node, kind)?.trim()];
  if (id.length > 255 || !carriedByXml(id) || arn === undefined) throw malformed();
  const events = childrenOf(node, "Event").map((event) => textOf({ Event: event }, "Event")?.trim() ?? "");
  if (events.length === 0) throw malformed();
  for (const event of events)
    if (!eventNames.includes(event) && !idleEventNames.includes(event))
      throw invalidArgument("Event", event, "The event is not supported for notifications");
  return { id, kind, arn, webhook: webhookOf(arn), events, ...readFilter(childrenOf(node, "Filter")[0]) };
}

/** Its last part is a webhook's name, whatever the service before it: arn:aws:sns:us-east-1:123456789012:orders. */
function webhookOf(arn: string): string {
  const name = /^arn:aws[\w-]*:(?:sns|sqs|lambda):[\w-]*:\d*:(?:function:)?([a-z0-9-]{1,63})$/.exec(arn)?.[1];
  if (name === undefined) throw invalidArgument("arn", arn, "The ARN could not be parsed");
  return name;
}

function readFilter(node: XmlNode | undefined): Pick<NotificationRule, "prefix" | "suffix"> {
  const filter: Pick<NotificationRule, "prefix" | "suffix"> = {};
  for (const key of node === undefined ? [] : childrenOf(node, "S3Key")) {
    for (const rule of childrenOf(key, "FilterRule")) {
      const [name, value] = [textOf(rule, "Name")?.trim().toLowerCase(), textOf(rule, "Value") ?? ""];
      if (name !== "prefix" && name !== "suffix")
        throw invalidArgument("FilterRule.Name", name ?? "", "filter rule name must be either prefix or suffix");
      if (filter[name] !== undefined)
        throw invalidArgument("FilterRule.Name", name, `Cannot specify more than one ${name} rule in a filter.`);
      if (Buffer.byteLength(value) > 1024 || !carriedByXml(value) || !value.isWellFormed())
        throw invalidArgument("FilterRule.Value", "", "filter rule value cannot exceed 1024 bytes");
      filter[name] = value;
    }
  }
  return filter;
}

export const writeNotification = (configuration: NotificationConfiguration | undefined): string =>
  xmlDocument(
    "NotificationConfiguration",
    ...(configuration?.rules ?? []).map(({ id, kind, arn, events, prefix, suffix }) =>
      group(
        kind === "CloudFunction" ? "CloudFunctionConfiguration" : `${kind}Configuration`,
        element("Id", id),
        element(kind, arn),
        ...events.map((event) => element("Event", event)),
        prefix === undefined && suffix === undefined
          ? ""
          : group("Filter", group("S3Key", filterRule("Prefix", prefix), filterRule("Suffix", suffix))),
      ),
    ),
    configuration?.eventBridge ? group("EventBridgeConfiguration") : "",
  );

const filterRule = (name: string, value: string | undefined): string =>
  value === undefined ? "" : group("FilterRule", element("Name", name), element("Value", value));
