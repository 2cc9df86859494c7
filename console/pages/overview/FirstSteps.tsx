import { Button } from "@mantine/core";
import { IconCheck } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Item } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useCloud, useOrganisation, useProject } from "../../frame/identity.ts";
import { useT } from "../../i18n/i18n.ts";
import { CopyField } from "../../ui/CopyField.tsx";
import { Section } from "../../ui/Section.tsx";
import css from "./Overview.module.css";

/** From an empty project to the first stored file, by hand or with aws. */
export function FirstSteps({ buckets, keys }: { buckets: Item<"bucketList">[]; keys: Item<"accessKeyList">[] }) {
  const t = useT();
  const organisation = useOrganisation();
  const project = useProject();
  const cloud = useCloud();
  const endpoint = cloud?.s3.endpoint ?? "";
  const bucket = buckets[0]?.name ?? "photos";
  const to = (path: string) => projectAddress(organisation.slug, project.slug, path);
  const aws = `aws --endpoint-url ${endpoint}`;
  return (
    <Section title={t("overview.firstSteps")} text={t("overview.firstStepsText")}>
      <ol className={css.steps}>
        <Step number={1} done={buckets.length > 0} title={t("overview.stepBucket")} text={t("overview.stepBucketText")}>
          {buckets.length === 0 && (
            <Button component={Link} to={to("buckets")} search={{ create: "1" } as never} size="xs">
              {t("overview.createBucket")}
            </Button>
          )}
        </Step>
        <Step number={2} done={keys.length > 0} title={t("overview.stepKey")} text={t("overview.stepKeyText")}>
          {keys.length === 0 && (
            <Button component={Link} to={to("access-keys")} search={{ create: "1" } as never} size="xs" variant="default">
              {t("overview.createKey")}
            </Button>
          )}
        </Step>
        <Step
          number={3}
          done={buckets.some(({ objects }) => objects > 0)}
          title={t("overview.stepFile")}
          text={t("overview.stepFileText")}
        >
          <CopyField
            multiline
            value={[`${aws} s3 mb s3://${bucket}`, `${aws} s3 cp picture.jpg s3://${bucket}/`, `${aws} s3 ls s3://${bucket}`]
              .slice(buckets.length > 0 ? 1 : 0)
              .join("\n")}
          />
        </Step>
      </ol>
    </Section>
  );
}

function Step(props: { number: number; done: boolean; title: string; text: string; children: ReactNode }) {
  const t = useT();
  return (
    <li className={css.step}>
      <span className={css.mark} data-done={props.done || undefined}>
        {props.done ? <IconCheck size={16} aria-label={t("overview.stepDone")} /> : props.number}
      </span>
      <h3 className={css.stepTitle}>{props.title}</h3>
      <p className={css.stepText}>{props.text}</p>
      {props.children}
    </li>
  );
}
