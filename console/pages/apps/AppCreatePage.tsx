import { Button, TextInput } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useRef, useState } from "react";
import { callApi, invalidate, useApi } from "../../api/api.ts";
import { errorText, fieldProblems } from "../../api/errors.ts";
import { projectAddress } from "../../frame/address.ts";
import { useOrganisation, useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { slugCheck } from "../../ui/form.ts";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { Section } from "../../ui/Section.tsx";
import { slugOf } from "../../ui/slugOf.ts";
import { AppEngineNotice, useWhyNotDeploy } from "./AppEngineNotice.tsx";
import css from "./apps.module.css";
import { DeployForm } from "./DeployForm.tsx";

/** A name and something to run: the app is made, and the first deployment begins. */
export default function AppCreatePage() {
  const t = useT();
  const navigate = useNavigate();
  const organisation = useOrganisation();
  const project = useProject();
  const engine = useApi("appEngineGet", {}, { staleTime: 30_000 }).data;
  const reason = useWhyNotDeploy(undefined, true);
  const [name, setName] = useState("");
  const [problem, setProblem] = useState<string>();
  const [creating, setCreating] = useState(false);
  // Made by a try whose sending failed: the next one goes to it.
  const made = useRef<{ id: string; name: string }>(null);
  const input = useRef<HTMLInputElement>(null);
  const home = projectAddress(organisation.slug, project.slug, "apps");

  const create = async (): Promise<string | undefined> => {
    if (made.current?.name === name) return made.current.id;
    const wrong = slugCheck(name, undefined as never);
    if (wrong) {
      setProblem(wrong);
      input.current?.focus();
      return undefined;
    }
    try {
      const { id } = await callApi("appCreate", { project: project.id, name });
      made.current = { id, name };
      await invalidate(queries, ["appList"]);
      return id;
    } catch (error) {
      setProblem(fieldProblems(error)["name"] ?? errorText(error));
      input.current?.focus();
      return undefined;
    }
  };
  const createEmpty = async () => {
    setCreating(true);
    const id = await create();
    setCreating(false);
    if (id) await navigate({ to: `${home}/${id}` });
  };
  return (
    <>
      <PageHeader title={t("frame.nav.newApp")} text={t("apps.create.text")} back={{ to: home, label: t("frame.nav.apps") }} />
      <AppEngineNotice />
      <div className={css.create}>
        <Section title={t("ui.name")}>
          <TextInput
            ref={input}
            aria-label={t("ui.name")}
            description={t("apps.create.nameText", {
              address: `${name || "my-app"}.${project.slug}.${engine?.appsDomain ?? "localhost"}`,
            })}
            inputWrapperOrder={["input", "error", "description"]}
            placeholder="my-app"
            maw={420}
            autoFocus
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            value={name}
            error={problem}
            onChange={(event) => {
              setName(event.currentTarget.value);
              setProblem(undefined);
            }}
          />
        </Section>
        <Section title={t("apps.create.what")} text={t("apps.create.whatText")}>
          <DeployForm
            appName={name || undefined}
            isNew
            prepare={create}
            // Who has no name yet gets that of the folder.
            onSource={(source) => setName((now) => now || suggested(source))}
            onDeployed={(app, deployment) =>
              void navigate({ to: deployment ? `${home}/${app}/deployments/${deployment}` : `${home}/${app}` })
            }
            action={t("apps.create.deploy")}
            disabledReason={reason}
            beside={
              <Button variant="default" loading={creating} onClick={() => void createEmpty()}>
                {t("apps.create.empty")}
              </Button>
            }
          />
        </Section>
        <ApiHint route="appCreate" args={{ project: project.id, name }} />
      </div>
    </>
  );
}

/** A name that can be one, of the name of a folder or an archive. */
function suggested(source: string): string {
  const slug = slugOf(source.replace(/\.(zip|tgz|tzst|html?|(tar(\.\w+)?))$/i, ""));
  return slug.length >= 3 ? slug : "";
}
