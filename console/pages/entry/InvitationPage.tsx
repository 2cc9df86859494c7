import { Anchor, Button, Skeleton, Stack, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { type Answer, apiQuery, callApi } from "../../api/api.ts";
import { errorText, isCloudError } from "../../api/errors.ts";
import { useLanguage, useT } from "../../i18n/i18n.ts";
import { FormProblem } from "../../ui/FormProblem.tsx";
import { passwordCheck, required, useForm } from "../../ui/form.ts";
import { NewPasswordInput } from "../../ui/NewPasswordInput.tsx";
import { EntryFrame } from "./EntryFrame.tsx";
import { linkToken, useEntered } from "./entered.ts";

type Invitation = Answer<"invitationInspect">;

export default function InvitationPage() {
  const t = useT();
  const [token] = useState(linkToken);
  const inspected = useQuery({
    queryKey: ["invitationInspect", token],
    queryFn: () => callApi("invitationInspect", { token }),
    retry: false,
    enabled: token !== "",
  });
  // Nobody signed in is no error here.
  const identity = useQuery({ ...apiQuery("identityGet", {}), retry: false });

  if (token === "" || inspected.error) {
    const gone = token === "" || (isCloudError(inspected.error) && inspected.error.code === "not_found");
    return (
      <EntryFrame
        title={t("entry.invitationTitle")}
        text={gone ? t("entry.invitationGone") : errorText(inspected.error)}
        footer={
          <Anchor component={Link} to="/" inherit underline="always">
            {t("entry.signInLink")}
          </Anchor>
        }
      />
    );
  }
  if (inspected.data === undefined || identity.isPending) {
    return (
      <EntryFrame title={t("entry.invitationTitle")}>
        <Stack>
          <Skeleton height={20} width="80%" />
          <Skeleton height={36} />
          <Skeleton height={36} />
        </Stack>
      </EntryFrame>
    );
  }
  return <Answered invitation={inspected.data} token={token} signedInAs={identity.data?.user?.email} />;
}

function Answered({ invitation, token, signedInAs }: { invitation: Invitation; token: string; signedInAs: string | undefined }) {
  const t = useT();
  const locale = useLanguage();
  const entered = useEntered();
  const newcomer = !invitation.accountExists;
  const form = useForm({
    initial: { name: "", password: "" },
    checks: newcomer ? { name: required, password: passwordCheck } : {},
    submit: async (values) => entered(await callApi("invitationAccept", newcomer ? { token, locale, ...values } : { token })),
  });
  const text = t.rich("entry.invitationText", {
    person: <b key="person">{invitation.invitedBy}</b>,
    organisation: <b key="organisation">{invitation.organisationName}</b>,
    role: t(`ui.role.${invitation.role}`),
  });
  const title = t("entry.join", { organisation: invitation.organisationName });
  if (!newcomer && signedInAs !== invitation.email) {
    return (
      <EntryFrame title={title} text={text}>
        <Stack gap="md">
          <span>{t.rich("entry.signInFirst", { email: <b key="email">{invitation.email}</b> })}</span>
          <Button component={Link} to="/sign-in" search={{ next: `/invitation#${token}` } as never} size="md" fullWidth>
            {t("entry.signIn")}
          </Button>
        </Stack>
      </EntryFrame>
    );
  }
  return (
    <EntryFrame title={title} text={text}>
      <form onSubmit={form.onSubmit} noValidate>
        <Stack gap="md">
          <FormProblem>{form.problem}</FormProblem>
          <TextInput label={t("ui.email")} value={invitation.email} readOnly variant="filled" autoComplete="username" />
          {newcomer && (
            <>
              <TextInput label={t("entry.yourName")} autoComplete="name" autoFocus {...form.field("name")} />
              <NewPasswordInput label={t("ui.password")} {...form.field("password")} />
            </>
          )}
          <Button type="submit" size="md" fullWidth loading={form.sending}>
            {t("entry.accept")}
          </Button>
        </Stack>
      </form>
    </EntryFrame>
  );
}
