import { Select, Stack, Textarea } from "@mantine/core";
import type { Speech, SpokenText } from "../../../../services/voice/elements/shapes/contract.ts";
import { useApi } from "../../../api/api.ts";
import { languageNames, languages, useT } from "../../../i18n/i18n.ts";
import { Listen } from "./Listen.tsx";

/** A text that is spoken, in each language that callers may have. */
export function SpokenTextField(props: {
  phoneSystem: string;
  label: string;
  value: SpokenText;
  onChange: (text: SpokenText) => void;
}) {
  const t = useT();
  return (
    <Stack gap="sm">
      {languages.map((language) => (
        <Stack key={language} gap={6}>
          <Textarea
            label={`${props.label} · ${languageNames[language]}`}
            autosize
            minRows={2}
            maxRows={8}
            maxLength={2000}
            lang={language}
            placeholder={t("phoneFlow.notSpoken")}
            value={props.value[language] ?? ""}
            onChange={(event) => {
              const { [language]: _, ...rest } = props.value;
              const text = event.currentTarget.value;
              props.onChange(text === "" ? rest : { ...rest, [language]: text });
            }}
          />
          {props.value[language] && <Listen phoneSystem={props.phoneSystem} language={language} text={props.value[language]} />}
        </Stack>
      ))}
    </Stack>
  );
}

/** What callers hear: an announcement, or a text. Undefined: nothing, where that is allowed. */
export function SpeechField(props: {
  phoneSystem: string;
  label: string;
  value: Speech | undefined;
  optional?: boolean;
  onChange: (speech: Speech | undefined) => void;
}) {
  const t = useT();
  const announcements = useApi("announcementList", { phoneSystem: props.phoneSystem as never, limit: 200 }).data?.items ?? [];
  const { value } = props;
  return (
    <Stack gap="sm">
      <Select
        label={props.label}
        value={value === undefined ? "" : value.kind === "text" ? "text" : value.id}
        onChange={(key) => {
          if (key === "") props.onChange(undefined);
          else if (key === "text") props.onChange({ kind: "text", text: {} });
          else if (key) props.onChange({ kind: "announcement", id: key as never });
        }}
        data={[
          ...(props.optional ? [{ value: "", label: t("phoneFlow.nothing") }] : []),
          { value: "text", label: t("phoneFlow.spokenText") },
          ...announcements.map(({ id, name }) => ({ value: id as string, label: name })),
        ]}
      />
      {value?.kind === "text" && (
        <SpokenTextField
          phoneSystem={props.phoneSystem}
          label={t("phoneFlow.text")}
          value={value.text}
          onChange={(text) => props.onChange({ kind: "text", text })}
        />
      )}
    </Stack>
  );
}

/** Music while somebody waits. */
export function MusicSelect(props: { phoneSystem: string; value: string; onChange: (id: string) => void }) {
  const t = useT();
  const announcements = useApi("announcementList", { phoneSystem: props.phoneSystem as never, limit: 200 }).data?.items ?? [];
  return (
    <Select
      label={t("phoneFlow.music")}
      value={props.value}
      onChange={(id) => props.onChange(id ?? "")}
      data={[
        { value: "", label: t("phoneFlow.usualMusic") },
        ...announcements.map(({ id, name }) => ({ value: id as string, label: name })),
      ]}
    />
  );
}
