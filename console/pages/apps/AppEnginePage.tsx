import { Alert, Anchor, Button, Group, Select, Skeleton, Stack, Switch, TextInput } from "@mantine/core";
import { type Answer, client, invalidate, useApi } from "../../api/api.ts";
import { errorText } from "../../api/errors.ts";
import { useCan } from "../../frame/identity.ts";
import { NotFoundPage } from "../../frame/NotFoundPage.tsx";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { FormProblem } from "../../ui/FormProblem.tsx";
import { FormSection } from "../../ui/FormSection.tsx";
import { emailCheck, useForm } from "../../ui/form.ts";
import { Facts, Section } from "../../ui/Section.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { toastDone, toastError } from "../../ui/toast.ts";
import { CloudHeader } from "../cloud/CloudHeader.tsx";
import { AddCommand } from "./AppEngineNotice.tsx";
import { AppNodes } from "./AppNodes.tsx";
import css from "./apps.module.css";

type Engine = Answer<"appEngineGet">;
const letsEncrypt = "https://acme-v02.api.letsencrypt.org/directory";
const letsEncryptStaging = "https://acme-staging-v02.api.letsencrypt.org/directory";

/** What apps run on: the engine of containers, the gateway, the domain of all apps, and who certifies it. */
export default function AppEnginePage() {
  const t = useT();
  const admin = useCan("cloud")("admin");
  const query = useApi("appEngineGet", {}, { refetchInterval: 30_000 });
  if (!admin) return <NotFoundPage />;
  const engine = query.data;
  return (
    <>
      <CloudHeader />
      {query.error && !engine ? (
        <Alert color="red" role="alert" title={t("ui.errorTitle")}>
          {errorText(query.error)}
        </Alert>
      ) : engine === undefined ? (
        <Skeleton height={320} />
      ) : (
        <>
          <State engine={engine} />
          {engine.missing === undefined && <AppNodes />}
          <AppsDomain key={`domain ${engine.revision}`} engine={engine} />
          <Certificates key={`acme ${engine.revision}`} engine={engine} />
        </>
      )}
    </>
  );
}

function State({ engine }: { engine: Engine }) {
  const t = useT();
  const format = useFormat();
  const { gateway } = engine;
  return (
    <>
      <Section title={t("apps.engine.title")} text={t("apps.engine.text")}>
        {engine.missing ? (
          <div className={css.stack}>
            <StatusBadge tone="warn">{t("apps.engine.none")}</StatusBadge>
            <p className={css.problem}>{engine.missing}</p>
            <AddCommand missing={engine.missing} />
          </div>
        ) : (
          <Facts
            items={[
              [
                t("apps.engine.state"),
                <StatusBadge key="state" tone="good">
                  {t("apps.engine.ready")}
                </StatusBadge>,
              ],
              [t("apps.engine.software"), `Docker Engine ${engine.version ?? ""}`],
              [
                t("apps.engine.capacity"),
                [
                  engine.cpus === undefined ? undefined : t("apps.engine.cpus", { cpus: format.number(engine.cpus) }),
                  engine.memoryBytes === undefined ? undefined : format.memory(engine.memoryBytes),
                ]
                  .filter(Boolean)
                  .join(" · ") || "–",
              ],
              ...(engine.userNamespaces
                ? [[t("apps.engine.namespaces"), t(`apps.engine.namespaces.${engine.userNamespaces}`)] as [string, string]]
                : []),
            ]}
          />
        )}
      </Section>
      <Section title={t("apps.gateway.title")} text={t("apps.gateway.text")}>
        {gateway.missing ? (
          <div className={css.stack}>
            <StatusBadge tone="warn">{t("apps.engine.none")}</StatusBadge>
            <p className={css.problem}>{gateway.missing}</p>
            <AddCommand missing={gateway.missing} />
          </div>
        ) : (
          <Facts
            items={[
              [
                t("apps.engine.state"),
                <StatusBadge key="state" tone="good">
                  {t("apps.engine.ready")}
                </StatusBadge>,
              ],
              ["HTTP", t("apps.gateway.port", { port: String(gateway.httpPort ?? "–") })],
              ["HTTPS", t("apps.gateway.port", { port: String(gateway.httpsPort ?? "–") })],
            ]}
          />
        )}
      </Section>
    </>
  );
}

const save = async (changes: Parameters<typeof client.appEngineUpdate>[0], revision: number) => {
  const now = await client.appEngineUpdate(changes, { ifMatch: revision });
  queries.setQueryData(["appEngineGet", {}], now);
  await invalidate(queries, ["appEngineGet", "appList", "appGet"]);
};

