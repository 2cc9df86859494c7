import { Switch, Text } from "@mantine/core";
import { useState } from "react";
import type { Bucket } from "../../../../services/objects/contract.ts";
import { client, invalidate, useApi } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { CopyField } from "../../../ui/CopyField.tsx";
import { SecretOnce } from "../../../ui/SecretOnce.tsx";
import { toastError } from "../../../ui/toast.ts";
import { NotificationAddresses } from "./NotificationAddresses.tsx";
import { NotificationDialog } from "./NotificationDialog.tsx";
import { NotificationsSent } from "./NotificationsSent.tsx";
import type { NotificationRule } from "./notificationEvents.ts";
import { useNotificationSentence } from "./notificationWords.ts";
import { RulesSection } from "./RulesSection.tsx";

/** What a bucket tells to programs elsewhere, where these are, and what was sent lately. */
export function NotificationsSection({ bucket, readOnly }: { bucket: Bucket; readOnly: boolean }) {
  const t = useT();
  const sentence = useNotificationSentence();
  const { data, error } = useApi("bucketNotificationGet", { bucket: bucket.name });
  const webhooks = useApi("bucketWebhookList", { project: bucket.projectId, limit: 200 });
  const [secret, setSecret] = useState<{ name: string; value: string }>();
  const known = webhooks.data?.items ?? [];
  const addressOf = ({ webhook }: NotificationRule) => known.find(({ name }) => name === webhook);
  const sentenceOf = (rule: NotificationRule) => sentence(rule, addressOf(rule)?.url ?? rule.webhook);
  const save = async (document: { rules: NotificationRule[]; eventBridge: boolean }) => {
    await client.bucketNotificationUpdate({ bucket: bucket.name, ...document });
    await invalidate(queries, ["bucketNotificationGet", "bucketWebhookList"]);
  };
  const eventBridge = data?.eventBridge ?? false;
  return (
    <>
      <RulesSection<NotificationRule>
        title={t("bucketRules.notify.title")}
        text={t("bucketRules.notify.text")}
        rules={webhooks.data && data?.rules}
        error={error ?? webhooks.error}
        readOnly={readOnly}
        words={{
          add: t("bucketRules.notify.add"),
          none: t("bucketRules.notify.none"),
          edit: ({ webhook }) => t("bucketRules.notify.edit", { name: webhook }),
          remove: ({ webhook }) => t("bucketRules.notify.remove", { name: webhook }),
          removeTitle: ({ webhook }) => t("bucketRules.notify.removeTitle", { name: webhook }),
          removeText: (rule) => t("bucketRules.notify.removeText", { rule: sentenceOf(rule) }),
        }}
        sentences={(rule) => (
          <>
            <p>{sentenceOf(rule)}</p>
            {addressOf(rule)?.enabled !== true && (
              <Text size="sm" c="var(--k-warn)">
                {t(addressOf(rule) ? "bucketRules.notify.off" : "bucketRules.notify.gone", { name: rule.webhook })}
              </Text>
            )}
          </>
        )}
        isOff={(rule) => addressOf(rule)?.enabled !== true}
        save={(rules) => save({ rules, eventBridge })}
        dialog={(props) => (
          <NotificationDialog
            bucket={bucket}
            webhooks={known}
            others={(data?.rules ?? []).filter((rule) => rule !== props.rule)}
            eventBridge={eventBridge}
            onSecret={setSecret}
            {...props}
          />
        )}
      >
        {data && (
          <Switch
            mt="md"
            label={t("bucketRules.notify.stream")}
            description={t("bucketRules.notify.streamText")}
            checked={eventBridge}
            disabled={readOnly}
            onChange={(event) => void save({ rules: data.rules, eventBridge: event.currentTarget.checked }).catch(toastError)}
          />
        )}
      </RulesSection>
      {known.length > 0 && <NotificationAddresses bucket={bucket} readOnly={readOnly} />}
      {known.length > 0 && <NotificationsSent bucket={bucket} readOnly={readOnly} />}
      {secret && (
        <SecretOnce
          title={t("bucketRules.notify.secret", { name: secret.name })}
          text={t("bucketRules.notify.secretText")}
          onClose={() => setSecret(undefined)}
        >
          <CopyField label={t("bucketRules.notify.secretLabel")} value={secret.value} secret />
        </SecretOnce>
      )}
    </>
  );
}
