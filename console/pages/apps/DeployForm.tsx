import { Anchor, Button, FileInput, Group, NumberInput, Progress, SegmentedControl, Stack, TextInput } from "@mantine/core";
import { IconPackage, IconRocket } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useRef, useState } from "react";
import type { Operation } from "../../../services/operations/contract.ts";
import { callApi } from "../../api/api.ts";
import { fieldProblems } from "../../api/errors.ts";
import { useCloud, useProject } from "../../frame/identity.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { CopyField } from "../../ui/CopyField.tsx";
import { FormProblem } from "../../ui/FormProblem.tsx";
import css from "./apps.module.css";
import { type ChosenSource, type DeployProgress, deployProblem, sendImage, sendSource, sourceName } from "./deploySource.ts";
import { SourceDrop } from "./SourceDrop.tsx";
import { deploymentOf, quoted } from "./words.ts";

type Way = "source" | "image" | "command";

/**
 * What is to be deployed, in one of three ways, and the sending of it. `prepare` says to which app: where there is none yet, it makes
 * it; undefined when it cannot, for which it has told the reason.
 */
export function DeployForm(props: {
  /** Undefined while it has no name. */
  appName: string | undefined;
  /** It is made only with the first deployment. */
  isNew?: boolean;
  prepare: () => Promise<string | undefined>;
  onDeployed: (app: string, deployment: string | undefined) => void;
  onSource?: (name: string) => void;
  action: string;
  disabledReason?: string | undefined;
  /** Another way out beside the main button. */
  beside?: ReactNode;
}) {
  const t = useT();
  const format = useFormat();
  const project = useProject();
  const ssh = useCloud()?.ssh;
  const [way, setWay] = useState<Way>("source");
  const [source, setSource] = useState<ChosenSource>();
  const [image, setImage] = useState("");
  const [imageFile, setImageFile] = useState<File | null>(null);
  const [port, setPort] = useState<number | "">("");
  const [healthPath, setHealthPath] = useState("");
  const [problem, setProblem] = useState<string>();
  const [fields, setFields] = useState<Record<string, string>>({});
  const [progress, setProgress] = useState<DeployProgress>();
  const [sending, setSending] = useState(false);
  const stop = useRef<AbortController>(null);
  const ready = way === "source" ? source !== undefined : way === "image" && (image.trim() !== "" || imageFile !== null);
  const more = { ...(port === "" ? {} : { port }), ...(healthPath === "" ? {} : { healthPath }) };

  const send = async () => {
    if (!ready || sending || props.disabledReason !== undefined) return;
    setProblem(undefined);
    setFields({});
    setSending(true);
    stop.current = new AbortController();
    const { signal } = stop.current;
    try {
      const app = await props.prepare();
      if (app === undefined) return;
      let operation: Operation;
      if (way === "source" && source) operation = await sendSource(app, source, setProgress, signal);
      else if (imageFile) operation = await sendImage(app, imageFile, more, setProgress, signal);
      else operation = await callApi("appDeployImage", { app: app as never, image: image.trim(), ...more });
      props.onDeployed(app, deploymentOf(operation));
    } catch (error) {
      if (signal.aborted) return;
      const found = fieldProblems(error);
      setFields(found);
      if (!["image", "port", "healthPath"].some((name) => name in found)) setProblem(deployProblem(error));
    } finally {
      setSending(false);
      setProgress(undefined);
    }
  };
  const name = props.appName || "my-app";
  return (
    <Stack gap="md">
      <SegmentedControl
        aria-label={t("deploy.way")}
        value={way}
        disabled={sending}
        onChange={(value) => setWay(value as Way)}
        // Long words in a narrow window wrap instead of sticking out.
        style={{ alignSelf: "flex-start", maxWidth: "100%" }}
        styles={{ control: { flex: "0 1 auto" }, label: { whiteSpace: "normal", height: "100%", alignContent: "center" } }}
        data={[
          { value: "source", label: t("deploy.way.source") },
          { value: "image", label: t("deploy.way.image") },
          { value: "command", label: t("deploy.way.command") },
        ]}
      />
      {way === "source" && (
        <SourceDrop
          source={source}
          disabled={sending}
          onProblem={setProblem}
          onSource={(taken) => {
            setSource(taken);
            if (taken) props.onSource?.(sourceName(taken));
          }}
        />
      )}
      {way === "image" && (
        <>
          <TextInput
            label={t("deploy.image")}
            description={t("deploy.imageText")}
            placeholder="docker.io/library/nginx:1"
            spellCheck={false}
            autoCapitalize="none"
            value={image}
            error={fields["image"]}
            disabled={sending || imageFile !== null}
            onChange={(event) => setImage(event.currentTarget.value)}
          />
          <FileInput
            label={t("deploy.imageFile")}
            description={t("deploy.imageFileText")}
            placeholder={t("deploy.chooseFile")}
            leftSection={<IconPackage size={16} aria-hidden />}
            accept=".tar,application/x-tar"
            clearable
            clearButtonProps={{ "aria-label": t("ui.clear") }}
            disabled={sending}
            value={imageFile}
            onChange={setImageFile}
          />
          <Group grow align="flex-start">
            <NumberInput
              label={t("deploy.port")}
              description={t("deploy.portText")}
              placeholder="8080"
              min={1}
              max={65_535}
              allowDecimal={false}
              value={port}
              error={fields["port"]}
              disabled={sending}
              onChange={(value) => setPort(value === "" ? "" : Number(value))}
            />
            <TextInput
              label={t("deploy.healthPath")}
              description={t("deploy.healthPathText")}
              placeholder="/health"
              value={healthPath}
              error={fields["healthPath"]}
              disabled={sending}
              onChange={(event) => setHealthPath(event.currentTarget.value)}
            />
          </Group>
        </>
      )}
      {way === "command" && (
        <Stack gap="sm">
          <p className={css.note}>{t("deploy.commandText")}</p>
          <CopyField value={`khmara app deploy ${quoted(name)}`} />
          {props.isNew ? (
            <p className={css.note}>{t("deploy.gitLater")}</p>
          ) : (
            <>
              <p className={css.note}>
                {t("deploy.git")}{" "}
                <Anchor component={Link} to="/account/tokens" size="sm" underline="always">
                  {t("deploy.gitToken")}
                </Anchor>
              </p>
              <CopyField
                multiline
                value={`git remote add khmara ${location.origin}/git/${project.slug}/${name}.git\ngit push khmara HEAD:main`}
              />
              {ssh && (
                <>
                  <p className={css.note}>
                    {t("deploy.gitSsh")}{" "}
                    <Anchor component={Link} to="/account/security" size="sm" underline="always">
                      {t("deploy.gitKey")}
                    </Anchor>
                  </p>
                  <CopyField
                    multiline
                    value={`git remote add khmara ssh://git@${ssh.host}:${ssh.port}/${project.slug}/${name}.git\ngit push khmara HEAD:main`}
                  />
                  <p className={css.note} style={{ overflowWrap: "anywhere" }}>
                    {t("deploy.gitFingerprint", { fingerprint: ssh.fingerprint })}
                  </p>
                </>
              )}
            </>
          )}
          <p className={css.note}>{t("deploy.commandImage")}</p>
          <CopyField multiline value={`docker save web:latest -o web.tar\nkhmara app deploy ${quoted(name)} web.tar`} />
        </Stack>
      )}
      <FormProblem>{problem}</FormProblem>
      {progress && (
        <div role="status" className={css.progress}>
          <Progress
            value={
              progress.phase === "packing"
                ? (progress.done / Math.max(progress.total, 1)) * 100
                : progress.phase === "sending"
                  ? (progress.sentBytes / progress.totalBytes) * 100
                  : 100
            }
            animated={progress.phase === "waiting"}
            aria-label={t("deploy.sending")}
          />
          <span>
            {progress.phase === "packing"
              ? t("deploy.packing", { done: format.number(progress.done), all: format.number(progress.total) })
              : progress.phase === "sending"
                ? t("deploy.sent", { sent: format.bytes(progress.sentBytes), all: format.bytes(progress.totalBytes) })
                : t("deploy.waiting")}
          </span>
        </div>
      )}
      <Group justify="flex-end" gap="sm">
        {props.disabledReason !== undefined && <span className={css.note}>{props.disabledReason}</span>}
        {sending && progress && progress.phase !== "waiting" ? (
          <Button variant="default" onClick={() => stop.current?.abort(new DOMException("left", "AbortError"))}>
            {t("deploy.stop")}
          </Button>
        ) : (
          props.beside
        )}
        {way !== "command" && (
          <Button
            leftSection={<IconRocket size={16} aria-hidden />}
            loading={sending}
            disabled={!ready || props.disabledReason !== undefined}
            onClick={() => void send()}
          >
            {props.action}
          </Button>
        )}
      </Group>
    </Stack>
  );
}
