/** The BucketLoggingStatus document (S3 API Reference, PutBucketLogging). */
import type { LoggingConfiguration } from "../accessLogs/configuration.ts";
import { grantElement, readGrants } from "./access/acl.ts";
import { S3Error } from "./errors.ts";
import { carriedByXml, childrenOf, element, group, parseXml, textOf, type XmlNode, xmlDocument } from "./xml.ts";

const malformed = (): S3Error => new S3Error("MalformedXML");

/** Undefined: nothing is logged. */
export function readLogging(document: string): LoggingConfiguration | undefined {
  const [enabled] = childrenOf(parseXml(document, "BucketLoggingStatus"), "LoggingEnabled");
  if (enabled === undefined) return undefined;
  const [targetBucket, targetPrefix] = [textOf(enabled, "TargetBucket"), textOf(enabled, "TargetPrefix")];
  if (!targetBucket || targetPrefix === undefined) throw malformed();
  const targetGrants = childrenOf(enabled, "TargetGrants").flatMap((list) => readGrants(list, malformed));
  // Of a log's objects, others may read, or write, or all of it (TargetGrant).
  if (targetGrants.some(({ permission }) => permission.endsWith("_ACP"))) throw malformed();
  if (!carriedByXml(targetPrefix) || !targetPrefix.isWellFormed() || Buffer.byteLength(targetPrefix) > 800)
    throw new S3Error("InvalidArgument", "The TargetPrefix is not valid: at most 800 bytes, which can stand in a document.");
  return {
    targetBucket,
    targetPrefix,
    keyFormat: readFormat(childrenOf(enabled, "TargetObjectKeyFormat")[0]),
    ...(targetGrants.length > 0 && { targetGrants }),
  };
}

const partitioned = { EventTime: "event_time", DeliveryTime: "delivery_time" } as const;

function readFormat(node: XmlNode | undefined): LoggingConfiguration["keyFormat"] {
  if (node === undefined) return "simple";
  const [[simple], [folders]] = [childrenOf(node, "SimplePrefix"), childrenOf(node, "PartitionedPrefix")];
  if ((simple === undefined) === (folders === undefined)) throw malformed();
  if (folders === undefined) return "simple";
  const source = textOf(folders, "PartitionDateSource") ?? "EventTime";
  if (!Object.hasOwn(partitioned, source)) throw malformed();
  return partitioned[source as keyof typeof partitioned];
}

export function writeLogging(logging: LoggingConfiguration | undefined): string {
  if (logging === undefined) return xmlDocument("BucketLoggingStatus");
  const { targetBucket, targetPrefix, keyFormat, targetGrants = [] } = logging;
  const source = keyFormat === "event_time" ? "EventTime" : "DeliveryTime";
  return xmlDocument(
    "BucketLoggingStatus",
    group(
      "LoggingEnabled",
      element("TargetBucket", targetBucket),
      element("TargetPrefix", targetPrefix),
      targetGrants.length === 0 ? "" : group("TargetGrants", ...targetGrants.map(grantElement)),
      group(
        "TargetObjectKeyFormat",
        keyFormat === "simple" ? group("SimplePrefix") : group("PartitionedPrefix", element("PartitionDateSource", source)),
      ),
    ),
  );
}
