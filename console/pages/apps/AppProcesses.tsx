import { ActionIcon, Button, Group, Loader, NumberInput, Stack, Switch } from "@mantine/core";
import { IconAdjustments, IconFileText, IconMinus, IconPlus, IconTerminal2 } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import type { App } from "../../../services/apps/deploying/contract.ts";
import type { AppContainer, AppProcess } from "../../../services/apps/running/contract.ts";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { useForm } from "../../ui/form.ts";
import { DataList } from "../../ui/list/DataList.tsx";
import { Section } from "../../ui/Section.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { toastError } from "../../ui/toast.ts";
import type { AppTabProps } from "./AppPage.tsx";
import css from "./apps.module.css";
import { containerTones, whyNot } from "./words.ts";

const mebibyte = 1024 ** 2;
const settleMs = 700;
const most = 100;

/** How many of each process are wanted and how large, and the containers that came of it. */
export default function AppProcesses({ app, here, may }: AppTabProps) {
  const t = useT();
  const processes = useApiList("processList", { app: app.id });
  const [sizing, setSizing] = useState<AppProcess>();
  if (processes.rows?.length === 0)
    return <EmptyState picture="server" title={t("apps.processes.empty")} text={t("apps.processes.emptyText")} />;
  return (
    <>
      <Section title={t("apps.tab.processes")} text={t("apps.processes.text")} flush>
        <ul className={css.processes}>
          {processes.rows?.map((process) => (
            <Process key={process.name} app={app} process={process} may={may} onSize={() => setSizing(process)} />
          ))}
        </ul>
      </Section>
      <Containers app={app} here={here} may={may} />
      {sizing && <Size app={app} process={sizing} onClose={() => setSizing(undefined)} />}
    </>
  );
}

const refresh = () => invalidate(queries, ["processList", "containerList", "appGet", "appList"]);

