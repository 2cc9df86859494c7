import { Button, Group, Stack, Switch, Text, Textarea } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { client, invalidate } from "../../api/api.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { FormProblem } from "../../ui/FormProblem.tsx";
import { useForm } from "../../ui/form.ts";
import { Section } from "../../ui/Section.tsx";
import { toastError } from "../../ui/toast.ts";
import { AppDelete } from "./AppDelete.tsx";
import type { AppTabProps } from "./AppPage.tsx";
import { AppRights } from "./AppRights.tsx";
import { runAction } from "./actions.ts";
import { whyNot } from "./words.ts";

/** What the app is called by people, what protects it, and what ends it. */
export default function AppManage({ app, here, may }: AppTabProps) {
  const t = useT();
  const navigate = useNavigate();
  const [removing, setRemoving] = useState(false);
  const update = async (changes: { description?: string; protected?: boolean }) => {
    await client.appUpdate({ app: app.id, ...changes }, { ifMatch: app.revision });
    await invalidate(queries, ["appGet", "appList"]);
  };
  const form = useForm({
    initial: { description: app.description },
    submit: ({ description }) => update({ description: description.trim() }),
  });
  const row = (title: string, text: string, action: "start" | "stop" | "restart" | "delete", onClick: () => void) => {
    const reason = whyNot(app, action, may);
    return (
      <Group justify="space-between" gap="md" wrap="nowrap" align="flex-start">
        <div style={{ minWidth: 0 }}>
          <Text fw={500}>{title}</Text>
          <Text size="sm" c="dimmed">
            {reason ?? text}
          </Text>
        </div>
        <Button
          variant="default"
          {...(action === "delete" ? { c: "var(--k-bad)" } : {})}
          disabled={reason !== undefined}
          onClick={onClick}
          style={{ flex: "none" }}
        >
          {title}
        </Button>
      </Group>
    );
  };
  return (
    <>
      <Section title={t("apps.manage.details")}>
        <form onSubmit={form.onSubmit} noValidate>
          <Stack gap="md" maw={560}>
            <FormProblem>{form.problem}</FormProblem>
            <Textarea
              label={t("apps.description")}
              autosize
              minRows={2}
              maxLength={500}
              disabled={!may}
              {...form.field("description")}
            />
            <Group>
              <Button type="submit" loading={form.sending} disabled={!may || form.values.description.trim() === app.description}>
                {t("ui.save")}
              </Button>
            </Group>
            <Switch
              label={t("apps.manage.protected")}
              description={t("apps.manage.protectedText")}
              checked={app.protected}
              disabled={!may}
              onChange={(event) => void update({ protected: event.currentTarget.checked }).catch(toastError)}
            />
          </Stack>
        </form>
      </Section>
      <AppRights app={app} may={may} />
      <Section title={t("apps.manage.danger")} danger>
        <Stack gap="lg">
          {row(t("apps.action.restart"), t("apps.manage.restartText"), "restart", () => runAction("appRestart", app.id))}
          {app.state === "stopped"
            ? row(t("apps.action.start"), t("apps.manage.startText"), "start", () => runAction("appStart", app.id))
            : row(t("apps.action.stop"), t("apps.manage.stopText"), "stop", () => runAction("appStop", app.id))}
          {row(t("apps.delete.action"), t("apps.manage.deleteText"), "delete", () => setRemoving(true))}
        </Stack>
      </Section>
      {removing && (
        <AppDelete
          app={app}
          onClose={() => setRemoving(false)}
          onGone={() => void navigate({ to: here.slice(0, here.lastIndexOf("/")) })}
        />
      )}
    </>
  );
}
