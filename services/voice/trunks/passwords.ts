import type { Secrets } from "../../../kernel/secrets.ts";

const purpose = (trunkId: string): string => `voice.trunk.password:${trunkId}`;

export const sealTrunkPassword = (secrets: Secrets, trunkId: string, password: string): Uint8Array =>
  secrets.encrypt(purpose(trunkId), password);

/** As it is said to the provider. */
export const openTrunkPassword = (secrets: Secrets, trunk: { id: string; password: Uint8Array }): string =>
  Buffer.from(secrets.decrypt(purpose(trunk.id), trunk.password)).toString("utf8");
