import { Alert, Button, Select, Skeleton, Stack, TextInput } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { callApi, invalidate, useApi } from "../../api/api.ts";
import { useCan, useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useLanguage, useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { CopyField } from "../../ui/CopyField.tsx";
import { FormProblem } from "../../ui/FormProblem.tsx";
import { required, useForm } from "../../ui/form.ts";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { Facts, Section } from "../../ui/Section.tsx";
import { FailedTrunks } from "./lines/FailedTrunks.tsx";
import { ActiveCalls } from "./live/ActiveCalls.tsx";
import css from "./phone.module.css";
import { spanStart } from "./records/period.ts";
import { countries } from "./shared/countries.ts";
import { PhonePage, type PhonePlace } from "./shared/PhonePage.tsx";

const ReportChart = lazy(() => import("./records/ReportChart.tsx"));

export default function PhoneOverviewPage() {
  const t = useT();
  return (
    <PhonePage tab="overview" text={t("phone.text")} none={<Create />}>
      {(place) => <Overview {...place} />}
    </PhonePage>
  );
}

function Overview(place: PhonePlace) {
  const t = useT();
  const format = useFormat();
  const language = useLanguage();
  const { system, home, may } = place;
  const of = { phoneSystem: system.id };
  const presences = useApi("extensionPresenceList", { ...of, limit: 200 });
  const trunks = useApi("trunkList", { ...of, limit: 200 }).data?.items;
  const numbers = useApi("phoneNumberList", { ...of, limit: 200 }).data?.items;
  const active = useApi("activeCallList", { ...of, limit: 200 });
  const extensions = presences.data?.items;
  const reachable = extensions?.filter(({ presence }) => presence !== "offline").length;
  return (
    <>
      <FailedTrunks trunks={trunks ?? []} way={<Link to={`${home}/trunks`}>{t("phone.tab.trunks")}</Link>} />
      {system.isPrepaid && Number(system.balance) <= 0 && (
        <Alert color="red" mb="lg" title={t("phone.overview.noBalance")}>
          <Link to={`${home}/settings/balance`}>{t("phone.overview.balance")}</Link>
        </Alert>
      )}
      <div className={css.tiles}>
        <Link to={`${home}/extensions`} className={css.tile}>
          <small>{t("phone.overview.reachable")}</small>
          <b>{extensions ? t("phone.of", { part: reachable ?? 0, all: extensions.length }) : "…"}</b>
        </Link>
        <div className={css.tile}>
          <small>{t("phone.overview.active")}</small>
          <b>{active.data ? format.number(active.data.items.length) : "…"}</b>
        </div>
        <Link to={`${home}/trunks`} className={css.tile}>
          <small>{t("phone.overview.trunks")}</small>
          <b>
            {trunks ? t("phone.of", { part: trunks.filter(({ state }) => state === "ready").length, all: trunks.length }) : "…"}
          </b>
        </Link>
        <Link to={`${home}/settings/balance`} className={css.tile}>
          <small>{t("phone.overview.balance")}</small>
          <b>{format.money(Number(system.balance), system.currency)}</b>
        </Link>
      </div>
      {may && <Steps place={place} extensions={extensions?.length} numbers={numbers?.length} trunks={trunks?.length} />}
      <ActiveCalls {...place} />
      {may && <LastDays {...place} />}
      <Section title={t("phone.overview.reach")} text={t("phone.overview.reachText")}>
        <Stack gap="md">
          <CopyField label={t("phone.domain")} value={system.domain} />
          <Facts
            items={[
              [t("phone.country"), new Intl.DisplayNames([language], { type: "region" }).of(system.country) ?? system.country],
              [t("phone.timeZone"), system.timeZone],
              [t("phone.emergencyNumbers"), system.emergency.numbers.join(", ")],
            ]}
          />
        </Stack>
      </Section>
    </>
  );
}

function Steps(props: {
  place: PhonePlace;
  extensions: number | undefined;
  numbers: number | undefined;
  trunks: number | undefined;
}) {
  const t = useT();
  const { home } = props.place;
  const steps = [
    { key: "extensions", done: props.extensions, to: `${home}/extensions` },
    { key: "trunks", done: props.trunks, to: `${home}/trunks` },
    { key: "numbers", done: props.numbers, to: `${home}/numbers` },
  ] as const;
  const open = steps.filter(({ done }) => done === 0);
  if (open.length === 0) return null;
  return (
    <Section title={t("phone.overview.steps")}>
      <ul className={css.rows}>
        {open.map(({ key, to }) => (
          <li key={key}>
            <Link to={to}>{t(`phone.step.${key}`)}</Link>
            <div className={css.muted}>{t(`phone.step.${key}Text`)}</div>
          </li>
        ))}
      </ul>
    </Section>
  );
}

/** How the last days went, as a picture; the rest is in the reports. */
function LastDays({ system, home }: PhonePlace) {
  const t = useT();
  const format = useFormat();
  // On the hour, as in the reports: the same question is asked once.
  const hour = Math.ceil(Date.now() / 3_600_000) * 3_600_000;
  const lines = useApi("phoneReportGet", {
    phoneSystem: system.id,
    by: "day",
    from: spanStart("month", hour) ?? "",
    to: new Date(hour).toISOString(),
  }).data?.lines;
  if (!lines?.length) return null;
  return (
    <Section
      title={t("phone.overview.calls")}
      actions={
        <Button component={Link} to={`${home}/reports`} variant="default">
          {t("phone.tab.reports")}
        </Button>
      }
    >
      <Suspense fallback={<Skeleton h={240} />}>
        <ReportChart
          lines={lines.map(({ key, calls, answered }) => ({
            name: format.date(`${key}T12:00:00Z`),
            answered,
            rest: calls - answered,
          }))}
        />
      </Suspense>
    </Section>
  );
}

/** All that a phone system needs to be there is a name and a country. */
function Create() {
  const t = useT();
  const language = useLanguage();
  const project = useProject();
  const may = useCan()("editor");
  const form = useForm({
    initial: { name: project.name, country: "" },
    checks: { name: required, country: required },
    submit: async ({ name, country }) => {
      await callApi("phoneSystemCreate", {
        project: project.id,
        name,
        country,
        language,
        timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      });
      await invalidate(queries, ["phoneSystemList"]);
    },
  });
  return (
    <>
      <PageHeader title={t("phone.create")} text={t("phone.noneText")} />
      <Section
        title={t("phone.createTitle")}
        text={may ? t("phone.createText") : t("ui.needsRole", { role: t("ui.role.editor") })}
      >
        {may && (
          <form onSubmit={form.onSubmit} noValidate>
            <Stack gap="md" maw={420}>
              <FormProblem>{form.problem}</FormProblem>
              <TextInput label={t("ui.name")} autoComplete="off" {...form.field("name")} />
              <Select
                label={t("phone.country")}
                description={t("phone.countryText")}
                searchable
                limit={50}
                data={countries(language)}
                {...form.choice("country")}
              />
              <Button type="submit" loading={form.sending}>
                {t("phone.create")}
              </Button>
              <ApiHint route="phoneSystemCreate" args={{ project: project.id, ...form.values }} />
            </Stack>
          </form>
        )}
      </Section>
    </>
  );
}