function AppsDomain({ engine }: { engine: Engine }) {
  const t = useT();
  const form = useForm({
    initial: { appsDomain: engine.appsDomain },
    checks: {
      appsDomain: (name) =>
        name.trim() === "localhost" || /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,}$/i.test(name.trim())
          ? undefined
          : t("apps.domains.rules"),
    },
    submit: async ({ appsDomain }) => {
      await save({ appsDomain: appsDomain.trim() }, engine.revision);
      toastDone(t("ui.saved"));
    },
  });
  const domain = form.values.appsDomain.trim();
  return (
    <Section
      title={t("apps.domain.title")}
      text={t("apps.domain.text", { example: `web.default.${domain || "apps.example.com"}` })}
    >
      <form onSubmit={form.onSubmit} noValidate>
        <Stack gap="md" maw={560}>
          <FormProblem>{form.problem}</FormProblem>
          <Group align="flex-end" gap="sm">
            <TextInput
              style={{ flex: 1 }}
              label={t("apps.domain.name")}
              description={
                domain === "localhost"
                  ? t("apps.domain.local")
                  : t("apps.domain.dns", { record: `*.${domain || "apps.example.com"}` })
              }
              autoCapitalize="none"
              spellCheck={false}
              {...form.field("appsDomain")}
            />
            <Button type="submit" loading={form.sending} disabled={domain === engine.appsDomain || domain === ""}>
              {t("ui.save")}
            </Button>
          </Group>
          <ApiHint route="appEngineUpdate" args={{ appsDomain: domain }} />
          <Switch
            label={t("apps.domain.trust")}
            description={t("apps.domain.trustText")}
            checked={engine.trustDomains}
            onChange={(event) => void save({ trustDomains: event.currentTarget.checked }, engine.revision).catch(toastError)}
          />
        </Stack>
      </form>
    </Section>
  );
}

function Certificates({ engine }: { engine: Engine }) {
  const t = useT();
  const known = [letsEncrypt, letsEncryptStaging];
  const form = useForm({
    initial: {
      from: engine.acme === undefined ? "internal" : known.includes(engine.acme.directory) ? engine.acme.directory : "other",
      directory: engine.acme?.directory ?? "",
      email: engine.acme?.email ?? "",
    },
    checks: {
      email: (email, all) => ((all as { from: string }).from === "internal" ? undefined : emailCheck(email, all)),
      directory: (directory, all) =>
        (all as { from: string }).from === "other" && !/^https:\/\/\S+$/.test(directory)
          ? t("apps.acme.directoryRules")
          : undefined,
    },
    submit: async () => {
      await save(request, engine.revision);
      toastDone(t("ui.saved"));
    },
  });
  const { values } = form;
  const request = {
    acme:
      values.from === "internal"
        ? null
        : { directory: values.from === "other" ? values.directory.trim() : values.from, email: values.email.trim() },
  };
  const same = request.acme?.directory === engine.acme?.directory && request.acme?.email === engine.acme?.email;
  return (
    <FormSection
      title={t("apps.acme.title")}
      text={t("apps.acme.text")}
      form={form}
      disabled={same}
      aside={
        known.includes(values.from) && (
          <Anchor size="sm" href="https://letsencrypt.org/repository/" target="_blank" rel="noreferrer">
            {t("apps.acme.terms")}
          </Anchor>
        )
      }
    >
      <Select
        label={t("apps.acme.from")}
        description={values.from === "internal" ? t("apps.acme.internalText") : t("apps.acme.publicText")}
        inputWrapperOrder={["label", "input", "error", "description"]}
        data={[
          { value: "internal", label: t("apps.acme.internal") },
          { value: letsEncrypt, label: "Let’s Encrypt" },
          { value: letsEncryptStaging, label: t("apps.acme.staging") },
          { value: "other", label: t("apps.acme.other") },
        ]}
        value={values.from}
        onChange={(from) => form.set("from", from ?? "internal")}
      />
      {values.from === "other" && (
        <TextInput
          label={t("apps.acme.directory")}
          placeholder="https://ca.example.com/acme/directory"
          spellCheck={false}
          {...form.field("directory")}
        />
      )}
      {values.from !== "internal" && (
        <TextInput label={t("ui.email")} description={t("apps.acme.emailText")} type="email" {...form.field("email")} />
      )}
    </FormSection>
  );
}
