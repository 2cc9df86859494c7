import { NumberInput, Select, Switch, TextInput } from "@mantine/core";
import type { Extension } from "../../../../services/voice/extensions/contract.ts";
import { callApi, invalidate } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { languageNames, languages, useT } from "../../../i18n/i18n.ts";
import { FormSection } from "../../../ui/FormSection.tsx";
import { useForm } from "../../../ui/form.ts";
import { DestinationSelect } from "../shared/DestinationSelect.tsx";
import { narrow } from "../shared/narrow.ts";
import { type PinChange, PinField, pinBody, pinFits } from "./PinField.tsx";

interface Props {
  extension: Extension;
  may: boolean;
  /** Of the person who looks: another route, which needs no role. */
  own: boolean;
}
export const refreshExtension = () =>
  invalidate(queries, ["extensionGet", "extensionList", "myExtensionList", "extensionPresenceList"]);
const update = (own: boolean) => (own ? "myExtensionUpdate" : "extensionUpdate");

/** When it rings, and where calls go when it does not. */
export function ForwardingForm({ extension, may, own }: Props) {
  const t = useT();
  const form = useForm({
    initial: {
      doNotDisturb: extension.doNotDisturb,
      callWaiting: extension.callWaiting,
      ringSeconds: extension.ringSeconds,
      blockedCallers: extension.blockedCallers.join(", "),
      ...extension.forwarding,
    },
    submit: async ({ blockedCallers, doNotDisturb, callWaiting, ringSeconds, ...forwarding }) => {
      await callApi(update(own), {
        extension: extension.id,
        blockedCallers: blockedCallers.split(/[\s,;]+/).filter((number) => number !== ""),
        ...{ doNotDisturb, callWaiting, ringSeconds, forwarding },
      });
      await refreshExtension();
    },
  });
  return (
    <FormSection title={t("phone.forwarding")} text={t("phone.forwardingText")} form={form} disabled={!may}>
      <Switch
        label={t("phone.doNotDisturb")}
        description={t("phone.doNotDisturbText")}
        checked={form.values.doNotDisturb}
        disabled={!may}
        onChange={(event) => form.set("doNotDisturb", event.currentTarget.checked)}
      />
      <Switch
        label={t("phone.callWaiting")}
        checked={form.values.callWaiting}
        disabled={!may}
        onChange={(event) => form.set("callWaiting", event.currentTarget.checked)}
      />
      <NumberInput
        label={t("phone.ringSeconds")}
        suffix={` ${t("phone.seconds")}`}
        min={5}
        max={300}
        classNames={narrow}
        disabled={!may}
        {...form.choice("ringSeconds")}
        onChange={(value) => form.set("ringSeconds", Number(value))}
      />
      {(["always", "busy", "noAnswer", "unreachable"] as const).map((when) => (
        <DestinationSelect
          key={when}
          phoneSystem={extension.phoneSystemId}
          label={t(`phone.forward.${when}`)}
          value={form.values[when]}
          disabled={!may}
          none={t(when === "always" ? "phone.forward.rings" : "phone.forward.usual")}
          onChange={(destination) => form.set(when, destination)}
        />
      ))}
      <TextInput
        label={t("phone.blockedCallers")}
        description={t("phone.blockedCallersText")}
        disabled={!may}
        {...form.choice("blockedCallers")}
        onChange={(event) => form.set("blockedCallers", event.currentTarget.value)}
      />
    </FormSection>
  );
}

export function VoicemailForm({ extension, may, own }: Props) {
  const t = useT();
  const form = useForm({
    initial: {
      ...extension.voicemail,
      email: extension.voicemail.email ?? "",
      missed: extension.missedCallEmail ?? "",
      pin: "" as PinChange,
      language: extension.language ?? "",
    },
    checks: {
      pin: (pin) => (pinFits(pin) ? undefined : t("phone.pinRule")),
      email: (email) => (email === "" || /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(email) ? undefined : t("ui.emailInvalid")),
      missed: (email) => (email === "" || /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(email) ? undefined : t("ui.emailInvalid")),
    },
    submit: async ({ enabled, email, missed, attachAudio, deleteAfterMail, pin, language }) => {
      await callApi(update(own), {
        extension: extension.id,
        language: language === "" ? null : (language as "en"),
        voicemail: { enabled, email: email || null, attachAudio, deleteAfterMail },
        missedCallEmail: missed || null,
        ...pinBody("voicemailPin", pin),
      });
      form.set("pin", "");
      await refreshExtension();
    },
  });
  const { values } = form;
  return (
    <FormSection title={t("phone.voicemailBox")} text={t("phone.voicemailBoxText")} form={form} disabled={!may}>
      <Switch
        label={t("phone.voicemailOn")}
        checked={values.enabled}
        disabled={!may}
        onChange={(event) => form.set("enabled", event.currentTarget.checked)}
      />
      <PinField
        label={t("phone.voicemailPin")}
        isSet={extension.hasVoicemailPin}
        none={t("phone.pinNone")}
        value={values.pin}
        error={form.choice("pin").error}
        disabled={!may}
        onChange={(pin) => form.set("pin", pin)}
      />
      <TextInput
        label={t("phone.voicemailMail")}
        description={t("phone.voicemailMailText")}
        type="email"
        disabled={!may}
        {...form.field("email")}
      />
      {values.email !== "" && (
        <>
          <Switch
            label={t("phone.attachAudio")}
            checked={values.attachAudio}
            disabled={!may}
            onChange={(event) => form.set("attachAudio", event.currentTarget.checked)}
          />
          <Switch
            label={t("phone.deleteAfterMail")}
            checked={values.deleteAfterMail}
            disabled={!may}
            onChange={(event) => form.set("deleteAfterMail", event.currentTarget.checked)}
          />
        </>
      )}
      <TextInput
        label={t("phone.missedMail")}
        description={t("phone.voicemailMailText")}
        type="email"
        disabled={!may}
        {...form.field("missed")}
      />
      <Select
        label={t("phone.promptLanguage")}
        classNames={narrow}
        disabled={!may}
        data={[
          { value: "", label: t("phone.asSystem") },
          ...languages.map((value) => ({ value: value as string, label: languageNames[value] })),
        ]}
        {...form.choice("language")}
      />
    </FormSection>
  );
}
