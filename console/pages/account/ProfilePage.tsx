import { Button, Group, SegmentedControl, Stack, Text, TextInput, useMantineColorScheme } from "@mantine/core";
import { callApi, invalidate } from "../../api/api.ts";
import { useIdentity } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { type Language, languageNames, languages, setLanguage, useLanguage, useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { CopyField } from "../../ui/CopyField.tsx";
import { FormProblem } from "../../ui/FormProblem.tsx";
import { required, useForm } from "../../ui/form.ts";
import { Facts, Section } from "../../ui/Section.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { toastDone, toastError } from "../../ui/toast.ts";
import { AccountHeader } from "./AccountHeader.tsx";

export default function ProfilePage() {
  const t = useT();
  const format = useFormat();
  const language = useLanguage();
  const { user, bindings, organisations } = useIdentity();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const form = useForm({
    initial: { name: user?.name ?? "" },
    checks: { name: required },
    submit: async ({ name }) => {
      await callApi("profileUpdate", { name });
      await invalidate(queries, ["identityGet", "memberList"]);
      toastDone(t("ui.saved"));
    },
  });
  // The language changes at once; the profile follows, so that mails and other browsers speak it too.
  const speak = (locale: Language) => {
    void setLanguage(locale);
    callApi("profileUpdate", { locale })
      .then(() => invalidate(queries, ["identityGet"]))
      .catch(toastError);
  };
  const place = (binding: (typeof bindings)[number]) => {
    if (binding.organisationId === undefined) return t("account.wholeCloud");
    const organisation = organisations.find(({ id }) => id === binding.organisationId);
    const project = organisation?.projects.find(({ id }) => id === binding.projectId);
    return [organisation?.name ?? binding.organisationId, project?.name].filter(Boolean).join(" / ");
  };
  return (
    <>
      <AccountHeader />
      <Section title={t("account.profile")}>
        <form onSubmit={form.onSubmit} noValidate>
          <Stack gap="lg" maw={520}>
            <FormProblem>{form.problem}</FormProblem>
            <Group align="flex-end" gap="sm">
              <TextInput style={{ flex: 1 }} label={t("account.name")} autoComplete="name" {...form.field("name")} />
              <Button type="submit" loading={form.sending} disabled={form.values.name === user?.name}>
                {t("ui.save")}
              </Button>
            </Group>
            <div>
              <Text size="sm" fw={500} mb={4} id="account-language">
                {t("account.language")}
              </Text>
              <SegmentedControl
                fullWidth
                aria-labelledby="account-language"
                value={language}
                onChange={(value) => speak(value as Language)}
                data={languages.map((value) => ({ value, label: languageNames[value] }))}
              />
            </div>
            <div>
              <Text size="sm" fw={500} mb={4} id="account-scheme">
                {t("account.appearance")}
              </Text>
              <SegmentedControl
                fullWidth
                aria-labelledby="account-scheme"
                value={colorScheme}
                onChange={(value) => setColorScheme(value as "light" | "dark" | "auto")}
                data={[
                  { value: "light", label: t("account.light") },
                  { value: "dark", label: t("account.dark") },
                  { value: "auto", label: t("account.asSystem") },
                ]}
              />
            </div>
            <ApiHint route="profileUpdate" args={{ name: form.values.name, locale: language }} />
          </Stack>
        </form>
      </Section>
      <Section title={t("account.rolesTitle")} text={t("account.rolesText")}>
        <Stack gap="sm">
          {bindings.map((binding) => (
            <Group key={binding.id} gap="md" wrap="nowrap">
              <Text style={{ flex: 1 }} truncate>
                {place(binding)}
              </Text>
              <Text c="dimmed">{t(`ui.role.${binding.role}`)}</Text>
            </Group>
          ))}
        </Stack>
      </Section>
      {user && (
        <Section title={t("account.about")}>
          <Facts
            items={[
              [t("ui.email"), user.email],
              [t("account.id"), <CopyField key="id" value={user.id} />],
              [t("account.since"), format.date(user.createdAt)],
              [t("account.lastSignIn"), <TimeAgo key="last" at={user.lastSignInAt} />],
            ]}
          />
        </Section>
      )}
    </>
  );
}
