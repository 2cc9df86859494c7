import { Button, Group, Select, Skeleton, Stack, Switch, TextInput } from "@mantine/core";
import { type Answer, callApi, invalidate } from "../../api/api.ts";
import { useCan, useCloud } from "../../frame/identity.ts";
import { NotFoundPage } from "../../frame/NotFoundPage.tsx";
import { queries } from "../../frame/queries.ts";
import { useLanguage, useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { CopyField } from "../../ui/CopyField.tsx";
import { FormProblem } from "../../ui/FormProblem.tsx";
import { required, useForm } from "../../ui/form.ts";
import { Facts, Section } from "../../ui/Section.tsx";
import { toastError, toastUndo } from "../../ui/toast.ts";
import { CloudHeader } from "./CloudHeader.tsx";

export default function CloudSettingsPage() {
  const t = useT();
  const cloud = useCloud();
  const admin = useCan("cloud")("admin");
  if (!admin) return <NotFoundPage />;
  return (
    <>
      <CloudHeader />
      {cloud ? <Settings key={cloud.name} cloud={cloud} /> : <Skeleton height={240} />}
      {cloud && (
        <Section title={t("cloud.about")}>
          <Facts
            items={[
              [t("cloud.version"), cloud.version],
              [t("cloud.endpoint"), <CopyField key="endpoint" value={cloud.s3.endpoint} />],
              [t("cloud.region"), <CopyField key="region" value={cloud.s3.region} />],
            ]}
          />
        </Section>
      )}
    </>
  );
}

function Settings({ cloud }: { cloud: Answer<"cloudGet"> }) {
  const t = useT();
  const language = useLanguage();
  const update = async (changes: { name?: string; signUpOpen?: boolean; currency?: string }) => {
    queries.setQueryData(["cloudGet", {}], { ...cloud, ...changes });
    try {
      await callApi("cloudUpdate", changes);
    } finally {
      await invalidate(queries, ["cloudGet"]);
    }
  };
  const form = useForm({
    initial: { name: cloud.name },
    checks: { name: required },
    submit: ({ name }) => update({ name }),
  });
  const setOpen = (signUpOpen: boolean) =>
    update({ signUpOpen })
      .then(() =>
        toastUndo(t(signUpOpen ? "cloud.signUpNowOpen" : "cloud.signUpNowClosed"), () => update({ signUpOpen: !signUpOpen })),
      )
      .catch(toastError);
  return (
    <Section title={t("cloud.settings")}>
      <form onSubmit={form.onSubmit} noValidate>
        <Stack gap="lg" maw={520}>
          <FormProblem>{form.problem}</FormProblem>
          <Group align="flex-end" gap="sm">
            <TextInput style={{ flex: 1 }} label={t("cloud.name")} description={t("cloud.nameHint")} {...form.field("name")} />
            <Button type="submit" loading={form.sending} disabled={form.values.name === cloud.name}>
              {t("ui.save")}
            </Button>
          </Group>
          <Switch
            label={t("cloud.signUpOpen")}
            description={t("cloud.signUpHint")}
            checked={cloud.signUpOpen}
            onChange={(event) => void setOpen(event.currentTarget.checked)}
          />
          <Select
            label={t("cloud.currency")}
            description={t("cloud.currencyHint")}
            searchable
            allowDeselect={false}
            maw={320}
            data={currencies(language)}
            value={cloud.currency}
            onChange={(currency) => currency && void update({ currency }).catch(toastError)}
          />
          <ApiHint route="cloudUpdate" args={{ name: form.values.name, signUpOpen: cloud.signUpOpen }} />
        </Stack>
      </form>
    </Section>
  );
}

/** All that the browser knows, by their names in the language. */
function currencies(language: string): { value: string; label: string }[] {
  const names = new Intl.DisplayNames(language, { type: "currency" });
  return Intl.supportedValuesOf("currency").map((value) => ({ value, label: `${value} · ${names.of(value) ?? value}` }));
}
