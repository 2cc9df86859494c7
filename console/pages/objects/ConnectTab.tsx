import { Button, Tabs, Text } from "@mantine/core";
import { IconKey } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { Bucket } from "../../../services/objects/contract.ts";
import { projectAddress } from "../../frame/address.ts";
import { useCloud, useOrganisation, useProject } from "../../frame/identity.ts";
import { useT } from "../../i18n/i18n.ts";
import { CopyField } from "../../ui/CopyField.tsx";
import { snippets } from "./snippets.ts";
import css from "./tabs.module.css";

/** How any S3 program reaches this bucket, ready to paste. */
export function ConnectTab({ bucket }: { bucket: Bucket }) {
  const t = useT();
  const cloud = useCloud();
  const organisation = useOrganisation();
  const project = useProject();
  if (!cloud) return null;
  const { endpoint, region } = cloud.s3;
  const list = snippets({
    endpoint,
    region,
    bucket: bucket.name,
    accessKeyId: "YOUR_ACCESS_KEY_ID",
    secretAccessKey: "YOUR_SECRET_ACCESS_KEY",
  });
  return (
    <div className={css.columns}>
      <section className={css.panel} aria-labelledby="connect-address">
        <h2 id="connect-address">{t("objects.connect.address")}</h2>
        <p>{t("objects.connect.addressText")}</p>
        <div className={css.fields}>
          <CopyField label={t("objects.connect.endpoint")} value={endpoint} />
          <CopyField label={t("objects.connect.region")} value={region} />
          <CopyField label={t("objects.connect.bucket")} value={bucket.name} />
        </div>
        <h2>{t("objects.connect.key")}</h2>
        <p>{t("objects.connect.keyText")}</p>
        <Button
          component={Link}
          to={projectAddress(organisation.slug, project.slug, "access-keys")}
          variant="default"
          leftSection={<IconKey size={16} aria-hidden />}
        >
          {t("objects.connect.makeKey")}
        </Button>
      </section>
      <section className={css.panel} aria-labelledby="connect-programs">
        <h2 id="connect-programs">{t("objects.connect.programs")}</h2>
        <p>{t("objects.connect.programsText")}</p>
        <Tabs defaultValue="aws" variant="pills" keepMounted={false}>
          <Tabs.List mb="md">
            {list.map(({ id, title }) => (
              <Tabs.Tab key={id} value={id}>
                {title}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          {list.map(({ id, title, code }) => (
            <Tabs.Panel key={id} value={id}>
              <CopyField multiline value={code} label={title} />
            </Tabs.Panel>
          ))}
        </Tabs>
        <Text size="sm" c="dimmed" mt="md">
          {t("objects.connect.secret")}
        </Text>
      </section>
    </div>
  );
}
