import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { freePort } from "../../../testing/ports.ts";
import { openHouse } from "../calls/testing/house.ts";
import { PhoneProcess } from "../testing/phoneProcess.ts";

let started: Awaited<ReturnType<typeof startCloud>> | undefined;
const house = await openHouse(async (options) => {
  started = await startCloud(options);
  return started;
});
const { cloud, url } = started as NonNullable<typeof started>;
cloud.voice.parts.sip = { host: "127.0.0.1", port: house.phones.sipPort };

const running: PhoneProcess[] = [];
after(async () => {
  await Promise.all(running.map((phone) => phone.close()));
});

/** The address of a new phone's configuration, as the phone reaches it. */
async function newPhone(number: string, maker: string): Promise<{ address: string; id: string }> {
  const { office } = house;
  const extension = await office.as("owner", "extensionCreate", {
    params: office.within,
    body: { number, name: `Phone ${number}` },
  });
  const body = { kind: "app", label: maker, maker };
  const { id } = await office.as("owner", "phoneDeviceCreate", { params: { extension: extension["id"] }, body });
  const given = await office.as("owner", "phoneDeviceProvisioningCreate", { params: { phoneDevice: id } });
  return { address: `${url}${new URL(given["url"]).pathname}`, id };
}
const isRegistered = async (id: string) =>
  (await cloud.database.sql`select 1 from voice.registrations where device_id = ${id} and expires_at > now()`).length > 0;

test("baresip registers with the line that it is given", async () => {
  const { address, id } = await newPhone("231", "baresip");
  const accounts = await (await fetch(address)).text();
  const port = await freePort();
  const modules = ["module g711.so", "module_tmp uuid.so", "module_tmp account.so", "module_app menu.so", "module_app mwi.so"];
  const phone = await PhoneProcess.start(
    "baresip-configured",
    async (folder) => {
      const lines = [
        `sip_listen 127.0.0.1:${port}`,
        "net_interface 127.0.0.1",
        "module_path /usr/lib/baresip/modules",
        ...modules,
      ];
      await writeFile(join(folder, "config"), `${lines.join("\n")}\n`);
      await writeFile(join(folder, "accounts"), accounts);
      await writeFile(join(folder, "contacts"), "");
    },
    (folder) => ["baresip", "-v", "-f", folder],
  );
  running.push(phone);
  await house.until(() => isRegistered(id), "the registration of baresip");
});

test("linphone fetches its configuration itself, and registers", async () => {
  const { address, id } = await newPhone("232", "linphone");
  const port = await freePort();
  const phone = await PhoneProcess.start(
    "linphone-configured",
    async (folder) => {
      await mkdir(join(folder, ".local", "share", "linphone"), { recursive: true });
      const lines = [
        "[misc]",
        `config-uri=${address}`,
        "[sip]",
        `sip_port=${port}`,
        `sip_tcp_port=${port}`,
        "sip_tls_port=0",
        "bind_address=127.0.0.1",
        "guess_hostname=0",
        "use_ipv6=0",
        "ipv6_migration_done=1",
        "[video]",
        "enabled=0",
        "capture=0",
        "display=0",
      ];
      await writeFile(join(folder, "linphonerc"), `${lines.join("\n")}\n`);
    },
    (folder) => ["linphonec", "-C", "-c", join(folder, "linphonerc")],
  );
  running.push(phone);
  await house.until(() => isRegistered(id), `the registration of linphone, which wrote ${phone.output}`);
  const { office } = house;
  const { items } = await office.as("owner", "extensionList", { params: office.within, query: { search: "232" } });
  assert.equal(items[0].presence, "available");
});
