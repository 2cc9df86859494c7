import { Alert, Button, Progress } from "@mantine/core";
import { IconAlertTriangle, IconArrowBackUp, IconCheck, IconCircle, IconExternalLink, IconLoader2 } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Installation, TemplateView } from "../../../services/apps/catalogue/contract.ts";
import type { Operation } from "../../../services/operations/contract.ts";
import { useApi } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useOrganisation, useProject } from "../../frame/identity.ts";
import { useLanguage, useT } from "../../i18n/i18n.ts";
import { ErrorPage } from "../../ui/ErrorPage.tsx";
import { FailureText } from "../../ui/FailureText.tsx";
import { PageSkeleton } from "../../ui/PageSkeleton.tsx";
import { Section } from "../../ui/Section.tsx";
import { over, stepTitle } from "../operations/words.ts";
import css from "./catalogue.module.css";

const icons: Record<Operation["steps"][number]["state"], ReactNode> = {
  pending: <IconCircle size={18} stroke={1.6} aria-hidden />,
  running: <IconLoader2 size={18} stroke={1.8} className={css.turning} aria-hidden />,
  done: <IconCheck size={18} stroke={2} aria-hidden />,
  failed: <IconAlertTriangle size={18} stroke={1.8} aria-hidden />,
  undone: <IconArrowBackUp size={18} stroke={1.8} aria-hidden />,
};

/** How far an installation is, why it failed, or what to do first. */
export function InstallProgress(props: { template: TemplateView; operationId: string; onAgain: () => void }) {
  const { template, operationId } = props;
  const t = useT();
  const query = useApi("operationGet", { operation: operationId as never });
  const operation = query.data;
  if (query.error && !operation) return <ErrorPage error={query.error} reset={() => void query.refetch()} />;
  if (!operation) return <PageSkeleton />;
  if (operation.state === "succeeded" && operation.resource)
    return <Done installationId={operation.resource.id} template={template} />;
  const isOver = over(operation.state);
  return (
    <Section title={t(isOver ? "catalogue.progress.failed" : "catalogue.progress.title", { name: template.name })}>
      {isOver ? (
        <Alert color="red" mb="md" title={t("catalogue.progress.failedText")}>
          {operation.error && <FailureText failure={operation.error} />}
        </Alert>
      ) : (
        <Progress
          value={operation.progress * 100}
          animated={operation.state === "running"}
          mb="md"
          aria-label={t("catalogue.progress.title", { name: template.name })}
        />
      )}
      <ol className={css.steps} aria-live="polite">
        {operation.steps.map(({ name, state }) => (
          <li key={name} data-state={state}>
            {icons[state]}
            {stepTitle(operation.kind, name)}
          </li>
        ))}
      </ol>
      {isOver && <Button onClick={props.onAgain}>{t("catalogue.progress.again")}</Button>}
    </Section>
  );
}

function Done({ installationId, template }: { installationId: string; template: TemplateView }) {
  const t = useT();
  const organisation = useOrganisation();
  const project = useProject();
  const query = useApi("installationGet", { installation: installationId as never });
  const apps = projectAddress(organisation.slug, project.slug, "apps");
  if (query.error && !query.data) return <ErrorPage error={query.error} reset={() => void query.refetch()} />;
  if (!query.data) return <PageSkeleton />;
  return (
    <Section title={t("catalogue.progress.done", { name: template.name })}>
      <FirstSteps steps={query.data.firstSteps} />
      <div className={css.buttons} style={{ marginTop: 16 }}>
        <Button
          component="a"
          href={query.data.url}
          target="_blank"
          rel="noreferrer"
          leftSection={<IconExternalLink size={16} aria-hidden />}
        >
          {t("catalogue.open", { name: template.name })}
        </Button>
        <Button component={Link} variant="default" to={`${apps}/${query.data.appId}`}>
          {t("catalogue.toApp")}
        </Button>
      </div>
    </Section>
  );
}

export function FirstSteps({ steps }: { steps: Installation["firstSteps"] }) {
  const language = useLanguage();
  return (
    <ol className={css.list}>
      {steps.map((step) => (
        <li key={step.en}>{step[language]}</li>
      ))}
    </ol>
  );
}
