import type { Secrets } from "../../../kernel/secrets.ts";

/** Of a conference room. */
export interface Pins {
  pin?: string | undefined;
  moderatorPin?: string | undefined;
}

const purpose = (id: string): string => `voice.conference_room.pins:${id}`;

/** Sealed, not hashed: whoever invites people looks them up. Null without any. */
export const sealPins = (secrets: Secrets, id: string, pins: Pins): Uint8Array | null =>
  pins.pin === undefined && pins.moderatorPin === undefined ? null : secrets.encrypt(purpose(id), JSON.stringify(pins));

export const openPins = (secrets: Secrets, room: { id: string; sealed?: Uint8Array | null | undefined }): Pins =>
  room.sealed ? (JSON.parse(secrets.decrypt(purpose(room.id), room.sealed).toString()) as Pins) : {};
