import { Alert, Skeleton } from "@mantine/core";
import { IconRocket, IconTrash } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { ImageTag } from "../../../services/apps/registry/contract.ts";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { errorText } from "../../api/errors.ts";
import { useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { CopyButton, CopyField } from "../../ui/CopyField.tsx";
import { RowMenu } from "../../ui/list/ListRow.tsx";
import { Section } from "../../ui/Section.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { toastError } from "../../ui/toast.ts";
import { useWhyNotDeploy } from "./AppEngineNotice.tsx";
import type { AppTabProps } from "./AppPage.tsx";
import css from "./apps.module.css";
import { deploymentOf } from "./words.ts";

/** What was pushed to the app's repository in the cloud's registry, ready to be deployed. */
export default function AppImages({ app, here, may }: AppTabProps) {
  const t = useT();
  const format = useFormat();
  const navigate = useNavigate();
  const project = useProject();
  const tags = useApiList("imageTagList", { app: app.id });
  const reason = useWhyNotDeploy(app, may);
  const [removing, setRemoving] = useState<ImageTag>();
  const repository = `${location.host}/${project.slug}/${app.name}`;
  const deploy = (tag: ImageTag) =>
    callApi("appDeployImage", { app: app.id, image: `${app.id}:${tag.name}` })
      .then((operation) => {
        const deployment = deploymentOf(operation);
        return navigate({ to: deployment ? `${here}/deployments/${deployment}` : `${here}/deployments` });
      })
      .catch(toastError);
  if (tags.error && tags.rows === undefined)
    return (
      <Alert color="red" role="alert" title={t("ui.errorTitle")}>
        {errorText(tags.error)}
      </Alert>
    );
  if (tags.rows === undefined) return <Skeleton height={240} />;
  return (
    <>
      {tags.rows.length > 0 && (
        <Section title={t("apps.tab.images")} text={t("apps.images.text")} flush>
          <ul className={css.domains}>
            {tags.rows.map((tag) => (
              <li key={tag.name} className={css.domain}>
                <div className={css.domainHead}>
                  <div className={css.domainName}>
                    <span className={css.addressLine}>
                      <code>{tag.name}</code> <CopyButton value={tag.reference} label={t("apps.images.copy")} />
                    </span>
                    <small>
                      <code>{tag.digest.slice(0, 19)}</code> · {format.bytes(tag.sizeBytes)} · {t("apps.previews.pushed")}{" "}
                      <TimeAgo at={tag.pushedAt} />
                    </small>
                  </div>
                  {may && (
                    <div className={css.domainMenu}>
                      <RowMenu
                        name={tag.name}
                        actions={[
                          {
                            label: t("deploy.action"),
                            icon: IconRocket,
                            disabledReason: reason,
                            onClick: () => void deploy(tag),
                          },
                          { label: t("ui.delete"), icon: IconTrash, danger: true, onClick: () => setRemoving(tag) },
                        ]}
                      />
                    </div>
                  )}
                </div>
              </li>
            ))}
          </ul>
        </Section>
      )}
      <Section title={t(tags.rows.length === 0 ? "apps.images.empty" : "apps.images.push")} text={t("apps.images.pushText")}>
        <CopyField
          multiline
          value={`docker login ${location.host}\ndocker tag my-image ${repository}:1.0\ndocker push ${repository}:1.0`}
        />
      </Section>
      {removing && (
        <ConfirmDestroy
          opened
          onClose={() => setRemoving(undefined)}
          title={t("apps.images.deleteTitle", { tag: removing.name })}
          destroyed={[t("apps.images.deleteText")]}
          kept={[t("apps.images.deleteKept")]}
          action={t("ui.delete")}
          onConfirm={async () => {
            await callApi("imageTagDelete", { app: app.id, tag: removing.name });
            await invalidate(queries, ["imageTagList"]);
          }}
        />
      )}
    </>
  );
}
