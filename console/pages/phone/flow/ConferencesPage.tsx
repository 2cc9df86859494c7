import { NumberInput, Switch, TextInput } from "@mantine/core";
import { useT } from "../../../i18n/i18n.ts";
import { ElementsPage } from "../shared/Elements.tsx";
import { MusicSelect } from "./SpeechField.tsx";

const switches = ["waitForModerator", "muteOnEntry", "announceJoin", "announceLeave", "record"] as const;
const pinProblem = (pin: string, words: string) => (/^(\d{4,10})?$/.test(pin) ? undefined : words);

export default function ConferencesPage() {
  const t = useT();
  return (
    <ElementsPage
      tab="conferences"
      text={t("phone.conferences.text")}
      words="conferences"
      kind="conferenceRoom"
      numbered="optional"
      values={(room) => ({
        pin: room?.pin ?? "",
        moderatorPin: room?.moderatorPin ?? "",
        waitForModerator: room?.waitForModerator ?? false,
        muteOnEntry: room?.muteOnEntry ?? false,
        announceJoin: room?.announceJoin ?? true,
        announceLeave: room?.announceLeave ?? true,
        record: room?.record ?? false,
        maxParties: room?.maxParties ?? 20,
        music: (room?.music ?? "") as string,
      })}
      checks={{
        pin: (pin: string) => pinProblem(pin, t("phone.pinRule")),
        moderatorPin: (pin: string) => pinProblem(pin, t("phone.pinRule")),
      }}
      body={(values, empty) => ({
        pin: values.pin || empty,
        moderatorPin: values.moderatorPin || empty,
        music: values.music || empty,
        maxParties: values.maxParties,
        ...Object.fromEntries(switches.map((name) => [name, values[name]])),
      })}
      columns={() => [
        { key: "pin", header: t("phoneFlow.pin"), cell: ({ pin }) => (pin ? "••••" : t("phoneFlow.noPin")) },
        { key: "most", header: t("phoneFlow.maxParties"), align: "right", cell: ({ maxParties }) => maxParties },
      ]}
      fields={(form, { system }) => (
        <>
          <TextInput
            label={t("phoneFlow.pin")}
            description={t("phoneFlow.pinText")}
            inputMode="numeric"
            maw={280}
            autoComplete="off"
            {...form.field("pin")}
          />
          <TextInput
            label={t("phoneFlow.moderatorPin")}
            description={t("phoneFlow.moderatorPinText")}
            inputMode="numeric"
            maw={280}
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
            maw={220}
            {...form.choice("maxParties")}
            onChange={(value) => form.set("maxParties", Number(value))}
          />
          <MusicSelect phoneSystem={system.id} value={form.values.music} onChange={(id) => form.set("music", id)} />
        </>
      )}
    />
  );
}
