import { Button, Group, Stack, Textarea, TextInput } from "@mantine/core";
import { IconShieldCheck } from "@tabler/icons-react";
import { useParams } from "@tanstack/react-router";
import { useState } from "react";
import { callApi, invalidate, useApi } from "../../api/api.ts";
import { organisationAddress } from "../../frame/address.ts";
import { useCan, useOrganisation } from "../../frame/identity.ts";
import { NotFoundPage } from "../../frame/NotFoundPage.tsx";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { FormProblem } from "../../ui/FormProblem.tsx";
import { required, useForm } from "../../ui/form.ts";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { PageSkeleton } from "../../ui/PageSkeleton.tsx";
import { Section } from "../../ui/Section.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { toastDone } from "../../ui/toast.ts";
import { ApiTokens } from "../access/ApiTokens.tsx";
import { MemberRoles } from "./MemberRoles.tsx";
import type { ServiceAccount } from "./ServiceAccountsPage.tsx";

export default function ServiceAccountPage() {
  const t = useT();
  const organisation = useOrganisation();
  const admin = useCan("organisation")("admin");
  const { account: id } = useParams({ strict: false }) as { account: string };
  const accounts = useApi("serviceAccountList", { organisation: organisation.id, limit: 1000 });
  const members = useApi("memberList", { organisation: organisation.id, limit: 1000 });
  const [roles, setRoles] = useState(false);
  if (accounts.data === undefined) return <PageSkeleton />;
  const account = accounts.data.items.find((one) => one.id === id);
  if (account === undefined) return <NotFoundPage />;
  const member = members.data?.items.find(({ principal }) => principal.id === id) ?? {
    principal: { kind: "service_account" as const, id, name: account.name },
    state: account.state,
    secondFactor: false,
    bindings: [],
  };
  return (
    <>
      <PageHeader
        back={{ to: organisationAddress(organisation.slug, "people/service-accounts"), label: t("people.serviceAccounts") }}
        title={account.name}
        badge={
          <StatusBadge tone={account.state === "active" ? "good" : "bad"}>
            {account.state === "active" ? t("ui.active") : t("ui.suspended")}
          </StatusBadge>
        }
        text={account.description}
        actions={
          <Button
            variant="default"
            leftSection={<IconShieldCheck size={16} stroke={1.6} />}
            disabled={!admin}
            onClick={() => setRoles(true)}
          >
            {t("people.roles")}
          </Button>
        }
      />
      {admin && (
        <>
          <ApiTokens serviceAccount={account.id} text={t("people.tokensText", { name: account.name })} />
          <div style={{ height: 32 }} />
          <Details key={account.revision} account={account} />
        </>
      )}
      {roles && <MemberRoles member={member} canChange={admin} onClose={() => setRoles(false)} />}
    </>
  );
}

function Details({ account }: { account: ServiceAccount }) {
  const t = useT();
  const form = useForm({
    initial: { name: account.name, description: account.description },
    checks: { name: required },
    submit: async (values) => {
      await callApi("serviceAccountUpdate", { serviceAccount: account.id, ...values });
      await invalidate(queries, ["serviceAccountList", "memberList"]);
      toastDone(t("people.accountSaved"));
    },
  });
  return (
    <Section title={t("people.description")}>
      <form onSubmit={form.onSubmit} noValidate>
        <Stack gap="md" maw={480}>
          <FormProblem>{form.problem}</FormProblem>
          <TextInput label={t("ui.name")} {...form.field("name")} />
          <Textarea label={t("people.description")} description={t("people.descriptionHint")} {...form.field("description")} />
          <Group>
            <Button type="submit" variant="default" loading={form.sending}>
              {t("ui.save")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Section>
  );
}
