import {
  ActionIcon,
  Alert,
  Button,
  Group,
  NumberInput,
  PasswordInput,
  Skeleton,
  Stack,
  Switch,
  TagsInput,
  TextInput,
} from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { App } from "../../../services/apps/deploying/contract.ts";
import type { AppAccess as Access } from "../../../services/apps/routing/contract.ts";
import { client, invalidate, useApi } from "../../api/api.ts";
import { errorText } from "../../api/errors.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { FormProblem } from "../../ui/FormProblem.tsx";
import { FormSection } from "../../ui/FormSection.tsx";
import { useForm } from "../../ui/form.ts";
import { Section } from "../../ui/Section.tsx";
import { toastDone, toastError } from "../../ui/toast.ts";
import type { AppTabProps } from "./AppPage.tsx";
import { AppSignIn } from "./AppSignIn.tsx";
import css from "./apps.module.css";

type Change = Omit<Parameters<typeof client.appAccessUpdate>[0], "app">;
const megabyte = 1_000_000;

/** What the gateway asks of requests before the app sees them. */
export default function AppAccess({ app, may }: AppTabProps) {
  const query = useApi("appAccessGet", { app: app.id });
  const t = useT();
  if (query.error && !query.data)
    return (
      <Alert color="red" role="alert" title={t("ui.errorTitle")}>
        {errorText(query.error)}
      </Alert>
    );
  if (!query.data) return <Skeleton height={320} />;
  return <Rules app={app} access={query.data} may={may} />;
}

function Rules({ app, access, may }: { app: App; access: Access; may: boolean }) {
  const t = useT();
  const format = useFormat();
  const [asking, setAsking] = useState(false);
  const update = async (change: Change) => {
    try {
      const now = await client.appAccessUpdate({ app: app.id, ...change } as never, { ifMatch: access.revision });
      queries.setQueryData(["appAccessGet", { app: app.id }], now);
    } finally {
      await invalidate(queries, ["appAccessGet"]);
    }
  };
  const flip = (change: Change) => void update(change).catch(toastError);
  const users = access.basicAuth?.users ?? [];
  return (
    <>
      <Section title={t("apps.access.doors")}>
        <Stack gap="md">
          <Switch
            label={t("apps.access.httpsOnly")}
            description={t("apps.access.httpsOnlyText")}
            checked={access.httpsOnly}
            disabled={!may}
            onChange={(event) => flip({ httpsOnly: event.currentTarget.checked })}
          />
          <Switch
            label={t("apps.access.maintenance")}
            description={t("apps.access.maintenanceText")}
            checked={access.maintenance}
            disabled={!may}
            onChange={(event) => flip({ maintenance: event.currentTarget.checked })}
          />
        </Stack>
      </Section>
      <AppSignIn key={`sign-in ${access.revision}`} app={app} access={access} may={may} update={update} />
      <Section
        title={t("apps.access.basicAuth")}
        text={t("apps.access.basicAuthText")}
        actions={
          may && (
            <>
              {users.length > 0 && (
                <Button variant="default" c="var(--k-bad)" onClick={() => flip({ basicAuth: null })}>
                  {t("apps.access.noPassword")}
                </Button>
              )}
              <Button variant="default" onClick={() => setAsking(true)}>
                {t(users.length > 0 ? "apps.access.newPasswords" : "apps.access.askPassword")}
              </Button>
            </>
          )
        }
      >
        <p className={css.note}>
          {users.length > 0 ? t("apps.access.users", { names: format.list(users) }) : t("apps.access.everybody")}
        </p>
      </Section>
      <Networks key={`networks ${access.revision}`} access={access} may={may} update={update} />
      <Limits key={`limits ${access.revision}`} access={access} may={may} update={update} />
      {asking && <Passwords users={users} update={update} onClose={() => setAsking(false)} />}
    </>
  );
}

interface PartProps {
  access: Access;
  may: boolean;
  update: (change: Change) => Promise<void>;
}

function Networks({ access, may, update }: PartProps) {
  const t = useT();
  const form = useForm({
    initial: { allow: access.allow, deny: access.deny },
    submit: async ({ allow, deny }) => {
      await update({ allow, deny });
      toastDone(t("ui.saved"));
    },
  });
  const tags = (name: "allow" | "deny") => ({
    label: t(`apps.access.${name}`),
    description: t(`apps.access.${name}Text`),
    placeholder: "203.0.113.0/24",
    splitChars: [",", " ", "\n"],
    disabled: !may,
    value: form.values[name],
    error: form.field(name as never).error,
    clearable: false,
    onChange: (value: string[]) => form.set(name, value),
  });
  const same = String(form.values.allow) === String(access.allow) && String(form.values.deny) === String(access.deny);
  return (
    <FormSection title={t("apps.access.networks")} text={t("apps.access.networksText")} form={form} disabled={!may || same}>
      <TagsInput {...tags("allow")} />
      <TagsInput {...tags("deny")} />
    </FormSection>
  );
}

