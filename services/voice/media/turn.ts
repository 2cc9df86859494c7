import { createHmac } from "node:crypto";
import type { Secrets } from "../../../kernel/secrets.ts";

/** Both processes make it of the master key: it is kept nowhere. */
export const turnSecret = (secrets: Secrets): string => secrets.fingerprint("voice.turn", "secret");

/**
 * Credentials for a TURN server that shares a secret with us, as coturn's `use-auth-secret` wants them (draft-uberti-behave-turn-rest): the user name
 * says until when they are good, the password proves it. `validSeconds` from `now` (milliseconds since 1970).
 */
export function turnCredentials(options: {
  secret: string;
  user: string;
  validSeconds: number;
  now: number;
  urls: readonly string[];
}): {
  urls: string[];
  username: string;
  credential: string;
} {
  const username = `${Math.floor(options.now / 1000) + options.validSeconds}:${options.user}`;
  const credential = createHmac("sha1", options.secret).update(username).digest("base64");
  return { urls: [...options.urls], username, credential };
}

/** For a browser (W3C WebRTC, RTCIceServer): UDP, and TCP where that does not go out. */
export const turnUrls = ({ host, port }: { host: string; port: number }): string[] => {
  const at = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  return [`turn:${at}?transport=udp`, `turn:${at}?transport=tcp`];
};
