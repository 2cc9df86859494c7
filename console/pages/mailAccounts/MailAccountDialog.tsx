import { Group, NumberInput, PasswordInput, Select, Stack, TextInput } from "@mantine/core";
import type { MailAccount, MailSecurity } from "../../../services/apps/mailAccounts/contract.ts";
import { callApi, invalidate } from "../../api/api.ts";
import { useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { emailCheck, required, slugCheck, useForm } from "../../ui/form.ts";

/** The port that servers take each kind of encryption at. */
const usualPort: Record<MailSecurity, number> = { tls: 465, starttls: 587, none: 25 };
const securities: MailSecurity[] = ["starttls", "tls", "none"];

/** A new mail account, or what is changed of one. */
export function MailAccountDialog(props: {
  account?: MailAccount;
  onClose: () => void;
  onMade?: (account: MailAccount) => void;
}) {
  const { account, onClose, onMade } = props;
  const t = useT();
  const project = useProject();
  const form = useForm({
    initial: {
      name: account?.name ?? "",
      description: account?.description ?? "",
      sender: account?.sender ?? "",
      host: account?.host ?? "",
      security: account?.security ?? ("starttls" as MailSecurity),
      port: account?.port ?? usualPort.starttls,
      userName: account?.userName ?? "",
      password: "",
    },
    checks: { ...(account ? {} : { name: slugCheck }), sender: emailCheck, host: required },
    submit: async (values) => {
      const body = bodyOf(values);
      const made = account
        ? await callApi("mailAccountUpdate", { mailAccount: account.id, ...body })
        : await callApi("mailAccountCreate", { project: project.id, name: values.name, ...body });
      await invalidate(queries, ["mailAccountList"]);
      onClose();
      onMade?.(made);
    },
  });
  const { values } = form;
  // A port that somebody chose stays.
  const setSecurity = (security: MailSecurity) => {
    if (Object.values(usualPort).includes(values.port)) form.set("port", usualPort[security]);
    form.set("security", security);
  };
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={account ? t("mailAccounts.editTitle", { name: account.name }) : t("mailAccounts.add")}
      text={account && account.linkedApps > 0 ? t("mailAccounts.editText") : t("mailAccounts.addText")}
      form={form}
      action={account ? t("ui.save") : t("mailAccounts.add")}
      hint={
        account ? (
          <ApiHint route="mailAccountUpdate" args={{ mailAccount: account.id, host: values.host, port: values.port }} />
        ) : (
          <ApiHint
            route="mailAccountCreate"
            args={{ project: project.id, name: values.name, host: values.host, port: values.port, sender: values.sender }}
          />
        )
      }
    >
      <Stack gap="md">
        {!account && <TextInput label={t("ui.name")} data-autofocus autoComplete="off" {...form.field("name")} />}
        <TextInput
          label={t("mailAccounts.sender")}
          description={t("mailAccounts.senderText")}
          type="email"
          autoComplete="off"
          {...form.field("sender")}
        />
        <TextInput
          label={t("mailAccounts.host")}
          placeholder={t("mailAccounts.hostExample")}
          autoComplete="off"
          spellCheck={false}
          {...form.field("host")}
        />
        <Group grow align="flex-start" wrap="wrap">
          <Select
            label={t("mailAccounts.security")}
            allowDeselect={false}
            data={securities.map((value) => ({ value, label: t(`mailAccounts.security.${value}`) }))}
            value={values.security}
            onChange={(security) => setSecurity(security as MailSecurity)}
          />
          <NumberInput
            label={t("mailAccounts.port")}
            min={1}
            max={65_535}
            allowDecimal={false}
            thousandSeparator=""
            value={values.port}
            error={form.field("port").error}
            onChange={(port) => form.set("port", Number(port))}
          />
        </Group>
        <TextInput
          label={t("mailAccounts.userName")}
          description={t("mailAccounts.userNameText")}
          autoComplete="off"
          spellCheck={false}
          {...form.field("userName")}
        />
        <PasswordInput
          label={t("mailAccounts.password")}
          description={account?.userName ? t("mailAccounts.passwordStays") : undefined}
          autoComplete="new-password"
          visibilityToggleButtonProps={{ "aria-label": t("mailAccounts.showPassword") }}
          {...form.field("password")}
        />
        <TextInput label={t("mailAccounts.description")} autoComplete="off" {...form.field("description")} />
      </Stack>
    </FormDialog>
  );
}

interface Values {
  description: string;
  sender: string;
  host: string;
  security: MailSecurity;
  port: number;
  userName: string;
  password: string;
}

const bodyOf = ({ description, sender, host, security, port, userName, password }: Values) => ({
  description,
  sender: sender.trim(),
  host: host.trim(),
  security,
  port,
  userName: userName.trim(),
  ...(password === "" ? {} : { password }),
});
