/** The BucketLoggingStatus document (S3 API Reference, PutBucketLogging). */
import type { LoggingConfiguration } from "../accessLogs/configuration.ts";
import { S3Error } from "./errors.ts";
import { carriedByXml, childrenOf, element, group, parseXml, textOf, type XmlNode, xmlDocument } from "./xml.ts";

const malformed = (): S3Error => new S3Error("MalformedXML");

/** Undefined: nothing is logged. */
export function readLogging(document: string): LoggingConfiguration | undefined {
  const [enabled] = childrenOf(parseXml(document, "BucketLoggingStatus"), "LoggingEnabled");
  if (enabled === undefined) return undefined;
  const [targetBucket, targetPrefix] = [textOf(enabled, "TargetBucket"), textOf(enabled, "TargetPrefix")];
  if (!targetBucket || targetPrefix === undefined) throw malformed();
  if (childrenOf(enabled, "TargetGrants").some((grants) => childrenOf(grants, "Grant").length > 0))
    throw new S3Error(
      "NotImplemented",
      "TargetGrants are not implemented: let a policy of the target bucket say who may read the logs.",
    );
  if (!carriedByXml(targetPrefix) || !targetPrefix.isWellFormed() || Buffer.byteLength(targetPrefix) > 800)
    throw new S3Error("InvalidArgument", "The TargetPrefix is not valid: at most 800 bytes, which can stand in a document.");
  return { targetBucket, targetPrefix, keyFormat: readFormat(childrenOf(enabled, "TargetObjectKeyFormat")[0]) };
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
  const { targetBucket, targetPrefix, keyFormat } = logging;
  const source = keyFormat === "event_time" ? "EventTime" : "DeliveryTime";
  return xmlDocument(
    "BucketLoggingStatus",
    group(
      "LoggingEnabled",
      element("TargetBucket", targetBucket),
      element("TargetPrefix", targetPrefix),
      group(
        "TargetObjectKeyFormat",
        keyFormat === "simple" ? group("SimplePrefix") : group("PartitionedPrefix", element("PartitionDateSource", source)),
      ),
    ),
  );
}
