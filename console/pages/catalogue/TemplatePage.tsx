import { Anchor } from "@mantine/core";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import type { TemplateView } from "../../../services/apps/catalogue/contract.ts";
import { useApi } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useCan, useOrganisation, useProject } from "../../frame/identity.ts";
import { useFormat } from "../../i18n/format.ts";
import { useLanguage, useT } from "../../i18n/i18n.ts";
import { ErrorPage } from "../../ui/ErrorPage.tsx";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { PageSkeleton } from "../../ui/PageSkeleton.tsx";
import { Facts, Section } from "../../ui/Section.tsx";
import { AppEngineNotice } from "../apps/AppEngineNotice.tsx";
import css from "./catalogue.module.css";
import { InstallForm } from "./InstallForm.tsx";
import { InstallProgress } from "./InstallProgress.tsx";
import { TemplateIcon } from "./TemplateIcon.tsx";

/** What a template is, and its installation: the form, how far it is, what to do first. */
export default function TemplatePage() {
  const t = useT();
  const language = useLanguage();
  const navigate = useNavigate();
  const organisation = useOrganisation();
  const project = useProject();
  const may = useCan()("editor");
  const { template: id } = useParams({ strict: false }) as { template: string };
  // An installation under way stands in the address: one can leave and come back.
  const { operation } = useSearch({ strict: false }) as { operation?: string };
  const home = projectAddress(organisation.slug, project.slug, "catalogue");
  const query = useApi("templateGet", { template: id, project: project.id }, { staleTime: 300_000 });
  if (query.error && !query.data) return <ErrorPage error={query.error} reset={() => void query.refetch()} />;
  const template = query.data;
  if (!template) return <PageSkeleton />;
  const follow = (operationId: string | undefined) =>
    void navigate({ to: `${home}/${id}`, search: { operation: operationId } as never });
  return (
    <>
      <PageHeader
        title={
          <span className={css.title}>
            <TemplateIcon icon={template.icon} large />
            {template.name}
          </span>
        }
        text={template.description[language]}
        back={{ to: home, label: t("frame.nav.catalogue") }}
      />
      <AppEngineNotice />
      <div className={css.columns}>
        <div>
          {operation === undefined ? (
            <InstallForm template={template} may={may} onBegun={follow} />
          ) : (
            <InstallProgress key={operation} template={template} operationId={operation} onAgain={() => follow(undefined)} />
          )}
        </div>
        <About template={template} />
      </div>
    </>
  );
}

function About({ template }: { template: TemplateView }) {
  const t = useT();
  const format = useFormat();
  const language = useLanguage();
  const link = (address: string) => (
    <Anchor href={address} target="_blank" rel="noreferrer" size="sm" style={{ overflowWrap: "anywhere" }}>
      {new URL(address).hostname}
    </Anchor>
  );
  const keeps = [
    ...template.disks.map(({ text, path }) => t("catalogue.data.disk", { text: text[language], path })),
    ...(template.hasDatabase ? [t("catalogue.data.database")] : []),
  ];
  const facts: Parameters<typeof Facts>[0]["items"] = [
    [t("catalogue.version"), template.version],
    [t("catalogue.licence"), template.licence],
    ...(template.homepage ? [[t("catalogue.website"), link(template.homepage)] as [string, React.ReactNode]] : []),
    ...(template.documentation
      ? [[t("catalogue.documentation"), link(template.documentation)] as [string, React.ReactNode]]
      : []),
    [t("catalogue.memory"), format.memory(template.memoryBytes)],
    ...(template.image ? [[t("catalogue.image"), <code key="image">{template.image}</code>] as [string, React.ReactNode]] : []),
    ...(template.capabilities.length > 0 ? [[t("catalogue.rights"), template.capabilities.join(", ")] as [string, string]] : []),
  ];
  return (
    <div>
      <Section title={t("catalogue.about")}>
        <Facts items={facts} />
        {template.image && <p className={`${css.note} ${css.below}`}>{t("catalogue.fetched")}</p>}
      </Section>
      <Section title={t("catalogue.data")}>
        {keeps.length === 0 ? (
          <p className={css.note}>{t("catalogue.data.none")}</p>
        ) : (
          <ul className={css.list}>
            {keeps.map((text) => (
              <li key={text}>{text}</li>
            ))}
          </ul>
        )}
      </Section>
    </div>
  );
}