function Limits({ access, may, update }: PartProps) {
  const t = useT();
  const form = useForm({
    initial: {
      limited: access.rateLimit !== undefined,
      requests: access.rateLimit?.requests ?? 100,
      seconds: access.rateLimit?.seconds ?? 10,
      megabytes: (access.maximumBodyBytes === undefined ? "" : access.maximumBodyBytes / megabyte) as number | "",
    },
    submit: async () => {
      await update(wanted);
      toastDone(t("ui.saved"));
    },
  });
  const { values } = form;
  const wanted = {
    rateLimit: values.limited ? { requests: values.requests, seconds: values.seconds } : null,
    maximumBodyBytes: values.megabytes === "" ? null : Math.round(values.megabytes * megabyte),
  };
  const same =
    wanted.rateLimit?.requests === access.rateLimit?.requests &&
    wanted.rateLimit?.seconds === access.rateLimit?.seconds &&
    wanted.maximumBodyBytes === (access.maximumBodyBytes ?? null);
  return (
    <FormSection title={t("apps.access.limits")} form={form} disabled={!may || same}>
      <Switch
        label={t("apps.access.rateLimit")}
        description={t("apps.access.rateLimitText")}
        checked={values.limited}
        disabled={!may}
        onChange={(event) => form.set("limited", event.currentTarget.checked)}
      />
      {values.limited && (
        <Group grow align="flex-start">
          <NumberInput
            label={t("apps.access.requests")}
            min={1}
            max={1_000_000}
            allowDecimal={false}
            disabled={!may}
            value={values.requests}
            error={form.field("requests" as never).error}
            onChange={(value) => form.set("requests", Number(value) || 1)}
          />
          <NumberInput
            label={t("apps.access.seconds")}
            min={1}
            max={3600}
            allowDecimal={false}
            disabled={!may}
            value={values.seconds}
            error={form.field("seconds" as never).error}
            onChange={(value) => form.set("seconds", Number(value) || 1)}
          />
        </Group>
      )}
      <NumberInput
        label={t("apps.access.body")}
        description={t("apps.access.bodyText")}
        placeholder={t("apps.access.noLimit")}
        min={0}
        disabled={!may}
        value={values.megabytes}
        onChange={(value) => form.set("megabytes", value === "" ? "" : Number(value))}
      />
    </FormSection>
  );
}

interface Account {
  key: number;
  name: string;
  password: string;
}

/** All names with new passwords: those of before are kept as hashes, and nobody can read them. */
function Passwords(props: { users: string[]; update: PartProps["update"]; onClose: () => void }) {
  const t = useT();
  const first = props.users.length > 0 ? props.users : [""];
  const form = useForm({
    initial: { accounts: first.map((name, key): Account => ({ key, name, password: "" })) },
    checks: {
      accounts: (accounts) =>
        accounts.some(({ name }) => !/^[\w.@-]{1,64}$/.test(name))
          ? t("apps.access.nameRules")
          : new Set(accounts.map(({ name }) => name)).size < accounts.length
            ? t("apps.access.sameName")
            : accounts.some(({ password }) => password.length < 8)
              ? t("apps.access.passwordRules")
              : undefined,
    },
    submit: async ({ accounts }) => {
      await props.update({ basicAuth: accounts.map(({ name, password }) => ({ name, password })) });
      props.onClose();
    },
  });
  const { accounts } = form.values;
  const change = (key: number, next: Partial<Account>) =>
    form.set(
      "accounts",
      accounts.map((one) => (one.key === key ? { ...one, ...next } : one)),
    );
  return (
    <FormDialog
      opened
      onClose={props.onClose}
      size="lg"
      title={t("apps.access.basicAuth")}
      text={props.users.length > 0 ? t("apps.access.passwordsAgain") : undefined}
      form={form}
      action={t("ui.save")}
    >
      {accounts.map((account, index) => (
        <div key={account.key} className={css.account}>
          <TextInput
            label={t("apps.access.userName")}
            autoCapitalize="none"
            autoComplete="off"
            spellCheck={false}
            data-autofocus={index === 0 || undefined}
            value={account.name}
            onChange={(event) => change(account.key, { name: event.currentTarget.value })}
          />
          <PasswordInput
            label={t("ui.password")}
            autoComplete="new-password"
            visibilityToggleButtonProps={{ "aria-label": t("ui.show") }}
            value={account.password}
            onChange={(event) => change(account.key, { password: event.currentTarget.value })}
          />
          <ActionIcon
            variant="subtle"
            color="gray"
            size={36}
            aria-label={t("apps.access.removeUser", { name: account.name || String(index + 1) })}
            disabled={accounts.length === 1}
            onClick={() =>
              form.set(
                "accounts",
                accounts.filter(({ key }) => key !== account.key),
              )
            }
          >
            <IconTrash size={16} stroke={1.6} />
          </ActionIcon>
        </div>
      ))}
      <FormProblem>{form.field("accounts" as never).error}</FormProblem>
      <Group>
        <Button
          variant="subtle"
          size="compact-sm"
          leftSection={<IconPlus size={14} aria-hidden />}
          onClick={() =>
            form.set("accounts", [...accounts, { key: Math.max(...accounts.map(({ key }) => key)) + 1, name: "", password: "" }])
          }
        >
          {t("apps.access.addUser")}
        </Button>
      </Group>
    </FormDialog>
  );
}
