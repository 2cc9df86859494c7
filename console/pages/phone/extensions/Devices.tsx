import { Alert, Button, Select, Stack, Text, TextInput } from "@mantine/core";
import {
  IconBulb,
  IconDeviceLandlinePhone,
  IconKey,
  IconLogout,
  IconPlus,
  IconPower,
  IconQrcode,
  IconTrash,
} from "@tabler/icons-react";
import { useState } from "react";
import type { PhoneDevice, SipAccount } from "../../../../services/voice/extensions/contract.ts";
import type { DeviceProvisioning } from "../../../../services/voice/provisioning/contract.ts";
import { callApi, invalidate, useApiList } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ApiHint } from "../../../ui/ApiHint.tsx";
import { ConfirmDestroy } from "../../../ui/ConfirmDestroy.tsx";
import { CopyField } from "../../../ui/CopyField.tsx";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { required, useForm } from "../../../ui/form.ts";
import { DataList } from "../../../ui/list/DataList.tsx";
import { SecretOnce } from "../../../ui/SecretOnce.tsx";
import { Section } from "../../../ui/Section.tsx";
import { StatusBadge } from "../../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../../ui/TimeAgo.tsx";
import { toastError } from "../../../ui/toast.ts";
import css from "../phone.module.css";
import { LampKeys } from "./LampKeys.tsx";

const refresh = () => invalidate(queries, ["phoneDeviceList", "myPhoneDeviceList"]);
const makers = ["yealink", "snom", "grandstream", "fanvil", "poly", "cisco", "mitel", "linphone", "baresip", "other"] as const;

const stateOf = ({ enabled, isRegistered, signedInExtensionId }: PhoneDevice) =>
  !enabled ? "off" : signedInExtensionId !== undefined ? "guest" : isRegistered ? "registered" : "away";

/** The phones of an extension; `own`: of the person who looks. */
export function Devices({ extension, may, own }: { extension: string; may: boolean; own: boolean }) {
  const t = useT();
  const [adding, setAdding] = useState(false);
  const [account, setAccount] = useState<SipAccount>();
  const [provisioning, setProvisioning] = useState<DeviceProvisioning>();
  const [lamps, setLamps] = useState<PhoneDevice>();
  const [asking, setAsking] = useState<{ device: PhoneDevice; to: "delete" | "rotate" }>();
  const devices = useApiList((own ? "myPhoneDeviceList" : "phoneDeviceList") as "phoneDeviceList", {
    extension: extension as never,
  });
  const provision = (device: PhoneDevice) =>
    void callApi(own ? "myPhoneDeviceProvisioningCreate" : "phoneDeviceProvisioningCreate", { phoneDevice: device.id })
      .then(async (made) => {
        setProvisioning(made);
        await refresh();
      })
      .catch(toastError);
  return (
    <Section
      title={t("phone.devices")}
      text={t("phone.devicesText")}
      flush
      actions={
        may && (
          <Button variant="default" leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setAdding(true)}>
            {t("phone.device.add")}
          </Button>
        )
      }
    >
      <DataList<PhoneDevice>
        id="phone-devices"
        label={t("phone.devices")}
        list={devices}
        rowKey={({ id }) => id}
        rowName={({ label }) => label}
        columns={[
          { key: "label", header: t("ui.name"), primary: true, width: "minmax(140px, 1.4fr)", cell: ({ label }) => label },
          {
            key: "state",
            header: t("phone.state"),
            width: "minmax(130px, 160px)",
            phone: "bare",
            cell: (device) => (
              <StatusBadge tone={!device.enabled ? "off" : device.isRegistered ? "good" : "warn"}>
                {t(`phone.device.${stateOf(device)}`)}
              </StatusBadge>
            ),
          },
          { key: "kind", header: t("phone.kind"), cell: ({ kind }) => t(`phone.deviceKind.${kind}`) },
          {
            key: "last",
            header: t("phone.device.last"),
            cell: ({ lastRegisteredAt, lastUserAgent }) => (
              <span title={lastUserAgent}>
                <TimeAgo at={lastRegisteredAt} never={t("phone.never")} />
              </span>
            ),
          },
          { key: "user", header: t("phone.device.userName"), optional: true, cell: ({ userName }) => userName },
          { key: "address", header: t("phone.device.address"), optional: true, cell: ({ lastAddress }) => lastAddress ?? "—" },
        ]}
        {...(may
          ? {
              rowActions: (device) => [
                ...(device.kind === "browser"
                  ? []
                  : [{ label: t("phone.device.provision"), icon: IconQrcode, onClick: () => provision(device) }]),
                ...(own || device.kind === "browser"
                  ? []
                  : [
                      ...(device.signedInExtensionId === undefined
                        ? []
                        : [
                            {
                              label: t("phone.device.signOut"),
                              icon: IconLogout,
                              onClick: () =>
                                void callApi("phoneDeviceUpdate", { phoneDevice: device.id, signedInExtension: null })
                                  .then(refresh)
                                  .catch(toastError),
                            },
                          ]),
                      ...(device.kind === "desk"
                        ? [{ label: t("phone.device.lamps"), icon: IconBulb, onClick: () => setLamps(device) }]
                        : []),
                      { label: t("phone.device.rotate"), icon: IconKey, onClick: () => setAsking({ device, to: "rotate" }) },
                      {
                        label: t(device.enabled ? "phone.device.turnOff" : "phone.device.turnOn"),
                        icon: IconPower,
                        onClick: () =>
                          void callApi("phoneDeviceUpdate", { phoneDevice: device.id, enabled: !device.enabled })
                            .then(refresh)
                            .catch(toastError),
                      },
                    ]),
                {
                  label: t("phone.device.delete"),
                  icon: IconTrash,
                  danger: true,
                  onClick: () => setAsking({ device, to: "delete" }),
                },
              ],
            }
          : {})}
        empty={
          <p style={{ margin: 0, padding: 20, color: "var(--k-muted)" }}>
            <IconDeviceLandlinePhone size={16} stroke={1.6} aria-hidden /> {t("phone.devicesNone")}
          </p>
        }
      />
      {lamps && <LampKeys device={lamps} onClose={() => setLamps(undefined)} />}
      {adding && <Add extension={extension} own={own} onClose={() => setAdding(false)} onMade={setAccount} />}
      {account && (
        <SecretOnce title={t("phone.device.secret")} text={t("phone.device.secretText")} onClose={() => setAccount(undefined)}>
          <CopyField label={t("phone.domain")} value={account.domain} />
          <CopyField label={t("phone.device.server")} value={serverOf(account)} />
          <CopyField label={t("phone.device.userName")} value={account.userName} />
          <CopyField label={t("ui.password")} value={account.password} secret />
        </SecretOnce>
      )}
      {provisioning && (
        <SecretOnce
          title={t("phone.device.provision")}
          text={t("phone.device.provisionText")}
          onClose={() => setProvisioning(undefined)}
        >
          {!provisioning.isEncrypted && <Alert color="red">{t("phone.device.notEncrypted")}</Alert>}
          <img
            className={css.qr}
            alt={t("phone.device.qr")}
            src={`data:image/svg+xml;utf8,${encodeURIComponent(provisioning.qrCodeSvg)}`}
          />
          <CopyField label={t("phone.device.provisionUrl")} value={provisioning.url} secret />
          {provisioning.fileNames.length > 0 && (
            <Text size="sm" c="dimmed">
              {t("phone.device.provisionFiles", { files: provisioning.fileNames.join(", ") })}
            </Text>
          )}
        </SecretOnce>
      )}
      {asking && (
        <ConfirmDestroy
          opened
          onClose={() => setAsking(undefined)}
          title={t(`phone.device.${asking.to}Title`, { name: asking.device.label })}
          text={t(`phone.device.${asking.to}Text`)}
          action={t(`phone.device.${asking.to}`)}
          onConfirm={async () => {
            const { id } = asking.device;
            if (asking.to === "rotate") setAccount((await callApi("phoneDeviceRotate", { phoneDevice: id })).account);
            else await callApi(own ? "myPhoneDeviceDelete" : "phoneDeviceDelete", { phoneDevice: id });
            await refresh();
          }}
        />
      )}
    </Section>
  );
}

