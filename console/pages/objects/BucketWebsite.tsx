import { Alert, Anchor, Button, Group, Skeleton, Stack, Text, TextInput } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { useState } from "react";
import type { Bucket } from "../../../services/objects/contract.ts";
import { type Answer, client, invalidate, useApi } from "../../api/api.ts";
import { errorText, isCloudError } from "../../api/errors.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { FormProblem } from "../../ui/FormProblem.tsx";
import { useForm } from "../../ui/form.ts";
import { Section } from "../../ui/Section.tsx";
import { toastDone } from "../../ui/toast.ts";
import { withoutReading, withReading } from "./settings/policies.ts";

type Website = Answer<"bucketWebsiteGet">;
type Access = Answer<"bucketAccessGet">;
const refresh = () => invalidate(queries, ["bucketWebsiteGet", "bucketAccessGet", "bucketGet", "bucketList"]);

/** Whether everybody sees what is in the bucket, as a website, and where. */
export function BucketWebsite({ bucket, readOnly }: { bucket: Bucket; readOnly: boolean }) {
  const query = useApi("bucketWebsiteGet", { bucket: bucket.name });
  const access = useApi("bucketAccessGet", { bucket: bucket.name });
  const t = useT();
  const none = isCloudError(query.error) && query.error.code === "not_found";
  // Where there is none, asking again is pending anew: what somebody is writing in the form must stay.
  const website = none ? undefined : query.data;
  return (
    <Section title={t("objects.website.title")} text={t("objects.website.text")}>
      {query.error && !none ? (
        <FormProblem>{errorText(query.error)}</FormProblem>
      ) : access.error ? (
        <FormProblem>{errorText(access.error)}</FormProblem>
      ) : (query.isPending && !query.isFetched) || !access.data ? (
        <Skeleton height={180} />
      ) : (
        <Terms
          key={JSON.stringify([website?.indexDocument, website?.errorDocument])}
          bucket={bucket}
          website={website}
          access={access.data}
          readOnly={readOnly}
        />
      )}
    </Section>
  );
}

/** What stands in the way of visitors whatever the bucket's policy says. */
function barrierOf({ isForbidden, publicAccessBlock }: Access): "forbidden" | "blocked" | undefined {
  if (isForbidden) return "forbidden";
  return publicAccessBlock.blockPublicPolicy || publicAccessBlock.restrictPublicBuckets ? "blocked" : undefined;
}

function Terms(props: { bucket: Bucket; website: Website | undefined; access: Access; readOnly: boolean }) {
  const { bucket, website, access, readOnly } = props;
  const t = useT();
  const [ending, setEnding] = useState(false);
  const [opening, setOpening] = useState(false);
  const barrier = barrierOf(access);
  const write = ({ indexDocument, errorDocument }: { indexDocument: string; errorDocument: string }) =>
    client.bucketWebsiteUpdate({
      bucket: bucket.name,
      indexDocument: indexDocument.trim(),
      ...(errorDocument.trim() === "" ? {} : { errorDocument: errorDocument.trim() }),
      // What another program has said stays.
      ...(website?.rules ? { rules: website.rules } : {}),
    });
  const form = useForm({
    initial: { indexDocument: website?.indexDocument ?? "index.html", errorDocument: website?.errorDocument ?? "" },
    checks: { indexDocument: (name) => (/^[^/]+$/.test(name.trim()) ? undefined : t("objects.website.indexRules")) },
    submit: async (values): Promise<void> => {
      if (website === undefined) {
        setOpening(true);
        return;
      }
      await write(values);
      await refresh();
      toastDone(t("ui.saved"));
    },
  });
  /** Both steps: a website, and a policy by which everybody reads it. */
  const open = async () => {
    const policy = withReading(access.policy ?? "", bucket.name);
    try {
      if (website === undefined) await write(form.values);
      if (policy !== undefined && policy !== access.policy) await client.bucketAccessUpdate({ bucket: bucket.name, policy });
    } finally {
      await refresh();
    }
    toastDone(t("ui.saved"));
  };
  const closed = withoutReading(access.policy ?? "", bucket.name);
  return (
    <>
      {website?.url && (
        <Text mb="sm" style={{ overflowWrap: "anywhere" }}>
          <Anchor href={website.url} target="_blank" rel="noreferrer">
            {website.url}
          </Anchor>
        </Text>
      )}
      {website && !website.url && <Text mb="sm">{t("objects.website.noGateway")}</Text>}
      {barrier && !website?.redirectAllTo && (website !== undefined || !readOnly) ? (
        <Alert color="yellow" mb="md" maw={640} icon={<IconAlertTriangle aria-hidden />}>
          {t(`objects.website.${barrier}`)}
        </Alert>
      ) : website && !website.isReadable ? (
        <Alert color="yellow" mb="md" maw={640} icon={<IconAlertTriangle aria-hidden />}>
          <Text fw={600}>{t("objects.website.unreadable")}</Text>
          {t("objects.website.unreadableText")}
          {!readOnly && (
            <Button mt="sm" variant="default" display="block" onClick={() => setOpening(true)}>
              {t("objects.website.open")}
            </Button>
          )}
        </Alert>
      ) : null}
      {website?.redirectAllTo ? (
        <Text mb="sm">{t("objects.website.redirects", { host: website.redirectAllTo.host })}</Text>
      ) : (
        <form onSubmit={form.onSubmit} noValidate>
          <Stack gap="md" maw={560}>
            <FormProblem>{form.problem}</FormProblem>
            <TextInput
              label={t("objects.website.index")}
              description={t("objects.website.indexText")}
              spellCheck={false}
              disabled={readOnly}
              {...form.field("indexDocument")}
            />
            <TextInput
              label={t("objects.website.error")}
              description={t("objects.website.errorText")}
              spellCheck={false}
              disabled={readOnly}
              {...form.field("errorDocument")}
            />
            {!readOnly && (
              <Group>
                <Button
                  type="submit"
                  variant={website ? "default" : "filled"}
                  loading={form.sending}
                  disabled={website === undefined && barrier !== undefined}
                >
                  {t(website ? "ui.save" : "objects.website.publish")}
                </Button>
                {website && (
                  <Button variant="default" c="var(--k-bad)" onClick={() => setEnding(true)}>
                    {t("objects.website.end")}
                  </Button>
                )}
              </Group>
            )}
          </Stack>
        </form>
      )}
      {website?.redirectAllTo && !readOnly && (
        <Group>
          <Button variant="default" c="var(--k-bad)" onClick={() => setEnding(true)}>
            {t("objects.website.end")}
          </Button>
        </Group>
      )}
      {opening && (
        <ConfirmDestroy
          opened
          onClose={() => setOpening(false)}
          title={t("objects.website.publishTitle", { bucket: bucket.name })}
          text={t("objects.website.publishText")}
          typeName={bucket.name}
          action={t(website ? "objects.website.open" : "objects.website.publish")}
          onConfirm={open}
        />
      )}
      {ending && (
        <ConfirmDestroy
          opened
          onClose={() => setEnding(false)}
          title={t("objects.website.endTitle", { bucket: bucket.name })}
          destroyed={[t("objects.website.endText"), ...(closed === undefined ? [] : [t("objects.website.endRead")])]}
          kept={[t("objects.website.endKept")]}
          action={t("objects.website.end")}
          onConfirm={async () => {
            if (closed !== undefined) await client.bucketAccessUpdate({ bucket: bucket.name, policy: closed });
            await client.bucketWebsiteDelete({ bucket: bucket.name });
            await refresh();
          }}
        />
      )}
    </>
  );
}
