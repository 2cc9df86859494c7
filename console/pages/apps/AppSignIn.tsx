import { MultiSelect, Radio, Stack } from "@mantine/core";
import type { App } from "../../../services/apps/deploying/contract.ts";
import type { AppAccess, Audience } from "../../../services/apps/routing/contract.ts";
import { useApi } from "../../api/api.ts";
import { useT } from "../../i18n/i18n.ts";
import { FormSection } from "../../ui/FormSection.tsx";
import { useForm } from "../../ui/form.ts";
import { toastDone } from "../../ui/toast.ts";

const choices = ["nobody", "project", "organisation", "chosen", "cloud"] as const;
type SignIn = NonNullable<AppAccess["signIn"]>;

interface Props {
  app: App;
  access: AppAccess;
  may: boolean;
  update: (change: { signIn: SignIn | null }) => Promise<void>;
}

/** Who has to sign in to this cloud before they see the app, and who of those is let in. */
export function AppSignIn({ app, access, may, update }: Props) {
  const t = useT();
  const form = useForm({
    initial: { audience: (access.signIn?.audience ?? "nobody") as Audience | "nobody", users: access.signIn?.users ?? [] },
    checks: {
      users: (users, all) =>
        (all as { audience: string }).audience === "chosen" && users.length === 0 ? t("apps.access.chooseSomebody") : undefined,
    },
    submit: async ({ audience, users }) => {
      await update({ signIn: audience === "nobody" ? null : { audience, users: audience === "chosen" ? users : [] } });
      toastDone(t("ui.saved"));
    },
  });
  const { audience, users } = form.values;
  const members = useApi(
    "memberList",
    { organisation: app.organisationId, limit: 1000 },
    { enabled: audience === "chosen", staleTime: 30_000 },
  );
  const people = (members.data?.items ?? [])
    .filter(({ principal }) => principal.kind === "user")
    .map(({ principal }) => principal);
  const same = audience === (access.signIn?.audience ?? "nobody") && String(users) === String(access.signIn?.users ?? []);
  return (
    <FormSection title={t("apps.access.signIn")} text={t("apps.access.signInText")} form={form} disabled={!may || same}>
      <Radio.Group
        aria-label={t("apps.access.signIn")}
        value={audience}
        onChange={(value) => form.set("audience", value as Audience)}
      >
        <Stack gap="sm">
          {choices.map((choice) => (
            <Radio
              key={choice}
              value={choice}
              disabled={!may}
              label={t(`apps.access.audience.${choice}`)}
              description={t(`apps.access.audienceText.${choice}`)}
            />
          ))}
        </Stack>
      </Radio.Group>
      {audience === "chosen" && (
        <MultiSelect
          label={t("apps.access.chosen")}
          description={t("apps.access.chosenText")}
          placeholder={users.length === 0 ? t("apps.access.choosePeople") : undefined}
          searchable
          hidePickedOptions
          disabled={!may}
          data={[
            ...people.map(({ id, name, email }) => ({ value: id, label: email === undefined ? name : `${name} (${email})` })),
            // Whoever has left since is still chosen, and not let in.
            ...users
              .filter((id) => members.data && people.every((one) => one.id !== id))
              .map((id) => ({ value: id as string, label: id })),
          ]}
          value={users}
          error={form.field("users" as never).error}
          onChange={(value) => form.set("users", value as SignIn["users"])}
        />
      )}
    </FormSection>
  );
}