function serverOf({ server, udpPort, tcpPort, tlsPort }: SipAccount): string {
  const ports = [tlsPort && `TLS ${tlsPort}`, udpPort && `UDP ${udpPort}`, tcpPort && `TCP ${tcpPort}`].filter(Boolean);
  return ports.length > 0 ? `${server} (${ports.join(", ")})` : server;
}

function Add(props: { extension: string; own: boolean; onClose: () => void; onMade: (account: SipAccount) => void }) {
  const t = useT();
  const route = props.own ? "myPhoneDeviceCreate" : "phoneDeviceCreate";
  const form = useForm({
    initial: { label: "", kind: "desk" as "desk" | "app", maker: "other" as (typeof makers)[number], macAddress: "" },
    checks: { label: required },
    submit: async () => {
      props.onMade((await callApi(route, request as never)).account);
      await refresh();
      props.onClose();
    },
  });
  const { label, kind, maker, macAddress } = form.values;
  const request = { extension: props.extension, label, kind, maker, ...(kind === "desk" && macAddress ? { macAddress } : {}) };
  return (
    <FormDialog
      opened
      onClose={props.onClose}
      title={t("phone.device.add")}
      text={t("phone.device.addText")}
      form={form}
      action={t("phone.device.add")}
      hint={<ApiHint route={route} args={request} />}
    >
      <Stack gap="md">
        <TextInput
          label={t("ui.name")}
          placeholder={t("phone.device.example")}
          data-autofocus
          autoComplete="off"
          {...form.field("label")}
        />
        <Select
          label={t("phone.kind")}
          data={(["desk", "app"] as const).map((value) => ({ value, label: t(`phone.deviceKind.${value}`) }))}
          {...form.choice("kind")}
        />
        <Select
          label={t("phone.device.maker")}
          data={makers.map((value) => ({
            value,
            label: value === "other" ? t("phone.device.other") : value[0]?.toUpperCase() + value.slice(1),
          }))}
          {...form.choice("maker")}
        />
        {kind === "desk" && (
          <TextInput
            label={t("phone.device.mac")}
            placeholder="00:15:65:12:34:56"
            autoComplete="off"
            {...form.field("macAddress")}
          />
        )}
      </Stack>
    </FormDialog>
  );
}
