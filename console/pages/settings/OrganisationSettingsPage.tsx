import { Button, Group, Stack, TextInput, Tooltip } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { callApi, invalidate } from "../../api/api.ts";
import { organisationAddress } from "../../frame/address.ts";
import { useCan, useOrganisation } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { CopyField } from "../../ui/CopyField.tsx";
import { FormProblem } from "../../ui/FormProblem.tsx";
import { required, slugCheck, useForm } from "../../ui/form.ts";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { Section } from "../../ui/Section.tsx";
import { toastDone } from "../../ui/toast.ts";
import { Quotas } from "./Quotas.tsx";

export default function OrganisationSettingsPage() {
  const t = useT();
  const organisation = useOrganisation();
  const admin = useCan("organisation")("admin");
  const owner = useCan("organisation")("owner");
  const navigate = useNavigate();
  const [deleting, setDeleting] = useState(false);
  const full = organisation.projects.length > 0;
  const reason = owner
    ? full
      ? t("settings.deleteFull", { count: organisation.projects.length })
      : undefined
    : t("ui.needsRole", { role: t("ui.role.owner") });
  return (
    <>
      <PageHeader title={t("settings.title")} text={t("settings.text", { organisation: organisation.name })} />
      <General key={organisation.revision} disabled={!admin} />
      <Quotas />
      <Section
        danger
        title={t("settings.delete")}
        text={t("settings.deleteText")}
        actions={
          <Tooltip label={reason} disabled={reason === undefined} multiline maw={280}>
            <Button
              color="red.8"
              variant="outline"
              {...(reason ? { "data-disabled": true } : {})}
              aria-disabled={reason !== undefined}
              onClick={() => reason === undefined && setDeleting(true)}
            >
              {t("settings.delete")}
            </Button>
          </Tooltip>
        }
      />
      <ConfirmDestroy
        opened={deleting}
        onClose={() => setDeleting(false)}
        title={t("settings.deleteTitle", { name: organisation.name })}
        destroyed={[t("settings.deleteGoes")]}
        kept={[t("settings.deleteStays")]}
        typeName={organisation.name}
        action={t("settings.delete")}
        onConfirm={async () => {
          await callApi("organisationDelete", { organisation: organisation.id });
          await invalidate(queries, ["identityGet"]);
          await navigate({ to: "/" });
        }}
      />
    </>
  );
}

function General({ disabled }: { disabled: boolean }) {
  const t = useT();
  const organisation = useOrganisation();
  const navigate = useNavigate();
  const form = useForm({
    initial: { name: organisation.name, slug: organisation.slug as string },
    checks: { name: required, slug: slugCheck },
    submit: async (values) => {
      await callApi("organisationUpdate", { organisation: organisation.id, ...values });
      toastDone(t("ui.saved"));
      // The address carries the slug: go there first, so that the page is not lost for a moment.
      await invalidate(queries, ["identityGet"]);
      if (values.slug !== organisation.slug) await navigate({ to: organisationAddress(values.slug, "settings"), replace: true });
    },
  });
  const changed = form.values.name !== organisation.name || form.values.slug !== organisation.slug;
  return (
    <Section title={t("settings.general")}>
      <form onSubmit={form.onSubmit} noValidate>
        <Stack gap="md" maw={520}>
          <FormProblem>{form.problem}</FormProblem>
          <TextInput label={t("ui.name")} disabled={disabled} {...form.field("name")} />
          <TextInput
            label={t("settings.slug")}
            description={t("settings.slugHint")}
            disabled={disabled}
            {...form.field("slug")}
          />
          <CopyField label={t("settings.id")} value={organisation.id} />
          {!disabled && (
            <Group>
              <Button type="submit" loading={form.sending} disabled={!changed}>
                {t("ui.save")}
              </Button>
            </Group>
          )}
          <ApiHint route="organisationUpdate" args={{ organisation: organisation.id, ...form.values }} />
        </Stack>
      </form>
    </Section>
  );
}
