import { MultiSelect, NumberInput, Select, TextInput } from "@mantine/core";
import type { Destination } from "../../../../services/voice/destinations/contract.ts";
import { useT } from "../../../i18n/i18n.ts";
import { DestinationSelect } from "../shared/DestinationSelect.tsx";
import { useDestinations, useExtensionOptions } from "../shared/destinations.ts";
import { ElementsSection } from "../shared/Elements.tsx";
import { narrow } from "../shared/narrow.ts";
import { PhonePage, type PhonePlace } from "../shared/PhonePage.tsx";
import { MusicSelect } from "./SpeechField.tsx";

const hangUp: Destination = { kind: "hang_up" };
const directions = ["inbound", "outbound", "both"] as const;
const refusals = ["reject", "busy", "voicemail"] as const;

/** Smaller things that calls can lead to, or that keep them away. */
export default function MorePage() {
  const t = useT();
  return (
    <PhonePage tab="more" text={t("phoneFlow.moreText")}>
      {(place) => (
        <>
          <SpeedDials place={place} />
          <Blocked place={place} />
          <Paging place={place} />
          <Parking place={place} />
        </>
      )}
    </PhonePage>
  );
}

function SpeedDials({ place }: { place: PhonePlace }) {
  const t = useT();
  const { nameOf } = useDestinations(place.system.id);
  return (
    <ElementsSection
      place={place}
      title={t("phoneFlow.speedDials")}
      text={t("phoneFlow.speedDialsText")}
      words="speedDials"
      kind="speedDial"
      numbered="required"
      values={(dial) => ({ target: (dial?.target ?? null) as Destination | null })}
      checks={{ target: (target: Destination | null) => (target === null ? t("ui.required") : undefined) }}
      body={({ target }) => ({ target })}
      columns={() => [{ key: "target", header: t("phone.goesTo"), cell: ({ target }) => nameOf(target) }]}
      fields={(form, { system }) => (
        <DestinationSelect
          phoneSystem={system.id}
          label={t("phone.goesTo")}
          value={form.values.target}
          error={form.choice("target").error}
          onChange={(target) => form.set("target", target)}
        />
      )}
    />
  );
}

function Blocked({ place }: { place: PhonePlace }) {
  const t = useT();
  return (
    <ElementsSection
      place={place}
      title={t("phoneFlow.blocked")}
      text={t("phoneFlow.blockedText")}
      words="blocked"
      kind="blockedCaller"
      numbered="none"
      values={(one) => ({
        pattern: one?.pattern ?? "",
        direction: one?.direction ?? ("inbound" as (typeof directions)[number]),
        action: one?.action ?? ("reject" as (typeof refusals)[number]),
      })}
      checks={{
        pattern: (pattern: string) =>
          /^(anonymous|\+?[0-9]{1,15}\*?|\*)$/.test(pattern) ? undefined : t("phoneFlow.patternRule"),
      }}
      body={({ pattern, direction, action }) => ({ pattern, direction, action })}
      columns={() => [
        { key: "pattern", header: t("phoneFlow.pattern"), cell: ({ pattern }) => pattern },
        { key: "direction", header: t("phone.direction"), cell: ({ direction }) => t(`phoneFlow.direction.${direction}`) },
        { key: "action", header: t("phoneFlow.refusal"), cell: ({ action }) => t(`phoneFlow.refusal.${action}`) },
      ]}
      fields={(form) => (
        <>
          <TextInput
            label={t("phoneFlow.pattern")}
            description={t("phoneFlow.patternText")}
            autoComplete="off"
            {...form.field("pattern")}
          />
          <Select
            label={t("phone.direction")}
            data={directions.map((value) => ({ value, label: t(`phoneFlow.direction.${value}`) }))}
            {...form.choice("direction")}
          />
          <Select
            label={t("phoneFlow.refusal")}
            data={refusals.map((value) => ({ value, label: t(`phoneFlow.refusal.${value}`) }))}
            {...form.choice("action")}
          />
        </>
      )}
    />
  );
}

function Paging({ place }: { place: PhonePlace }) {
  const t = useT();
  const options = useExtensionOptions(place.system.id);
  return (
    <ElementsSection
      place={place}
      title={t("phoneFlow.paging")}
      text={t("phoneFlow.pagingText")}
      words="paging"
      kind="pagingGroup"
      numbered="required"
      values={(group) => ({
        members: (group?.members ?? []) as string[],
        mode: group?.mode ?? ("one_way" as "one_way" | "intercom"),
      })}
      body={({ members, mode }) => ({ members, mode })}
      columns={() => [
        { key: "mode", header: t("phone.kind"), cell: ({ mode }) => t(`phoneFlow.pagingMode.${mode}`) },
        { key: "members", header: t("phoneFlow.members"), align: "right", cell: ({ members }) => members.length },
      ]}
      fields={(form) => (
        <>
          <MultiSelect label={t("phoneFlow.members")} searchable limit={60} data={options} {...form.choice("members")} />
          <Select
            label={t("phone.kind")}
            data={(["one_way", "intercom"] as const).map((value) => ({ value, label: t(`phoneFlow.pagingMode.${value}`) }))}
            {...form.choice("mode")}
          />
        </>
      )}
    />
  );
}

function Parking({ place }: { place: PhonePlace }) {
  const t = useT();
  return (
    <ElementsSection
      place={place}
      title={t("phoneFlow.parking")}
      text={t("phoneFlow.parkingText")}
      words="parking"
      kind="parkingLot"
      numbered="required"
      values={(lot) => ({
        firstSlot: (lot?.firstSlot ?? "") as string,
        slots: lot?.slots ?? 10,
        timeoutSeconds: lot?.timeoutSeconds ?? 120,
        timeout: (lot?.timeout ?? hangUp) as Destination,
        music: (lot?.music ?? "") as string,
      })}
      checks={{ firstSlot: (slot: string) => (/^\d{2,8}$/.test(slot) ? undefined : t("phone.numberRule")) }}
      body={({ firstSlot, slots, timeoutSeconds, timeout, music }, empty) => ({
        ...{ firstSlot, slots, timeoutSeconds, timeout },
        music: music || empty,
      })}
      columns={() => [
        {
          key: "slots",
          header: t("phoneFlow.slots"),
          cell: ({ firstSlot, slots }) => t("phoneFlow.slotsFrom", { first: firstSlot, count: slots }),
        },
      ]}
      fields={(form, { system }) => (
        <>
          <TextInput label={t("phoneFlow.firstSlot")} inputMode="numeric" classNames={narrow} {...form.field("firstSlot")} />
          <NumberInput
            label={t("phoneFlow.slots")}
            min={1}
            max={100}
            classNames={narrow}
            {...form.choice("slots")}
            onChange={(value) => form.set("slots", Number(value))}
          />
          <NumberInput
            label={t("phoneFlow.parkTimeout")}
            suffix={` ${t("phone.seconds")}`}
            min={10}
            max={3600}
            classNames={narrow}
            {...form.choice("timeoutSeconds")}
            onChange={(value) => form.set("timeoutSeconds", Number(value))}
          />
          <DestinationSelect
            phoneSystem={system.id}
            label={t("phoneFlow.parkAfter")}
            value={form.values.timeout}
            onChange={(destination) => destination && form.set("timeout", destination)}
          />
          <MusicSelect phoneSystem={system.id} value={form.values.music} onChange={(id) => form.set("music", id)} />
        </>
      )}
    />
  );
}
