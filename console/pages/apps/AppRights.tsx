import { Checkbox, Radio, Stack, Text, TextInput } from "@mantine/core";
import type { Capability } from "../../../services/apps/deploying/contract.ts";
import { client, invalidate, useApiList } from "../../api/api.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { FormSection } from "../../ui/FormSection.tsx";
import { useForm } from "../../ui/form.ts";
import type { AppTabProps } from "./AppPage.tsx";
import { whyNot } from "./words.ts";

/** As `capability` of the contract, which would bring zod into the bundle; those asked for most come first. */
const all = Object.keys({
  CHOWN: true,
  SETUID: true,
  SETGID: true,
  DAC_OVERRIDE: true,
  FOWNER: true,
  KILL: true,
  NET_BIND_SERVICE: true,
} satisfies Record<Capability, true>) as Capability[];

const userPattern = /^([a-z_][a-z0-9_-]{0,31}|\d{1,10})(:([a-z_][a-z0-9_-]{0,31}|\d{1,10}))?$/;

/** As whom the containers of an app run, and with what of root's rights. */
export function AppRights({ app, may }: Pick<AppTabProps, "app" | "may">) {
  const t = useT();
  const format = useFormat();
  const live = useApiList("releaseList", { app: app.id }).rows?.find(({ isLive }) => isLive);
  const reason = whyNot(app, "configure", may);
  const before = { user: app.user ?? null, capabilities: app.capabilities ?? null };
  const form = useForm({
    initial: {
      user: app.user ?? "",
      own: app.capabilities !== undefined,
      chosen: (app.capabilities ?? []) as string[],
    },
    checks: { user: (user) => (user.trim() === "" || userPattern.test(user.trim()) ? undefined : t("rights.userRules")) },
    submit: async () => {
      await client.appUpdate({ app: app.id, ...wanted }, { ifMatch: app.revision });
      await invalidate(queries, ["appGet", "appList", "deploymentList", "releaseList"]);
    },
  });
  const { values } = form;
  const wanted = {
    user: values.user.trim() || null,
    capabilities: values.own ? all.filter((each) => values.chosen.includes(each)) : null,
  };
  const said = (of: typeof before) => JSON.stringify([of.user, of.capabilities && [...of.capabilities].sort()]);
  return (
    <FormSection
      title={t("rights.title")}
      text={t("rights.text")}
      form={form}
      disabled={reason !== undefined || said(wanted) === said(before)}
    >
      <TextInput
        label={t("rights.user")}
        description={t("rights.userText")}
        placeholder={t("rights.asSource")}
        maxLength={64}
        autoCapitalize="none"
        autoComplete="off"
        spellCheck={false}
        disabled={reason !== undefined}
        {...form.field("user")}
      />
      <Radio.Group
        label={t("rights.capabilities")}
        value={values.own ? "own" : "source"}
        onChange={(value) => form.set("own", value === "own")}
      >
        <Stack gap="sm" mt="xs">
          <Radio
            value="source"
            label={t("rights.asSource")}
            description={t("rights.asSourceText")}
            disabled={reason !== undefined}
          />
          <Radio value="own" label={t("rights.these")} description={t("rights.theseText")} disabled={reason !== undefined} />
        </Stack>
      </Radio.Group>
      {values.own && (
        <Checkbox.Group
          aria-label={t("rights.capabilities")}
          value={values.chosen}
          onChange={(chosen) => form.set("chosen", chosen)}
        >
          <Stack gap="sm" pl={32}>
            {all.map((each) => (
              <Checkbox
                key={each}
                value={each}
                label={t(`rights.of.${each}`)}
                description={<code>{each}</code>}
                disabled={reason !== undefined}
              />
            ))}
          </Stack>
        </Checkbox.Group>
      )}
      <Text size="sm" c="dimmed">
        {live &&
          t("rights.live", {
            user: live.user === undefined ? t("rights.imageUser") : t("rights.liveUser", { user: live.user }),
            capabilities: live.capabilities.length === 0 ? t("rights.none") : format.list(live.capabilities),
          })}{" "}
        {reason ?? (live && t(app.state === "stopped" ? "rights.waits" : "rights.again"))}
      </Text>
    </FormSection>
  );
}
