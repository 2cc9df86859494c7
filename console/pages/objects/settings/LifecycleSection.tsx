import { Switch } from "@mantine/core";
import type { Bucket } from "../../../../services/objects/contract.ts";
import { client, invalidate, useApi } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { toastError } from "../../../ui/toast.ts";
import { LifecycleDialog } from "./LifecycleDialog.tsx";
import { LifecyclePreview } from "./LifecyclePreview.tsx";
import { RulesSection } from "./RulesSection.tsx";
import { type LifecycleRule, useSentences } from "./sentences.ts";

/** What a bucket deletes by itself, in sentences, each with what it comes to now. */
export function LifecycleSection({ bucket, readOnly }: { bucket: Bucket; readOnly: boolean }) {
  const t = useT();
  const sentences = useSentences();
  const { data, error } = useApi("bucketLifecycleGet", { bucket: bucket.name });
  return (
    <RulesSection<LifecycleRule>
      title={t("bucketSettings.lifecycle.title")}
      text={t("bucketSettings.lifecycle.text")}
      rules={data?.rules}
      error={error}
      readOnly={readOnly}
      words={{
        add: t("bucketSettings.lifecycle.add"),
        none: t("bucketSettings.lifecycle.none"),
        edit: ({ id }) => t("bucketSettings.lifecycle.edit", { name: id }),
        remove: ({ id }) => t("bucketSettings.lifecycle.remove", { name: id }),
        removeTitle: ({ id }) => t("bucketSettings.lifecycle.removeTitle", { name: id }),
        removeText: () => t("bucketSettings.lifecycle.removeText"),
      }}
      sentences={(rule) => (
        <>
          <b>{rule.id}</b>
          {sentences(rule).map((sentence) => (
            <p key={sentence}>{sentence}</p>
          ))}
          <LifecyclePreview bucket={bucket.name} rule={rule} />
        </>
      )}
      isOff={({ enabled }) => enabled === false}
      controls={(rule, replace) => (
        <Switch
          aria-label={t("bucketSettings.lifecycle.on", { name: rule.id })}
          checked={rule.enabled ?? true}
          onChange={(event) => void replace({ ...rule, enabled: event.currentTarget.checked }).catch(toastError)}
        />
      )}
      save={async (rules) => {
        await client.bucketLifecycleUpdate({ bucket: bucket.name, rules });
        await invalidate(queries, ["bucketLifecycleGet"]);
      }}
      dialog={({ rule, onClose, onSave }) => (
        <LifecycleDialog
          bucket={bucket.name}
          rule={rule}
          taken={(id) => (data?.rules ?? []).some((each) => each.id === id && each.id !== rule?.id)}
          onClose={onClose}
          onSave={onSave}
        />
      )}
    />
  );
}
