import { NumberInput, Switch, TextInput } from "@mantine/core";
import { useT } from "../../../i18n/i18n.ts";
import type { ElementForm, ElementView, FormOf } from "../shared/Elements.tsx";
import { narrow } from "../shared/narrow.ts";
import type { PhonePlace } from "../shared/PhonePage.tsx";
import { MusicSelect } from "./SpeechField.tsx";

type Room = ElementView<"conferenceRoom">;
const switches = ["waitForModerator", "muteOnEntry", "announceJoin", "announceLeave", "record"] as const;
const pinProblem = (pin: string, words: string) => (/^(\d{4,10})?$/.test(pin) ? undefined : words);

const valuesOf = (room: Room | undefined) => ({
  pin: room?.pin ?? "",
  moderatorPin: room?.moderatorPin ?? "",
  waitForModerator: room?.waitForModerator ?? false,
  muteOnEntry: room?.muteOnEntry ?? false,
  announceJoin: room?.announceJoin ?? true,
  announceLeave: room?.announceLeave ?? true,
  record: room?.record ?? false,
  maxParties: room?.maxParties ?? 20,
  music: (room?.music ?? "") as string,
});
type Values = ReturnType<typeof valuesOf>;

/** What a conference room is made of, for its list and for its page. */
export function useRoomForm(): ElementForm<"conferenceRoom", Values> {
  const t = useT();
  return {
    kind: "conferenceRoom",
    numbered: "optional",
    values: valuesOf,
    checks: {
      pin: (pin: string) => pinProblem(pin, t("phone.pinRule")),
      moderatorPin: (pin: string) => pinProblem(pin, t("phone.pinRule")),
    },
    body: (values, empty) => ({
      pin: values.pin || empty,
      moderatorPin: values.moderatorPin || empty,
      music: values.music || empty,
      maxParties: values.maxParties,
      ...Object.fromEntries(switches.map((name) => [name, values[name]])),
    }),
    fields: (form, place) => <Fields form={form} place={place} />,
  };
}

function Fields({ form, place }: { form: FormOf<Values & { name: string; number: string }>; place: PhonePlace }) {
  const t = useT();
  return (
    <>
      <TextInput
        label={t("phoneFlow.pin")}
        description={t("phoneFlow.pinText")}
        inputMode="numeric"
        classNames={narrow}
        autoComplete="off"
        {...form.field("pin")}
      />
      <TextInput
        label={t("phoneFlow.moderatorPin")}
        description={t("phoneFlow.moderatorPinText")}
        inputMode="numeric"
        classNames={narrow}
        autoComplete="off"
        {...form.field("moderatorPin")}
      />
      {switches.map((name) => (
        <Switch
          key={name}
          label={t(`phoneFlow.room.${name}`)}
          checked={form.values[name]}
          onChange={(event) => form.set(name, event.currentTarget.checked)}
        />
      ))}
      <NumberInput
        label={t("phoneFlow.maxParties")}
        min={2}
        max={200}
        classNames={narrow}
        {...form.choice("maxParties")}
        onChange={(value) => form.set("maxParties", Number(value))}
      />
      <MusicSelect phoneSystem={place.system.id} value={form.values.music} onChange={(id) => form.set("music", id)} />
    </>
  );
}
