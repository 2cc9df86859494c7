import { Button, Group, Text } from "@mantine/core";
import { callApi, client, invalidate, useApi } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { Section } from "../../../ui/Section.tsx";
import { toastError } from "../../../ui/toast.ts";
import { SoundInput } from "../flow/SoundInput.tsx";
import css from "../phone.module.css";
import { Player } from "../records/Player.tsx";

const kinds = ["unavailable", "busy", "name"] as const;
const refresh = () => invalidate(queries, ["myVoicemailGreetingList"]);

/** What callers hear before the tone, spoken by oneself. */
export function Greetings({ extension }: { extension: string }) {
  const t = useT();
  const of = { extension: extension as never };
  const greetings = useApi("myVoicemailGreetingList", of).data?.items ?? [];
  return (
    <Section title={t("phone.mine.greetings")} text={t("phone.mine.greetingsText")}>
      <ul className={css.rows}>
        {kinds.map((kind) => {
          const known = greetings.find((one) => one.kind === kind);
          return (
            <li key={kind}>
              <Text fw={500} mb={4}>
                {t(`phone.greeting.${kind}`)}
              </Text>
              <Group gap="sm">
                {known ? (
                  <>
                    <Player
                      key={known.createdAt}
                      address={client.url("myVoicemailGreetingDownload", { ...of, kind })}
                      name={t(`phone.greeting.${kind}`)}
                      seconds={known.seconds}
                    />
                    <Button
                      variant="subtle"
                      color="gray"
                      size="xs"
                      onClick={() =>
                        void callApi("myVoicemailGreetingDelete", { ...of, kind })
                          .then(refresh)
                          .catch(toastError)
                      }
                    >
                      {t("phone.mine.usualGreeting")}
                    </Button>
                  </>
                ) : (
                  <Text size="sm" c="dimmed">
                    {t("phone.mine.usual")}
                  </Text>
                )}
                <SoundInput
                  onSound={async (wav) => {
                    await client.myVoicemailGreetingUpload({ ...of, kind }, { rawBody: wav });
                    await refresh();
                  }}
                />
              </Group>
            </li>
          );
        })}
      </ul>
    </Section>
  );
}
