import { Button, Select, TagsInput, TextInput } from "@mantine/core";
import { callApi, invalidate, useApiList } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { FormSection } from "../../../ui/FormSection.tsx";
import { useForm } from "../../../ui/form.ts";
import { DataList } from "../../../ui/list/DataList.tsx";
import { Section } from "../../../ui/Section.tsx";
import { StatusBadge } from "../../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../../ui/TimeAgo.tsx";
import { narrow } from "../shared/narrow.ts";
import type { PhonePlace } from "../shared/PhonePage.tsx";

export const isEmail = (text: string): boolean => /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(text);
const tones = { pending: "busy", sent: "good", failed: "bad" } as const;

/** By which account the phone system mails, who is told of a low balance, and what became of its mails. */
export function MailSettings({ system, may }: PhonePlace) {
  const t = useT();
  const accounts = useApiList("mailAccountList", { project: system.projectId });
  const form = useForm({
    initial: {
      mailAccountId: (system.mailAccountId ?? "") as string,
      below: (system.balanceAlert.below ?? "") as string,
      emails: system.balanceAlert.emails as string[],
    },
    checks: {
      below: (amount) => (/^(\d{1,9}([.,]\d{1,6})?)?$/.test(amount) ? undefined : t("phoneSettings.decimal")),
      emails: (emails) => (emails.every(isEmail) ? undefined : t("ui.emailInvalid")),
    },
    submit: async ({ mailAccountId, below, emails }) => {
      await callApi("phoneSystemUpdate", {
        phoneSystem: system.id,
        mailAccountId: (mailAccountId || null) as never,
        balanceAlert: { below: below === "" ? null : below.replace(",", "."), emails },
      });
      await invalidate(queries, ["phoneSystemList", "phoneSystemGet"]);
    },
  });
  return (
    <>
      <FormSection title={t("phoneSettings.mail")} text={t("phoneSettings.mailText")} form={form} disabled={!may}>
        <Select
          label={t("phoneSettings.mailAccount")}
          description={t("phoneSettings.mailAccountText")}
          disabled={!may}
          data={[
            { value: "", label: t("phoneSettings.noMail") },
            ...(accounts.rows ?? []).map(({ id, name, sender }) => ({ value: id as string, label: `${name} · ${sender}` })),
          ]}
          {...form.choice("mailAccountId")}
        />
        <TextInput
          label={`${t("phoneSettings.balanceBelow")} (${system.currency})`}
          inputMode="decimal"
          classNames={narrow}
          disabled={!may}
          {...form.field("below")}
        />
        <TagsInput label={t("phoneSettings.balanceEmails")} maxTags={10} disabled={!may} {...form.choice("emails")} />
      </FormSection>
      {may && <Mails system={system} />}
    </>
  );
}

function Mails({ system }: Pick<PhonePlace, "system">) {
  const t = useT();
  const mails = useApiList("phoneMailList", { phoneSystem: system.id });
  return (
    <Section title={t("phoneSettings.mails")} text={t("phoneSettings.mailsText")} flush>
      <DataList
        id="phone-mails"
        label={t("phoneSettings.mails")}
        list={mails}
        rowKey={({ id }) => id}
        rowName={({ to }) => to}
        columns={[
          { key: "kind", header: t("phone.kind"), primary: true, cell: ({ kind }) => t(`phoneSettings.mailKind.${kind}`) },
          { key: "to", header: t("phoneSettings.mailTo"), cell: ({ to }) => to },
          {
            key: "state",
            header: t("phone.state"),
            width: "minmax(240px, 2fr)",
            cell: ({ state, message }) => (
              <div style={{ paddingBlock: 6 }}>
                <StatusBadge tone={tones[state]}>{t(`phoneSettings.mailState.${state}`)}</StatusBadge>
                {state !== "sent" && message && <div style={{ whiteSpace: "normal" }}>{message}</div>}
              </div>
            ),
          },
          { key: "at", header: t("ui.created"), cell: ({ createdAt }) => <TimeAgo at={createdAt} /> },
          {
            key: "retry",
            header: "",
            align: "right",
            cell: ({ id, state }) =>
              state === "failed" && (
                <Button
                  variant="default"
                  size="xs"
                  onClick={() =>
                    void callApi("phoneMailRetry", { phoneMail: id }).then(() => invalidate(queries, ["phoneMailList"]))
                  }
                >
                  {t("phoneSettings.mailRetry")}
                </Button>
              ),
          },
        ]}
        empty={<p style={{ margin: 0, padding: 20, color: "var(--k-muted)" }}>{t("phoneSettings.noMails")}</p>}
      />
    </Section>
  );
}
