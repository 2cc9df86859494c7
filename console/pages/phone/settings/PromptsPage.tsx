import { Badge, Button, Group, Modal, Stack, Text, Textarea } from "@mantine/core";
import { useState } from "react";
import type { PhoneLanguage } from "../../../../services/voice/destinations/contract.ts";
import type { PhonePromptView } from "../../../../services/voice/ownPrompts/contract.ts";
import { callApi, client, invalidate, useApiList } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { languageNames, languages, useT } from "../../../i18n/i18n.ts";
import { ApiHint } from "../../../ui/ApiHint.tsx";
import { EmptyState } from "../../../ui/EmptyState.tsx";
import { DataList } from "../../../ui/list/DataList.tsx";
import { useListState } from "../../../ui/list/state.ts";
import { toastError } from "../../../ui/toast.ts";
import { Listen } from "../flow/Listen.tsx";
import { SoundInput } from "../flow/SoundInput.tsx";
import { Player } from "../records/Player.tsx";
import { PhonePage, type PhonePlace } from "../shared/PhonePage.tsx";

const refresh = () => invalidate(queries, ["phonePromptList"]);

/** All that the phone system says by itself, and other words in its place. */
export default function PromptsPage() {
  const t = useT();
  return (
    <PhonePage tab="prompts" text={t("phoneSettings.promptsText")}>
      {(place) => <Prompts {...place} />}
    </PhonePage>
  );
}

function Prompts({ system, may }: PhonePlace) {
  const t = useT();
  const { words, filter } = useListState();
  const [opened, setOpened] = useState<PhonePromptView>();
  const language = (filter("language") ?? system.language) as PhoneLanguage;
  const own = filter("own");
  const list = useApiList("phonePromptList", {
    phoneSystem: system.id,
    language,
    ...(words ? { search: words } : {}),
    ...(own === undefined ? {} : { own: own as never }),
  });
  return (
    <>
      <DataList<PhonePromptView>
        id="phone-prompts"
        label={t("phone.tab.prompts")}
        list={list}
        rowKey={({ prompt }) => `${language}/${prompt}`}
        rowName={({ prompt }) => prompt}
        onOpen={setOpened}
        search="server"
        filters={[
          {
            key: "language",
            label: t("phone.promptLanguage"),
            options: languages.map((value) => ({ value, label: languageNames[value] })),
          },
          {
            key: "own",
            label: t("phoneSettings.promptWhose"),
            options: [
              { value: "true", label: t("phoneSettings.promptOwn") },
              { value: "false", label: t("phoneSettings.promptShipped") },
            ],
          },
        ]}
        columns={[
          {
            key: "text",
            header: t("phoneSettings.promptSays"),
            primary: true,
            width: "minmax(220px, 3fr)",
            cell: ({ text }) => <span lang={language}>{text}</span>,
          },
          { key: "name", header: t("ui.name"), width: "minmax(150px, 1fr)", cell: ({ prompt }) => prompt },
          {
            key: "own",
            header: t("phoneSettings.promptWhose"),
            width: "minmax(110px, 0.6fr)",
            cell: (one) =>
              one.own ? <Badge>{t("phoneSettings.promptOwn")}</Badge> : <span>{t("phoneSettings.promptShipped")}</span>,
          },
        ]}
        empty={<EmptyState picture="phone" title={t("phoneSettings.noPrompts")} />}
      />
      {opened && <Prompt system={system} may={may} prompt={opened} onClose={() => setOpened(undefined)} />}
    </>
  );
}

function Prompt(props: Pick<PhonePlace, "system" | "may"> & { prompt: PhonePromptView; onClose: () => void }) {
  const t = useT();
  const { language, prompt, text, own } = props.prompt;
  const [said, setSaid] = useState("");
  const of = { phoneSystem: props.system.id, language, prompt };
  const done = async () => {
    await refresh();
    props.onClose();
  };
  const replace = async (wav: Blob, fileName: string) => {
    await client.phonePromptUpload({ ...of, fileName }, { rawBody: wav });
    await done();
  };
  return (
    <Modal opened onClose={props.onClose} title={prompt} size="lg" closeButtonProps={{ "aria-label": t("ui.close") }}>
      <Stack gap="md">
        <Text lang={language}>{text}</Text>
        <Group gap="sm">
          <Text size="sm" c="dimmed">
            {t("phoneSettings.promptShipped")}
          </Text>
          <Player address={client.url("phonePromptDownload", { ...of, shipped: "true" as never })} name={text} />
        </Group>
        {own && (
          <Group gap="sm">
            <Text size="sm" c="dimmed">
              {t("phoneSettings.promptOwn")} · {own.fileName}
            </Text>
            <Player
              key={own.replacedAt}
              address={client.url("phonePromptDownload", of)}
              name={own.fileName}
              seconds={own.seconds}
            />
            {props.may && (
              <Button
                variant="default"
                size="compact-sm"
                onClick={() => void callApi("phonePromptDelete", of).then(done).catch(toastError)}
              >
                {t("phoneSettings.promptBack")}
              </Button>
            )}
          </Group>
        )}
        {props.may && (
          <>
            <Text size="sm" c="dimmed">
              {t("phoneSettings.promptReplace")}
            </Text>
            <SoundInput onSound={replace} />
            <Textarea
              label={t("phoneSettings.promptSpoken")}
              lang={language}
              autosize
              minRows={2}
              maxRows={6}
              maxLength={2000}
              value={said}
              onChange={(event) => setSaid(event.currentTarget.value)}
            />
            <Listen phoneSystem={props.system.id} language={language} text={said}>
              {(sound) => (
                <Button w="fit-content" onClick={() => void replace(sound, "speech.wav").catch(toastError)}>
                  {t("phoneSettings.promptUse")}
                </Button>
              )}
            </Listen>
            <ApiHint route="phonePromptUpload" args={of} />
          </>
        )}
      </Stack>
    </Modal>
  );
}