function Process(props: { app: App; process: AppProcess; may: boolean; onSize: () => void }) {
  const t = useT();
  const format = useFormat();
  const { app, process, may } = props;
  const [wanted, setWanted] = useState(process.count);
  const [working, setWorking] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  // What others change is shown, unless it is being changed right here.
  useEffect(() => {
    if (timer.current === undefined && !working) setWanted(process.count);
  }, [process.count, working]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const reason = whyNot(app, "scale", may);
  const { autoscale } = process;
  const change = (count: number) => {
    setWanted(count);
    clearTimeout(timer.current);
    // Three clicks are one change.
    timer.current = setTimeout(() => {
      timer.current = undefined;
      setWorking(true);
      callApi("processScale", { app: app.id, process: process.name, count })
        .then(refresh)
        .catch((error: unknown) => {
          setWanted(process.count);
          toastError(error);
        })
        .finally(() => setWorking(false));
    }, settleMs);
  };
  const cannot = reason !== undefined || autoscale !== undefined;
  return (
    <li className={css.process}>
      <div className={css.processName}>
        <b>{process.name}</b>
        <code>{process.command ?? t("apps.processes.imageCommand")}</code>
        <small>
          {t("apps.processes.size", { memory: format.memory(process.memoryBytes), cpus: format.number(process.cpus) })}
          {autoscale &&
            ` · ${t("apps.processes.auto", {
              minimum: format.number(autoscale.minimum),
              maximum: format.number(autoscale.maximum),
              percent: format.percent(autoscale.cpuPercent / 100),
            })}`}
        </small>
      </div>
      <StatusBadge
        tone={process.count === 0 ? "off" : process.running >= process.count ? "good" : process.running > 0 ? "warn" : "bad"}
      >
        {t("apps.runningOf", { running: format.number(process.running), wanted: format.number(process.count) })}
      </StatusBadge>
      <fieldset className={css.stepper} aria-label={t("apps.processes.count", { name: process.name })} title={reason}>
        <ActionIcon
          variant="default"
          size={36}
          aria-label={t("apps.processes.less", { name: process.name })}
          disabled={cannot || wanted <= 0}
          onClick={() => change(wanted - 1)}
        >
          <IconMinus size={16} />
        </ActionIcon>
        <output aria-live="polite">{working ? <Loader size={14} /> : format.number(wanted)}</output>
        <ActionIcon
          variant="default"
          size={36}
          aria-label={t("apps.processes.more", { name: process.name })}
          disabled={cannot || wanted >= most}
          onClick={() => change(wanted + 1)}
        >
          <IconPlus size={16} />
        </ActionIcon>
      </fieldset>
      <Button
        variant="default"
        leftSection={<IconAdjustments size={16} aria-hidden />}
        disabled={reason !== undefined}
        title={reason}
        onClick={props.onSize}
      >
        {t("apps.processes.change")}
      </Button>
    </li>
  );
}

function Size({ app, process, onClose }: { app: App; process: AppProcess; onClose: () => void }) {
  const t = useT();
  const form = useForm({
    initial: {
      memory: Math.round(process.memoryBytes / mebibyte),
      cpus: process.cpus,
      auto: process.autoscale !== undefined,
      minimum: process.autoscale?.minimum ?? Math.max(process.count, 1),
      maximum: process.autoscale?.maximum ?? Math.max(process.count * 3, 3),
      cpuPercent: process.autoscale?.cpuPercent ?? 70,
      count: process.count,
    },
    checks: {
      maximum: (maximum, all) =>
        (all as { auto: boolean; minimum: number }).auto && maximum < (all as { minimum: number }).minimum
          ? t("apps.processes.maximumRules")
          : undefined,
    },
    submit: async () => {
      await callApi("processScale", { app: app.id, process: process.name, ...request } as never);
      await refresh();
      onClose();
    },
  });
  const { values } = form;
  const restarts = values.memory * mebibyte !== process.memoryBytes || values.cpus !== process.cpus;
  const request = {
    ...(restarts ? { memoryBytes: values.memory * mebibyte, cpus: values.cpus } : {}),
    ...(values.auto
      ? { autoscale: { minimum: values.minimum, maximum: values.maximum, cpuPercent: values.cpuPercent } }
      : { ...(process.autoscale ? { autoscale: null } : {}), count: values.count }),
  };
  const number = (name: "memory" | "cpus" | "minimum" | "maximum" | "cpuPercent" | "count") => ({
    value: values[name],
    error: form.field(name as never).error,
    onChange: (value: string | number) => form.set(name, Number(value)),
  });
  return (
    <FormDialog
      opened
      onClose={onClose}
      size="lg"
      title={t("apps.processes.changeTitle", { name: process.name })}
      text={t(restarts ? "apps.processes.restarts" : "apps.processes.noRestart")}
      form={form}
      action={t("ui.save")}
      hint={<ApiHint route="processScale" args={{ app: app.id, process: process.name, ...request }} />}
    >
      <Group grow align="flex-start">
        <NumberInput
          label={t("apps.processes.memory")}
          description={t("apps.processes.memoryText")}
          min={32}
          max={1024 ** 2}
          step={64}
          allowDecimal={false}
          {...number("memory")}
        />
        <NumberInput
          label={t("apps.processes.cpus")}
          description={t("apps.processes.cpusText")}
          min={0.05}
          max={256}
          step={0.25}
          decimalScale={2}
          {...number("cpus")}
        />
      </Group>
      <Switch
        label={t("apps.processes.autoscale")}
        description={t("apps.processes.autoscaleText")}
        checked={values.auto}
        onChange={(event) => form.set("auto", event.currentTarget.checked)}
      />
      {values.auto ? (
        <Group grow align="flex-start">
          <NumberInput label={t("apps.processes.minimum")} min={1} max={most} allowDecimal={false} {...number("minimum")} />
          <NumberInput label={t("apps.processes.maximum")} min={1} max={most} allowDecimal={false} {...number("maximum")} />
          <NumberInput
            label={t("apps.processes.target")}
            suffix=" %"
            min={10}
            max={95}
            allowDecimal={false}
            {...number("cpuPercent")}
          />
        </Group>
      ) : (
        <NumberInput
          label={t("apps.processes.containers")}
          min={0}
          max={most}
          allowDecimal={false}
          maw={200}
          {...number("count")}
        />
      )}
    </FormDialog>
  );
}

function Containers({ app, here, may }: AppTabProps) {
  const t = useT();
  const format = useFormat();
  const navigate = useNavigate();
  const containers = useApiList("containerList", { app: app.id });
  // Samples are no events: figures are asked for again while one looks at them.
  const { refetch } = containers.query;
  useEffect(() => {
    const timer = setInterval(() => void refetch(), 10_000);
    return () => clearInterval(timer);
  }, [refetch]);
  return (
    <Section title={t("apps.containers")} text={t("apps.containers.text")} flush>
      <DataList
        id="containers"
        label={t("apps.containers")}
        list={containers}
        rowKey={({ name, releaseNumber }) => `${name} ${releaseNumber}`}
        rowName={({ name }) => name}
        columns={[
          { key: "name", header: t("ui.name"), primary: true, cell: ({ name }) => name },
          {
            key: "state",
            header: t("apps.state"),
            phone: "bare",
            width: "minmax(120px, 160px)",
            cell: ({ state, stateReason, exitCode }) => (
              <span title={stateReason ?? (exitCode === undefined ? undefined : t("apps.containers.exit", { code: exitCode }))}>
                <StatusBadge tone={containerTones[state]}>{t(`apps.containerState.${state}`)}</StatusBadge>
              </span>
            ),
          },
          {
            key: "release",
            header: t("apps.release"),
            align: "right",
            width: "88px",
            cell: ({ releaseNumber }) => releaseNumber,
          },
          {
            key: "cpu",
            header: t("apps.containers.cpu"),
            align: "right",
            cell: ({ cpuPercent }) => (cpuPercent === undefined ? null : format.percent(cpuPercent / 100)),
          },
          {
            key: "memory",
            header: t("apps.containers.memory"),
            align: "right",
            width: "minmax(148px, 1fr)",
            cell: ({ memoryBytes, memoryLimitBytes }) =>
              memoryBytes === undefined ? null : `${format.memory(memoryBytes)} / ${format.memory(memoryLimitBytes)}`,
          },
          {
            key: "restarts",
            header: t("apps.containers.restarts"),
            align: "right",
            width: "104px",
            cell: ({ restarts }) => format.number(restarts),
          },
          { key: "started", header: t("apps.containers.started"), cell: ({ startedAt }) => <TimeAgo at={startedAt} /> },
        ]}
        rowActions={(container: AppContainer) => [
          {
            label: t("apps.tab.logs"),
            icon: IconFileText,
            onClick: () => void navigate({ to: `${here}/logs`, search: { process: container.process } as never }),
          },
          {
            label: t("apps.tab.terminal"),
            icon: IconTerminal2,
            disabledReason: whyNot(app, "terminal", may),
            onClick: () => void navigate({ to: `${here}/terminal`, search: { container: container.name } as never }),
          },
        ]}
        empty={
          <Stack p="lg">
            <p className={css.note}>{t("apps.containers.empty")}</p>
          </Stack>
        }
      />
    </Section>
  );
}
