import { Alert, Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { client, invalidate } from "../../api/api.ts";
import { errorText, isCloudError } from "../../api/errors.ts";
import { useCloud, useProject } from "../../frame/identity.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { CopyField } from "../../ui/CopyField.tsx";
import { bucketNameProblem } from "./keys.ts";

/** One field; its rules are told while one types, the one that is broken first. */
export function BucketCreate({ onClose, here }: { onClose: () => void; here: string }) {
  const t = useT();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const project = useProject();
  const cloud = useCloud();
  const [name, setName] = useState("");
  const [left, setLeft] = useState(false);
  const [working, setWorking] = useState(false);
  const [failed, setFailed] = useState<{ at: "name" | "form"; text: string }>();
  const problem = name === "" ? undefined : bucketNameProblem(name);
  // Too short is no mistake while one is still typing.
  const shown = problem === "short" && !left ? undefined : problem && t(`objects.bucketName.${problem}`);

  const submit = async () => {
    setLeft(true);
    if (name === "" || problem) return;
    setWorking(true);
    setFailed(undefined);
    try {
      await client.bucketCreate({ project: project.id, name });
      await invalidate(queries, ["bucketList"]);
      await navigate({ to: `${here}/${name}` });
    } catch (error) {
      const atName = isCloudError(error) && (error.code === "already_exists" || error.code === "invalid_argument");
      setFailed({ at: atName ? "name" : "form", text: errorText(error) });
      setWorking(false);
    }
  };

  return (
    <Modal
      opened
      onClose={onClose}
      size="lg"
      title={t("objects.bucket.create")}
      closeButtonProps={{ "aria-label": t("ui.close") }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <Stack>
          <TextInput
            label={t("ui.name")}
            description={t("objects.bucketName.rules")}
            placeholder="photos-2026"
            data-autofocus
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            value={name}
            error={failed?.at === "name" ? failed.text : shown}
            onBlur={() => setLeft(name !== "")}
            onChange={(event) => {
              // What a phone's keyboard or a habit puts in and no bucket may have.
              setName(event.currentTarget.value.toLowerCase().replaceAll(" ", "-"));
              setFailed(undefined);
            }}
          />
          <Text size="sm" c="dimmed">
            {t("objects.bucket.costs")}
          </Text>
          {failed?.at === "form" && (
            <Alert color="red" role="alert">
              {failed.text}
            </Alert>
          )}
          <Group justify="flex-end" gap="sm">
            <Button variant="default" onClick={onClose}>
              {t("ui.cancel")}
            </Button>
            <Button type="submit" loading={working}>
              {t("objects.bucket.create")}
            </Button>
          </Group>
          <CopyField
            label="AWS CLI"
            value={`aws --endpoint-url ${cloud?.s3.endpoint ?? ""} s3 mb s3://${name || "photos-2026"}`}
          />
          <ApiHint route="bucketCreate" args={{ project: project.id, name: name || "photos-2026" }} />
        </Stack>
      </form>
    </Modal>
  );
}
