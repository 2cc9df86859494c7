import { Accordion, Anchor, Button, NumberInput, Radio, Select, Stack, Switch, TextInput } from "@mantine/core";
import { Link, useNavigate } from "@tanstack/react-router";
import { callApi, invalidate, useApi, useApiList } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useOrganisation, useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { FormProblem } from "../../ui/FormProblem.tsx";
import { useForm } from "../../ui/form.ts";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { Section } from "../../ui/Section.tsx";
import { AppEngineNotice } from "../apps/AppEngineNotice.tsx";
import css from "./databases.module.css";
import { SizeCards } from "./SizeCards.tsx";
import { GiB, nameProblem, sizes, versions } from "./words.ts";

const none = "none";

/** A name is all that has to be given; with the first bucket at hand it is backed up too. */
export default function DatabaseCreatePage() {
  const t = useT();
  const format = useFormat();
  const navigate = useNavigate();
  const organisation = useOrganisation();
  const project = useProject();
  const engine = useApi("appEngineGet", {}, { staleTime: 30_000 }).data;
  const buckets = useApiList("bucketList", { project: project.id });
  const home = projectAddress(organisation.slug, project.slug, "databases");
  const form = useForm({
    initial: {
      name: "",
      version: versions[0] as string,
      size: "small" as string,
      diskGibibytes: 10 as number,
      bucket: "",
      backupHour: 2 as number,
      keepDays: 7 as number,
      protected: false,
    },
    checks: {
      name: (name) => nameProblem(name),
      diskGibibytes: (size) => (Number(size) >= 1 ? undefined : t("databases.diskLeast")),
    },
    submit: async () => {
      const operation = await callApi("databaseCreate", request as never);
      await invalidate(queries, ["databaseList"]);
      await navigate({ to: operation.resource ? `${home}/${operation.resource.id}` : home });
    },
  });
  const { values } = form;
  const size = sizes.find(({ name }) => name === values.size) ?? sizes[1];
  const bucket = values.bucket === "" ? (buckets.rows?.[0]?.name ?? none) : values.bucket;
  const request = {
    project: project.id,
    name: values.name,
    version: values.version,
    memoryBytes: size.memoryBytes,
    cpus: size.cpus,
    diskBytes: Math.round(Number(values.diskGibibytes)) * GiB,
    ...(bucket === none ? {} : { bucket, backupHour: values.backupHour, keepDays: values.keepDays }),
    ...(values.protected ? { protected: true } : {}),
  };
  return (
    <>
      <PageHeader
        title={t("frame.nav.newDatabase")}
        text={t("databases.create.text")}
        back={{ to: home, label: t("frame.nav.databases") }}
      />
      <AppEngineNotice />
      <form onSubmit={form.onSubmit} noValidate className={css.form}>
        <div>
          <Section title={t("ui.name")}>
            <TextInput
              aria-label={t("ui.name")}
              description={t("databases.create.nameText", { name: values.name || "my-database" })}
              inputWrapperOrder={["input", "error", "description"]}
              placeholder="my-database"
              maw={420}
              data-autofocus
              autoComplete="off"
              autoCapitalize="none"
              spellCheck={false}
              {...form.field("name")}
              onChange={(event) => form.set("name", event.currentTarget.value.toLowerCase().replaceAll(/[ _.]/g, "-"))}
            />
          </Section>
          <Section title={t("databases.version")} text={t("databases.create.versionText")}>
            <Radio.Group
              value={values.version}
              onChange={(version) => form.set("version", version)}
              aria-label={t("databases.version")}
            >
              <div className={css.cards}>
                {versions.map((version, index) => (
                  <Radio.Card key={version} value={version} className={css.card} aria-label={`PostgreSQL ${version}`}>
                    <span>
                      <b>{`PostgreSQL ${version}`}</b>
                      <small>{t(index === 0 ? "databases.create.newest" : "databases.create.proven")}</small>
                    </span>
                    <Radio.Indicator size="sm" />
                  </Radio.Card>
                ))}
              </div>
            </Radio.Group>
          </Section>
          <Section title={t("databases.size")} text={t("databases.create.sizeText")}>
            <Stack gap="lg">
              <SizeCards value={values.size} onChange={(name) => form.set("size", name)} />
              <NumberInput
                label={t("databases.disk")}
                description={t("databases.create.diskText")}
                suffix={format.gibibytes}
                min={1}
                max={65_536}
                allowDecimal={false}
                maw={220}
                {...form.choice("diskGibibytes")}
                onChange={(value) => form.set("diskGibibytes", Number(value))}
              />
            </Stack>
          </Section>
          <Section title={t("databases.backups")} text={t("databases.create.backupsText")}>
            <Stack gap="md" maw={420}>
              <Select
                label={t("databases.bucket")}
                allowDeselect={false}
                value={bucket}
                onChange={(value) => form.set("bucket", value ?? none)}
                data={[
                  ...(buckets.rows ?? []).map(({ name }) => ({ value: name, label: name })),
                  { value: none, label: t("databases.create.noBackups") },
                ]}
                error={undefined}
                description={
                  bucket === none ? (
                    <>
                      {t("databases.create.noBackupsText")}{" "}
                      <Anchor component={Link} size="xs" to={projectAddress(organisation.slug, project.slug, "buckets")}>
                        {t("frame.nav.buckets")}
                      </Anchor>
                    </>
                  ) : (
                    t("databases.create.bucketText")
                  )
                }
                inputWrapperOrder={["label", "input", "error", "description"]}
              />
            </Stack>
          </Section>
          <Accordion variant="contained" mb="lg" radius={8}>
            <Accordion.Item value="more">
              <Accordion.Control>{t("databases.create.more")}</Accordion.Control>
              <Accordion.Panel>
                <Stack gap="lg">
                  <Select
                    label={t("databases.backupHour")}
                    description={t("databases.backupHourText")}
                    maw={220}
                    allowDeselect={false}
                    value={String(values.backupHour)}
                    onChange={(hour) => form.set("backupHour", Number(hour))}
                    data={hours}
                  />
                  <NumberInput
                    label={t("databases.keepDays")}
                    min={1}
                    max={365}
                    allowDecimal={false}
                    maw={220}
                    {...form.choice("keepDays")}
                    onChange={(value) => form.set("keepDays", Number(value))}
                  />
                  <Switch
                    label={t("databases.protected")}
                    description={t("databases.protectedText")}
                    checked={values.protected}
                    onChange={(event) => form.set("protected", event.currentTarget.checked)}
                  />
                </Stack>
              </Accordion.Panel>
            </Accordion.Item>
          </Accordion>
          <ApiHint route="databaseCreate" args={request} />
        </div>
        <aside className={css.summary} aria-label={t("databases.create.summary")}>
          <h2>{values.name || "my-database"}</h2>
          <p className={css.note}>
            {`PostgreSQL ${values.version}`} ·{" "}
            {t("databases.sizeLine", { memory: format.memory(size.memoryBytes), cpus: format.number(size.cpus) })} ·{" "}
            {t("databases.diskLine", { disk: format.memory(request.diskBytes) })}
          </p>
          <FormProblem>{form.problem}</FormProblem>
          <Button type="submit" loading={form.sending} disabled={engine?.missing !== undefined}>
            {t("databases.create.action")}
          </Button>
        </aside>
      </form>
    </>
  );
}

export const hours = Array.from({ length: 24 }, (_, hour) => ({
  value: String(hour),
  label: `${String(hour).padStart(2, "0")}:00 UTC`,
}));
