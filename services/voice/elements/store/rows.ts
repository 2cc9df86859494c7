import type { z } from "zod";
import type { Id } from "../../../../kernel/ids.ts";
import type { ElementKind, elementKinds } from "../contract.ts";

/** As an element is stored: `settings` is what its contract has beside name and number, without PINs. */
export interface ElementRow {
  id: string;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  systemId: Id<"phoneSystem">;
  kind: ElementKind;
  name: string;
  number: string | null;
  settings: Record<string, unknown>;
  /** PINs as JSON, sealed for `sealedPurpose(id)`. */
  sealed: Uint8Array | null;
  createdAt: Date;
  revision: number;
}

/** What a call needs of one: name, number (where it has one), and its settings with nothing missing. */
export type Element<K extends ElementKind> = { id: Id<K>; name: string; number: string | undefined } & z.output<
  (typeof elementKinds)[K]["fields"]
>;

export interface AgentState {
  extensionId: Id<"extension">;
  loggedIn: boolean;
  paused: boolean;
  pauseReason: string | undefined;
}

/** Where its sound is: `openAudio(tx, id)`. */
export interface AudioReference {
  id: Id<"phoneAudio">;
  fileName: string;
  sizeBytes: number;
  seconds: number;
  uploadedAt: string;
}

/** All elements of a phone system, as its plan has them. */
export interface PlanElements {
  ringGroups: Element<"ringGroup">[];
  /** `states`: of those agents who ever logged in. */
  queues: (Element<"callQueue"> & { states: AgentState[] })[];
  menus: Element<"phoneMenu">[];
  /** `sealed`: their PINs, for `openPins`. */
  conferenceRooms: (Omit<Element<"conferenceRoom">, "pin" | "moderatorPin"> & { sealed: Uint8Array | undefined })[];
  timeConditions: Element<"timeCondition">[];
  announcements: (Element<"announcement"> & { audio: AudioReference | undefined })[];
  pagingGroups: Element<"pagingGroup">[];
  parkingLots: Element<"parkingLot">[];
  speedDials: Element<"speedDial">[];
  blockedCallers: Element<"blockedCaller">[];
}
