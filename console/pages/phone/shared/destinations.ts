import { useMemo } from "react";
import type { Destination, DestinationKind } from "../../../../services/voice/destinations/contract.ts";
import { useApi } from "../../../api/api.ts";
import { useT } from "../../../i18n/i18n.ts";
import { readable } from "../softphone/numbers.ts";

interface Named {
  id: string;
  name: string;
  number?: string | undefined;
}
const most = { limit: 200 } as const;

/** All that a call of this phone system can lead to, by kind; what nobody may see or there is none of is left out. */
export function useDestinations(phoneSystem: string) {
  const t = useT();
  const of = { phoneSystem: phoneSystem as never, ...most };
  const lists: Partial<Record<DestinationKind, Named[] | undefined>> = {
    extension: useApi("extensionList", of).data?.items,
    ring_group: useApi("ringGroupList", of).data?.items,
    queue: useApi("callQueueList", of).data?.items,
    menu: useApi("phoneMenuList", of).data?.items,
    conference: useApi("conferenceRoomList", of).data?.items,
    time_condition: useApi("timeConditionList", of).data?.items,
    announcement: useApi("announcementList", of).data?.items,
    paging: useApi("pagingGroupList", of).data?.items,
    application: useApi("phoneApplicationList", of).data?.items,
  };
  lists.voicemail = lists.extension;
  const label = ({ name, number }: Named) => (number ? `${number} · ${name}` : name);
  const kinds = Object.keys(lists) as DestinationKind[];
  const options = kinds
    .map((kind) => ({
      group: t(`phone.destination.${kind}`),
      items: (lists[kind] ?? []).map((one) => ({
        value: `${kind}:${one.id}`,
        label: kind === "voicemail" ? t("phone.voicemailOf", { name: label(one) }) : label(one),
      })),
    }))
    .filter(({ items }) => items.length > 0);
  const nameOf = (destination: Destination | null | undefined): string => {
    if (!destination) return "—";
    if (destination.kind === "number") return readable(destination.number);
    if (!("id" in destination)) return t(`phone.destination.${destination.kind}`);
    const found = lists[destination.kind]?.find(({ id }) => id === destination.id);
    const name = found ? label(found) : t(`phone.destination.${destination.kind}`);
    return destination.kind === "voicemail" ? t("phone.voicemailOf", { name }) : name;
  };
  return { options, nameOf, lists };
}

/** `queue:cqu_…` as a select has it, and back. */
export const keyOf = (destination: Destination | null): string =>
  destination === null ? "" : "id" in destination ? `${destination.kind}:${destination.id}` : destination.kind;

export function fromKey(key: string, number: string): Destination | null {
  if (key === "") return null;
  if (key === "hang_up" || key === "directory") return { kind: key };
  if (key === "number") return { kind: "number", number };
  const at = key.indexOf(":");
  return { kind: key.slice(0, at), id: key.slice(at + 1) } as Destination;
}

/** Extensions as a select has them. */
export function useExtensionOptions(phoneSystem: string): { value: string; label: string }[] {
  const { data } = useApi("extensionList", { phoneSystem: phoneSystem as never, ...most });
  return useMemo(
    () => (data?.items ?? []).map(({ id, number, name }) => ({ value: id as string, label: `${number} · ${name}` })),
    [data],
  );
}
