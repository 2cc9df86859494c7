/** What a machine is given to become a node, as one word that a person copies: its name, where to go, and who it may trust. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { invalid } from "../../../kernel/errors.ts";
import { nodeNamePattern } from "../drivers/swarm/names.ts";

export interface Invitation {
  name: string;
  /** `10.0.0.1:2377`. */
  manager: string;
  /** Of the swarm. */
  token: string;
  /** Who is in the swarm, by its own ids: a machine that thinks it is, and is not named here, was removed. */
  members: string[];
  /** PEM. */
  authority: string;
  certificate: string;
  key: string;
}

const prefix = "khn_";
const mostBytes = 16 * 1024;

const pemOf = (type: string, der: string): string =>
  `-----BEGIN ${type}-----\n${der.match(/.{1,64}/g)?.join("\n") ?? ""}\n-----END ${type}-----\n`;

/** A tenth shorter than with the texts as they are, and without line breaks. */
export function encodeInvitation({ name, manager, token, members, authority, certificate, key }: Invitation): string {
  const der = (text: string) => new X509Certificate(text).raw.toString("base64");
  const content = [
    name,
    manager,
    token,
    der(authority),
    der(certificate),
    createPrivateKey(key).export({ type: "pkcs8", format: "der" }).toString("base64"),
    members.join(","),
  ];
  return prefix + Buffer.from(JSON.stringify(content)).toString("base64url");
}

export function decodeInvitation(text: string): Invitation {
  const word = text.trim();
  try {
    if (!word.startsWith(prefix) || word.length > mostBytes) throw new Error("it is another word");
    const content = JSON.parse(Buffer.from(word.slice(prefix.length), "base64url").toString()) as unknown;
    if (!Array.isArray(content) || content.length !== 7 || content.some((each) => typeof each !== "string"))
      throw new Error("it is cut off");
    const [name = "", manager = "", token = "", authority = "", certificate = "", key = "", members = ""] = content as string[];
    const host = manager.slice(0, manager.lastIndexOf(":")).replace(/^\[|\]$/g, "");
    if (!nodeNamePattern.test(name) || isIP(host) === 0 || !/^SWMTKN-[\w-]+$/.test(token) || !/^[\w,]*$/.test(members))
      throw new Error("it is no invitation");
    const invitation = {
      name,
      manager,
      token,
      members: members.split(",").filter(Boolean),
      authority: pemOf("CERTIFICATE", authority),
      certificate: pemOf("CERTIFICATE", certificate),
      key: pemOf("PRIVATE KEY", key),
    };
    if (!new X509Certificate(invitation.certificate).checkIssued(new X509Certificate(invitation.authority)))
      throw new Error("damaged");
    createPrivateKey(invitation.key);
    return invitation;
  } catch (error) {
    throw Object.assign(
      invalid(
        "invitation",
        "This is no invitation of a node. Copy the whole command that the cloud gives (khmara node invite NAME).",
      ),
      {
        cause: error,
      },
    );
  }
}
