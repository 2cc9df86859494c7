import { Button, PasswordInput, Select, TextInput, Tooltip } from "@mantine/core";
import type { TemplateSettingView, TemplateView } from "../../../services/apps/catalogue/contract.ts";
import { callApi, invalidate, useApi, useApiList } from "../../api/api.ts";
import { useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useLanguage, useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { FormProblem } from "../../ui/FormProblem.tsx";
import { type Check, required, slugCheck, useForm } from "../../ui/form.ts";
import { Section } from "../../ui/Section.tsx";
import { useWhyNotDeploy } from "../apps/AppEngineNotice.tsx";
import css from "./catalogue.module.css";

type Values = Record<string, string>;
/** As the API names their problems. */
const field = (name: string): string => `settings.${name}`;

/** A name, what the template asks, and where backups go; all of it has a good value already, or is needed. */
export function InstallForm(props: { template: TemplateView; may: boolean; onBegun: (operationId: string) => void }) {
  const { template, may } = props;
  const t = useT();
  const project = useProject();
  const engine = useApi("appEngineGet", {}, { staleTime: 30_000 }).data;
  const buckets = useApiList("bucketList", { project: project.id }, { limit: 200 }).rows;
  const noEngine = useWhyNotDeploy(undefined, true);
  const reason = may ? noEngine : t("ui.needsRole", { role: t("ui.role.editor") });
  const keepsData = template.hasDisks || template.hasDatabase;
  const settingsOf = (values: Values): Values =>
    Object.fromEntries(
      template.settings.flatMap(({ name, value }) => {
        const given = values[field(name)] ?? "";
        return given === "" || given === value ? [] : [[name, given]];
      }),
    );
  const bodyOf = (values: Values) => ({
    project: project.id,
    template: template.id,
    name: values["name"] ?? "",
    ...(Object.keys(settingsOf(values)).length > 0 ? { settings: settingsOf(values) } : {}),
    ...(values["bucket"] ? { bucket: values["bucket"] } : {}),
  });
  const form = useForm<Values>({
    initial: {
      name: template.id,
      bucket: "",
      ...Object.fromEntries(template.settings.map(({ name, value }) => [field(name), value ?? ""])),
    },
    checks: {
      name: slugCheck,
      ...Object.fromEntries(template.settings.filter((each) => each.required).map(({ name }) => [field(name), required])),
    } as Record<string, Check<string>>,
    async submit(values) {
      const { id } = await callApi("appInstall", bodyOf(values));
      await invalidate(queries, ["appList", "installationList"]);
      props.onBegun(id);
    },
  });
  const hidden = Object.fromEntries(
    Object.entries(settingsOf(form.values)).map(([name, value]) => [
      name,
      template.settings.find((each) => each.name === name)?.kind === "password" ? "…" : value,
    ]),
  );
  return (
    <Section title={t("catalogue.install.title", { name: template.name })}>
      <form className={css.form} onSubmit={form.onSubmit} autoComplete="off">
        <TextInput
          {...form.field("name")}
          label={t("ui.name")}
          description={t("catalogue.install.nameText", {
            address: `${form.values["name"] || template.id}.${project.slug}.${engine?.appsDomain ?? "localhost"}`,
          })}
          inputWrapperOrder={["label", "input", "error", "description"]}
          autoCapitalize="none"
          spellCheck={false}
        />
        {template.settings.map((setting) => (
          <Asked key={setting.name} setting={setting} form={form} />
        ))}
        {keepsData && (
          <Select
            label={t("catalogue.install.bucket")}
            description={t("catalogue.install.bucketText")}
            inputWrapperOrder={["label", "input", "error", "description"]}
            data={[
              { value: "", label: t("catalogue.install.noBucket") },
              ...(buckets ?? []).map(({ id, name }) => ({ value: id, label: name })),
            ]}
            allowDeselect={false}
            {...form.choice("bucket")}
            value={form.values["bucket"] ?? ""}
          />
        )}
        <FormProblem>{form.problem}</FormProblem>
        <div>
          <Tooltip label={reason} disabled={reason === undefined}>
            <Button
              type="submit"
              loading={form.sending}
              {...(reason === undefined ? {} : { "data-disabled": true, "aria-disabled": true })}
              onClick={(event) => {
                if (reason !== undefined) event.preventDefault();
              }}
            >
              {t("catalogue.install")}
            </Button>
          </Tooltip>
        </div>
        <ApiHint
          route="appInstall"
          args={{ ...bodyOf(form.values), settings: Object.keys(hidden).length > 0 ? hidden : undefined }}
        />
      </form>
    </Section>
  );
}

function Asked({ setting, form }: { setting: TemplateSettingView; form: ReturnType<typeof useForm<Values>> }) {
  const t = useT();
  const language = useLanguage();
  const name = field(setting.name);
  const common = {
    label: setting.label[language],
    description: setting.help?.[language],
    inputWrapperOrder: ["label", "input", "error", "description"] as ("label" | "input" | "error" | "description")[],
  };
  if (setting.kind === "choice")
    return (
      <Select
        {...common}
        data={(setting.choices ?? []).map(({ value, label }) => ({ value, label: label[language] }))}
        allowDeselect={false}
        {...form.choice(name)}
        value={form.values[name] ?? ""}
      />
    );
  const placeholder = setting.required ? undefined : t("catalogue.install.optional");
  if (setting.kind === "password")
    return <PasswordInput {...common} {...form.field(name)} placeholder={placeholder} autoComplete="new-password" />;
  return (
    <TextInput
      {...common}
      {...form.field(name)}
      type={setting.kind === "email" ? "email" : "text"}
      placeholder={placeholder}
      autoComplete="off"
      spellCheck={false}
    />
  );
}
