import { Skeleton, TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import type { TemplateCategory } from "../../../services/apps/catalogue/contract.ts";
import { useApi, useApiList } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useOrganisation, useProject } from "../../frame/identity.ts";
import { useLanguage, useT } from "../../i18n/i18n.ts";
import { ErrorPage } from "../../ui/ErrorPage.tsx";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { AppEngineNotice } from "../apps/AppEngineNotice.tsx";
import css from "./catalogue.module.css";
import { TemplateIcon } from "./TemplateIcon.tsx";

/** What can be installed, by words and kinds; both stand in the address. */
export default function CataloguePage() {
  const t = useT();
  const language = useLanguage();
  const navigate = useNavigate();
  const organisation = useOrganisation();
  const project = useProject();
  const { q = "", category } = useSearch({ strict: false }) as { q?: string; category?: string };
  const here = projectAddress(organisation.slug, project.slug, "catalogue");
  const query = useApi("templateList", { project: project.id, limit: 500 }, { staleTime: 300_000 });
  const installations = useApiList("installationList", { project: project.id }, { limit: 500 }).rows;
  if (query.error && !query.data) return <ErrorPage error={query.error} reset={() => void query.refetch()} />;
  const all = query.data?.items;
  const words = q.trim().toLowerCase();
  const shown = all?.filter(
    ({ name, description, category: own }) =>
      (category === undefined || own === category) &&
      (words === "" || [name, ...Object.values(description)].some((text) => text.toLowerCase().includes(words))),
  );
  const categories = [...new Set(all?.map(({ category: own }) => own))] as TemplateCategory[];
  const show = (change: { q?: string | undefined; category?: string | undefined }) =>
    void navigate({ to: here, search: { q: q || undefined, category, ...change } as never, replace: true });
  return (
    <>
      <PageHeader title={t("frame.nav.catalogue")} text={t("catalogue.text")} />
      <AppEngineNotice />
      <div className={css.filters}>
        <TextInput
          aria-label={t("catalogue.search")}
          placeholder={t("catalogue.search")}
          leftSection={<IconSearch size={16} aria-hidden />}
          w={{ base: "100%", sm: 280 }}
          value={q}
          onChange={(event) => show({ q: event.currentTarget.value || undefined })}
        />
        <div className={css.categories}>
          {[undefined, ...categories].map((one) => (
            <button
              type="button"
              key={one ?? ""}
              className={css.category}
              aria-pressed={category === one}
              onClick={() => show({ category: one })}
            >
              {one === undefined ? t("catalogue.all") : t(`catalogue.category.${one}`)}
            </button>
          ))}
        </div>
      </div>
      <ul className={css.cards}>
        {shown === undefined
          ? Array.from({ length: 9 }, (_, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: they are all the same
              <li key={index}>
                <Skeleton height={104} radius={8} />
              </li>
            ))
          : shown.map(({ id, name, description, icon, builtHere }) => (
              <li key={id} className={css.card}>
                <TemplateIcon icon={icon} />
                <div className={css.words}>
                  <h2>
                    <Link to={`${here}/${id}`}>{name}</Link>
                  </h2>
                  <p>{description[language]}</p>
                  {(builtHere || installations?.some(({ template }) => template.id === id)) && (
                    <div className={css.marks}>
                      {installations?.some(({ template }) => template.id === id) && (
                        <StatusBadge tone="good">{t("catalogue.installed")}</StatusBadge>
                      )}
                      {builtHere && <span>{t("catalogue.builtHere")}</span>}
                    </div>
                  )}
                </div>
              </li>
            ))}
      </ul>
      {shown?.length === 0 && <p className={css.none}>{t("catalogue.search.none")}</p>}
    </>
  );
}
