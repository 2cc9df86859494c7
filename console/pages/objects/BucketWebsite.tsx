import { Anchor, Button, Group, Skeleton, Stack, Text, TextInput } from "@mantine/core";
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

type Website = Answer<"bucketWebsiteGet">;
const refresh = () => invalidate(queries, ["bucketWebsiteGet"]);

/** Whether everybody sees what is in the bucket, as a website, and where. */
export function BucketWebsite({ bucket, readOnly }: { bucket: Bucket; readOnly: boolean }) {
  const query = useApi("bucketWebsiteGet", { bucket: bucket.name });
  const t = useT();
  const none = isCloudError(query.error) && query.error.code === "not_found";
  const website = none ? undefined : query.data;
  return (
    <Section title={t("objects.website.title")} text={t("objects.website.text")}>
      {query.error && !none ? (
        <FormProblem>{errorText(query.error)}</FormProblem>
      ) : query.isPending ? (
        <Skeleton height={180} />
      ) : (
        <Terms key={JSON.stringify(website)} bucket={bucket} website={website} readOnly={readOnly} />
      )}
    </Section>
  );
}

function Terms({ bucket, website, readOnly }: { bucket: Bucket; website: Website | undefined; readOnly: boolean }) {
  const t = useT();
  const [ending, setEnding] = useState(false);
  const form = useForm({
    initial: { indexDocument: website?.indexDocument ?? "index.html", errorDocument: website?.errorDocument ?? "" },
    checks: { indexDocument: (name) => (/^[^/]+$/.test(name.trim()) ? undefined : t("objects.website.indexRules")) },
    submit: async ({ indexDocument, errorDocument }) => {
      await client.bucketWebsiteUpdate({
        bucket: bucket.name,
        indexDocument: indexDocument.trim(),
        ...(errorDocument.trim() === "" ? {} : { errorDocument: errorDocument.trim() }),
        // What another program has said stays.
        ...(website?.rules ? { rules: website.rules } : {}),
      });
      await refresh();
      toastDone(t("ui.saved"));
    },
  });
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
                <Button type="submit" variant={website ? "default" : "filled"} loading={form.sending}>
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
      {ending && (
        <ConfirmDestroy
          opened
          onClose={() => setEnding(false)}
          title={t("objects.website.endTitle", { bucket: bucket.name })}
          destroyed={[t("objects.website.endText")]}
          kept={[t("objects.website.endKept")]}
          action={t("objects.website.end")}
          onConfirm={async () => {
            await client.bucketWebsiteDelete({ bucket: bucket.name });
            await refresh();
          }}
        />
      )}
    </>
  );
}
