import { Alert, Anchor, Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { lazy, Suspense, useState } from "react";
import type { Installation } from "../../../services/apps/catalogue/contract.ts";
import type { App } from "../../../services/apps/deploying/contract.ts";
import { useApiList } from "../../api/api.ts";
import { organisationAddress, projectAddress } from "../../frame/address.ts";
import { useFailedOperation } from "../../frame/failureOf.ts";
import { useOrganisation, useProject } from "../../frame/identity.ts";
import { useLanguage, useT } from "../../i18n/i18n.ts";
import { FailureText } from "../../ui/FailureText.tsx";
import { Section } from "../../ui/Section.tsx";
import css from "./catalogue.module.css";
import { FirstSteps } from "./InstallProgress.tsx";
import { TemplateIcon } from "./TemplateIcon.tsx";

const InstalledUpdate = lazy(() => import("./InstalledUpdate.tsx"));
const InstalledRemove = lazy(() => import("./InstalledRemove.tsx"));

/** On the page of an app that came from the catalogue: from what, what is newer, what to do first. Of others nothing. */
export function Installed({ app, may }: { app: App; may: boolean }) {
  const t = useT();
  const project = useProject();
  const installation = useApiList("installationList", { project: project.id, app: app.id }, { limit: 1 }).rows?.[0];
  const [asking, setAsking] = useState<"update" | "remove">();
  if (!installation) return null;
  return (
    <Section title={t("catalogue.from")}>
      <div className={css.installed}>
        <Head installation={installation} />
        <State installation={installation} />
        {may && installation.state === "installed" && (
          <div className={css.buttons}>
            {installation.update && (
              <Button onClick={() => setAsking("update")}>
                {t("catalogue.update", { version: installation.update.version })}
              </Button>
            )}
            <Button variant="default" onClick={() => setAsking("remove")}>
              {t("catalogue.remove")}
            </Button>
          </div>
        )}
        {installation.firstSteps.length > 0 && (
          <details>
            <summary>{t("catalogue.firstSteps")}</summary>
            <div style={{ marginTop: 8 }}>
              <FirstSteps steps={installation.firstSteps} />
            </div>
          </details>
        )}
      </div>
      <Suspense>
        {asking === "update" && installation.update && (
          <InstalledUpdate
            installation={installation}
            version={installation.update.version}
            onClose={() => setAsking(undefined)}
          />
        )}
        {asking === "remove" && <InstalledRemove installation={installation} app={app} onClose={() => setAsking(undefined)} />}
      </Suspense>
    </Section>
  );
}

function Head({ installation }: { installation: Installation }) {
  const t = useT();
  const organisation = useOrganisation();
  const project = useProject();
  const { template, version, database } = installation;
  const line = t("catalogue.from.template", { name: template.name, version });
  const catalogue = projectAddress(organisation.slug, project.slug, "catalogue");
  const databases = projectAddress(organisation.slug, project.slug, "databases");
  return (
    <div className={css.installedHead}>
      <TemplateIcon icon={template.icon} />
      <div>
        {template.isListed ? (
          <Anchor component={Link} to={`${catalogue}/${template.id}`} size="sm">
            {line}
          </Anchor>
        ) : (
          line
        )}
        {!template.isListed && <small>{t("catalogue.from.gone")}</small>}
        {database && (
          <small>
            {t("catalogue.from.database")}{" "}
            <Anchor component={Link} to={`${databases}/${database.id}`} size="sm">
              {database.name}
            </Anchor>
          </small>
        )}
      </div>
    </div>
  );
}

function State({ installation }: { installation: Installation }) {
  const t = useT();
  const language = useLanguage();
  const organisation = useOrganisation();
  const { state, stateReason, operationId, update } = installation;
  const failed = useFailedOperation(installation.id, stateReason);
  if (state !== "installed")
    return (
      <p className={css.note} role="status">
        {t(state === "updating" ? "catalogue.updating" : state === "removing" ? "catalogue.removing" : "catalogue.installing")}{" "}
        {operationId && (
          <Anchor component={Link} to={organisationAddress(organisation.slug, `operations/${operationId}`)} size="sm">
            {t("catalogue.follow")}
          </Anchor>
        )}
      </p>
    );
  return (
    <>
      {stateReason && (
        <Alert color="red">
          <FailureText failure={failed?.error ?? { code: "", message: stateReason }} />
        </Alert>
      )}
      {update && (
        <Alert color="blue" title={t("catalogue.update.available", { version: update.version })}>
          {update.notes?.[language]}
        </Alert>
      )}
    </>
  );
}
