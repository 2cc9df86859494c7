import { Button, Group, Skeleton, TextInput } from "@mantine/core";
import { useEffect, useState } from "react";
import { type Answer, callApi, invalidate } from "../../api/api.ts";
import { useIdentity } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { CopyField } from "../../ui/CopyField.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { required, useForm } from "../../ui/form.ts";
import { Section } from "../../ui/Section.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { toastDone } from "../../ui/toast.ts";
import { AskPassword } from "./AskPassword.tsx";
import { RecoveryCodes } from "./RecoveryCodes.tsx";
import css from "./Security.module.css";

type Step = "add" | "remove" | "codes";
const few = 3;

export function TotpSection() {
  const t = useT();
  const { user, recoveryCodesLeft } = useIdentity();
  const [step, setStep] = useState<Step>();
  const [enrolment, setEnrolment] = useState<Answer<"totpCreate">>();
  const [codes, setCodes] = useState<string[]>();
  const on = user?.totpEnabled ?? false;
  const guarded = on || (user?.passkeyCount ?? 0) > 0;
  const done = () => invalidate(queries, ["identityGet", "memberList"]);
  return (
    <>
      <Section
        title={t("account.totp")}
        text={t("account.totpText")}
        actions={
          <Group gap="sm">
            <StatusBadge tone={on ? "good" : "warn"}>{on ? t("account.on") : t("account.off")}</StatusBadge>
            <Button variant="default" onClick={() => setStep(on ? "remove" : "add")}>
              {on ? t("ui.remove") : t("account.setUp")}
            </Button>
          </Group>
        }
      />
      {guarded && (
        <Section
          title={t("account.codes")}
          text={t("account.codesLeft", { count: recoveryCodesLeft })}
          actions={
            <Group gap="sm">
              {recoveryCodesLeft <= few && <StatusBadge tone="warn">{t("account.codesFew")}</StatusBadge>}
              <Button variant="default" onClick={() => setStep("codes")}>
                {t("account.codesNew")}
              </Button>
            </Group>
          }
        />
      )}
      {step === "add" && (
        <AskPassword
          title={t("account.totpAdd")}
          text={t("account.askPassword")}
          action={t("ui.next")}
          onClose={() => setStep(undefined)}
          onSend={async (currentPassword) => {
            setEnrolment(await callApi("totpCreate", { currentPassword }));
            setStep(undefined);
          }}
        />
      )}
      {step === "remove" && (
        <AskPassword
          title={t("account.totpRemove")}
          text={t("account.totpRemoveText")}
          action={t("ui.remove")}
          onClose={() => setStep(undefined)}
          onSend={async (currentPassword) => {
            await callApi("totpDelete", { currentPassword });
            await done();
            setStep(undefined);
            toastDone(t("account.totpRemoved"));
          }}
        />
      )}
      {step === "codes" && (
        <AskPassword
          title={t("account.codesNew")}
          text={t("account.codesNewText")}
          action={t("account.codesNew")}
          onClose={() => setStep(undefined)}
          onSend={async (currentPassword) => {
            setCodes((await callApi("recoveryCodeCreate", { currentPassword })).recoveryCodes);
            await done();
            setStep(undefined);
          }}
        />
      )}
      {enrolment && (
        <Enrol
          enrolment={enrolment}
          onClose={() => setEnrolment(undefined)}
          onDone={(recoveryCodes) => {
            setEnrolment(undefined);
            setCodes(recoveryCodes);
            void done();
          }}
        />
      )}
      {codes && <RecoveryCodes codes={codes} onClose={() => setCodes(undefined)} />}
    </>
  );
}

function Enrol(props: { enrolment: Answer<"totpCreate">; onClose: () => void; onDone: (codes: string[]) => void }) {
  const t = useT();
  const [picture, setPicture] = useState<string>();
  const { uri, secret } = props.enrolment;
  useEffect(() => {
    void import("qrcode").then(async ({ default: qrcode }) => setPicture(await qrcode.toDataURL(uri, { margin: 0, width: 352 })));
  }, [uri]);
  const form = useForm({
    initial: { code: "" },
    checks: { code: required },
    submit: async ({ code }) => {
      const { recoveryCodes } = await callApi("totpConfirm", { code: code.replaceAll(/\s/g, "") });
      props.onDone(recoveryCodes);
    },
  });
  return (
    <FormDialog
      opened
      onClose={props.onClose}
      title={t("account.totpAdd")}
      text={t("account.totpScan")}
      form={form}
      action={t("account.totpConfirm")}
      size="lg"
    >
      <div className={css.qr}>
        {picture ? <img src={picture} alt={t("account.totpPicture")} /> : <Skeleton width={176} height={176} />}
        <div>
          <CopyField label={t("account.totpSecret")} value={secret} />
          <TextInput
            mt="md"
            label={t("account.totpCode")}
            inputMode="numeric"
            autoComplete="one-time-code"
            maxLength={7}
            data-autofocus
            {...form.field("code")}
          />
        </div>
      </div>
    </FormDialog>
  );
}
