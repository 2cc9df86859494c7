import { Button, Group, Skeleton, Stack, Switch, TextInput } from "@mantine/core";
import { type Answer, callApi, invalidate } from "../../api/api.ts";
import { useCan, useCloud } from "../../frame/identity.ts";
import { NotFoundPage } from "../../frame/NotFoundPage.tsx";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
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
  const update = async (changes: { name?: string; signUpOpen?: boolean }) => {
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
          <ApiHint route="cloudUpdate" args={{ name: form.values.name, signUpOpen: cloud.signUpOpen }} />
        </Stack>
      </form>
    </Section>
  );
}
