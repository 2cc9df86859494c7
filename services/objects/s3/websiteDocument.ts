/** The WebsiteConfiguration document (S3 API Reference, PutBucketWebsite). */
import type { WebsiteConfiguration, WebsiteRule } from "../websites/contract.ts";
import { S3Error } from "./errors.ts";
import { childrenOf, element, group, textOf, type XmlNode, xmlDocument } from "./xml.ts";

/** Without what is absent. */
const given = <T extends object>(values: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;

export function readWebsite(node: XmlNode): object {
  const [index] = childrenOf(node, "IndexDocument");
  const [error] = childrenOf(node, "ErrorDocument");
  const [all] = childrenOf(node, "RedirectAllRequestsTo");
  const [rules] = childrenOf(node, "RoutingRules");
  if (rules !== undefined && childrenOf(rules, "RoutingRule").length === 0) throw new S3Error("MalformedXML");
  return given({
    indexDocument: index === undefined ? undefined : textOf(index, "Suffix"),
    errorDocument: error === undefined ? undefined : textOf(error, "Key"),
    redirectAllTo:
      all === undefined ? undefined : given({ host: textOf(all, "HostName"), protocol: textOf(all, "Protocol")?.toLowerCase() }),
    rules: rules === undefined ? undefined : childrenOf(rules, "RoutingRule").map(readRule),
  });
}

function readRule(node: XmlNode): object {
  const [condition] = childrenOf(node, "Condition");
  const [redirect] = childrenOf(node, "Redirect");
  if (redirect === undefined) throw new S3Error("MalformedXML");
  const number = (parent: XmlNode, name: string) => {
    const text = textOf(parent, name);
    return text === undefined ? undefined : Number(text);
  };
  return given({
    condition:
      condition === undefined
        ? undefined
        : given({
            keyPrefix: textOf(condition, "KeyPrefixEquals"),
            httpErrorCode: number(condition, "HttpErrorCodeReturnedEquals"),
          }),
    redirect: given({
      protocol: textOf(redirect, "Protocol")?.toLowerCase(),
      host: textOf(redirect, "HostName"),
      replaceKeyPrefix: textOf(redirect, "ReplaceKeyPrefixWith"),
      replaceKey: textOf(redirect, "ReplaceKeyWith"),
      code: number(redirect, "HttpRedirectCode"),
    }),
  });
}

export const writeWebsite = ({ indexDocument, errorDocument, redirectAllTo, rules }: WebsiteConfiguration): string =>
  xmlDocument(
    "WebsiteConfiguration",
    ...(redirectAllTo === undefined
      ? []
      : [group("RedirectAllRequestsTo", element("HostName", redirectAllTo.host), element("Protocol", redirectAllTo.protocol))]),
    ...(indexDocument === undefined ? [] : [group("IndexDocument", element("Suffix", indexDocument))]),
    ...(errorDocument === undefined ? [] : [group("ErrorDocument", element("Key", errorDocument))]),
    ...(rules === undefined ? [] : [group("RoutingRules", ...rules.map(writeRule))]),
  );

const writeRule = ({ condition, redirect }: WebsiteRule): string =>
  group(
    "RoutingRule",
    ...(condition === undefined
      ? []
      : [
          group(
            "Condition",
            element("KeyPrefixEquals", condition.keyPrefix),
            element("HttpErrorCodeReturnedEquals", condition.httpErrorCode),
          ),
        ]),
    group(
      "Redirect",
      element("Protocol", redirect.protocol),
      element("HostName", redirect.host),
      element("ReplaceKeyPrefixWith", redirect.replaceKeyPrefix),
      element("ReplaceKeyWith", redirect.replaceKey),
      element("HttpRedirectCode", redirect.code),
    ),
  );
