import { Alert, Button, Group, Menu, Skeleton, Stack, Switch, Text, Textarea } from "@mantine/core";
import { IconAlertTriangle, IconChevronDown } from "@tabler/icons-react";
import { useState } from "react";
import type { Bucket } from "../../../../services/objects/contract.ts";
import { type Answer, type Arguments, client, invalidate, useApi } from "../../../api/api.ts";
import { errorText } from "../../../api/errors.ts";
import { useCan, useOrganisation } from "../../../frame/identity.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../../ui/ConfirmDestroy.tsx";
import { FormProblem } from "../../../ui/FormProblem.tsx";
import { useForm } from "../../../ui/form.ts";
import { Section } from "../../../ui/Section.tsx";
import { StatusBadge } from "../../../ui/StatusBadge.tsx";
import { toastDone, toastError } from "../../../ui/toast.ts";
import { isOpen, type PolicyTemplate, policyTemplates, withTemplate } from "./policies.ts";

type Access = Answer<"bucketAccessGet">;
type Change = Omit<Arguments<"bucketAccessUpdate">, "bucket">;
const refresh = () => invalidate(queries, ["bucketAccessGet", "publicAccessGet", "bucketWebsiteGet", "bucketGet", "bucketList"]);
const blocks = ["blockPublicAcls", "ignorePublicAcls", "blockPublicPolicy", "restrictPublicBuckets"] as const;
const allBlocks = (on: boolean) => Object.fromEntries(blocks.map((name) => [name, on])) as Access["publicAccessBlock"];

/** Who besides the project gets at a bucket; what is public is said before and after, as loudly as it deserves. */
export function AccessSection({ bucket, readOnly }: { bucket: Bucket; readOnly: boolean }) {
  const t = useT();
  const access = useApi("bucketAccessGet", { bucket: bucket.name });
  const { data } = access;
  return (
    <Section title={t("bucketSettings.access.title")} text={t("bucketSettings.access.text")}>
      {data ? (
        <Stack gap="md">
          {data.isPublic ? (
            <Alert color="red" icon={<IconAlertTriangle aria-hidden />} title={t("bucketSettings.access.public")}>
              {t("bucketSettings.access.publicText")}
            </Alert>
          ) : data.publicReach === "objects" ? (
            <div>
              <StatusBadge tone="off">{t("bucketSettings.access.objects")}</StatusBadge>
              <Text size="sm" c="dimmed" mt={6} maw={640}>
                {t("bucketSettings.access.objectsText")}
              </Text>
            </div>
          ) : (
            <div>
              <StatusBadge tone="good">{t("bucketSettings.access.private")}</StatusBadge>
            </div>
          )}
          <Blocks bucket={bucket} access={data} readOnly={readOnly} />
          <PolicyForm key={data.policy} bucket={bucket} access={data} readOnly={readOnly} />
        </Stack>
      ) : access.error ? (
        <FormProblem>{errorText(access.error)}</FormProblem>
      ) : (
        <Skeleton height={180} />
      )}
    </Section>
  );
}

function Blocks({ bucket, access, readOnly }: { bucket: Bucket; access: Access; readOnly: boolean }) {
  const t = useT();
  const organisation = useOrganisation();
  const isAdmin = useCan("organisation")("admin");
  const act = (work: () => Promise<unknown>) =>
    work()
      .then(() => toastDone(t("ui.saved")))
      .catch(toastError)
      .finally(refresh);
  const isBlocked = blocks.every((name) => access.publicAccessBlock[name]);
  return (
    <>
      <Switch
        label={t("bucketSettings.access.block")}
        description={t(access.isForbidden ? "bucketSettings.access.forbidden" : "bucketSettings.access.blockText")}
        checked={isBlocked || access.isForbidden}
        disabled={readOnly || access.isForbidden}
        onChange={(event) => {
          const publicAccessBlock = allBlocks(event.currentTarget.checked);
          void act(() => client.bucketAccessUpdate({ bucket: bucket.name, publicAccessBlock }));
        }}
      />
      {isAdmin && (
        <Switch
          label={t("bucketSettings.access.forbid", { organisation: organisation.name })}
          description={t("bucketSettings.access.forbidText")}
          checked={access.isForbidden}
          onChange={(event) => {
            const isForbidden = event.currentTarget.checked;
            void act(() => client.publicAccessUpdate({ organisation: organisation.id, isForbidden }));
          }}
        />
      )}
      <Switch
        label={t("bucketSettings.access.lists")}
        description={t("bucketSettings.access.listsText")}
        checked={access.ownership !== "BucketOwnerEnforced"}
        disabled={readOnly}
        onChange={(event) => {
          const ownership = event.currentTarget.checked ? "ObjectWriter" : "BucketOwnerEnforced";
          void act(() => client.bucketAccessUpdate({ bucket: bucket.name, ownership }));
        }}
      />
    </>
  );
}

/** The policy as text, and templates that write one. */
function PolicyForm({ bucket, access, readOnly }: { bucket: Bucket; access: Access; readOnly: boolean }) {
  const t = useT();
  const [opening, setOpening] = useState<Change>();
  const save = async (change: Change) => {
    await client.bucketAccessUpdate({ bucket: bucket.name, ...change });
    await refresh();
    toastDone(t("ui.saved"));
  };
  const form = useForm({
    initial: { policy: access.policy ?? "" },
    submit: async ({ policy }): Promise<void> => {
      const change: Change = { policy: policy.trim() === "" ? null : policy };
      if (isOpen(policy) && !access.isPublic) setOpening(change);
      else await save(change);
    },
  });
  const add = (template: PolicyTemplate) => {
    const policy = withTemplate(form.values.policy, template, bucket.name, access.accountId);
    if (policy === undefined) form.setProblem(t("bucketSettings.access.notJson"));
    else form.set("policy", policy);
  };
  return (
    <form onSubmit={form.onSubmit} noValidate>
      <Stack gap="sm">
        <FormProblem>{form.problem}</FormProblem>
        <Textarea
          label={t("bucketSettings.access.policy")}
          description={t("bucketSettings.access.policyText", { account: access.accountId })}
          placeholder={t("bucketSettings.access.noPolicy")}
          autosize
          minRows={4}
          maxRows={20}
          spellCheck={false}
          readOnly={readOnly}
          styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: 13 } }}
          {...form.field("policy")}
        />
        {!readOnly && (
          <Group gap="sm">
            <Menu position="bottom-start">
              <Menu.Target>
                <Button variant="default" rightSection={<IconChevronDown size={16} aria-hidden />}>
                  {t("bucketSettings.access.templates")}
                </Button>
              </Menu.Target>
              <Menu.Dropdown>
                {policyTemplates.map((template) => (
                  <Menu.Item key={template} onClick={() => add(template)}>
                    {t(`bucketSettings.access.template.${template}`)}
                  </Menu.Item>
                ))}
              </Menu.Dropdown>
            </Menu>
            <Button
              type="submit"
              variant="default"
              loading={form.sending}
              disabled={form.values.policy.trim() === (access.policy ?? "").trim()}
            >
              {t("bucketSettings.access.save")}
            </Button>
          </Group>
        )}
        <Text size="sm" c="dimmed">
          {t("bucketSettings.access.owners")}
        </Text>
      </Stack>
      <ConfirmDestroy
        opened={opening !== undefined}
        onClose={() => setOpening(undefined)}
        title={t("bucketSettings.access.openTitle", { bucket: bucket.name })}
        text={t("bucketSettings.access.openText")}
        typeName={bucket.name}
        action={t("bucketSettings.access.open")}
        onConfirm={() => save(opening ?? {})}
      />
    </form>
  );
}
