import { Anchor, Button, SegmentedControl } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { DatabaseView } from "../../../services/databases/contract.ts";
import { type Answer, useApi } from "../../api/api.ts";
import { useT } from "../../i18n/i18n.ts";
import { CopyField } from "../../ui/CopyField.tsx";
import { Facts, Section } from "../../ui/Section.tsx";
import css from "./databases.module.css";
import { saveFile } from "./saveFile.ts";

type Connection = Answer<"databaseConnectionGet">;

const clients = ["psql", "node", "python", "pgadmin", "url"] as const;
type Client = (typeof clients)[number];
const names: Record<Exclude<Client, "url">, string> = { psql: "psql", node: "Node.js", python: "Python", pgadmin: "pgAdmin" };
const certificateFile = "khmara-databases.crt";

/** Where it is, as whom, with what: for the usual clients, from outside and from the apps of the project. */
export function Connect({ database, here }: { database: DatabaseView; here: string }) {
  const t = useT();
  const [client, setClient] = useState<Client>("psql");
  const [inside, setInside] = useState(false);
  const connection = useApi("databaseConnectionGet", { database: database.id }, { enabled: database.port !== undefined }).data;
  if (!connection)
    return (
      <Section title={t("databases.connect")}>
        <p className={css.note}>{t("databases.connect.notYet")}</p>
      </Section>
    );
  const host = inside ? connection.internalHost : connection.host;
  const port = inside ? connection.internalPort : connection.port;
  return (
    <Section
      title={t("databases.connect")}
      text={t(inside ? "databases.connect.insideText" : "databases.connect.text")}
      actions={
        <SegmentedControl
          size="xs"
          aria-label={t("databases.connect.from")}
          value={inside ? "inside" : "outside"}
          onChange={(value) => setInside(value === "inside")}
          data={[
            { value: "outside", label: t("databases.connect.outside") },
            { value: "inside", label: t("databases.connect.inside") },
          ]}
        />
      }
    >
      <div className={css.stack}>
        <Facts
          items={[
            [t("databases.connect.host"), <CopyField key="host" value={host} />],
            [t("databases.connect.port"), <CopyField key="port" value={String(port)} />],
            [t("databases.connect.database"), <CopyField key="database" value={connection.databaseName} />],
            [t("databases.connect.user"), <CopyField key="user" value={connection.user} />],
            ...(connection.usedBy.length > 0
              ? [[t("databases.connect.usedBy"), connection.usedBy.join(", ")] as [string, string]]
              : []),
          ]}
        />
        <p className={css.note}>
          {t("databases.connect.password")}{" "}
          <Anchor component={Link} to={`${here}/users`} size="sm">
            {t("databases.connect.toUsers")}
          </Anchor>
        </p>
        <SegmentedControl
          className={css.clients}
          size="xs"
          aria-label={t("databases.connect.with")}
          value={client}
          onChange={(value) => setClient(value as Client)}
          data={clients.map((value) => ({ value, label: value === "url" ? t("databases.connect.url") : names[value] }))}
        />
        {client === "pgadmin" ? (
          <p className={css.note}>{t("databases.connect.pgadminText", { file: certificateFile })}</p>
        ) : (
          <CopyField multiline={client !== "url"} value={written(client, connection, { host, port, inside })} />
        )}
        <div>
          <Button
            size="xs"
            variant="default"
            leftSection={<IconDownload size={14} aria-hidden />}
            onClick={() => saveFile(certificateFile, connection.certificate, "application/x-pem-file")}
          >
            {t("databases.connect.certificate")}
          </Button>
          <p className={css.note} style={{ marginTop: 8 }}>
            {t("databases.connect.certificateText")}
          </p>
        </div>
      </div>
    </Section>
  );
}

function written(
  client: Exclude<Client, "pgadmin">,
  { databaseName, user, url, internalUrl }: Connection,
  { host, port, inside }: { host: string; port: number; inside: boolean },
): string {
  switch (client) {
    case "url":
      return inside ? internalUrl : url;
    case "psql":
      return `psql "host=${host} port=${port} dbname=${databaseName} user=${user} \\\n  sslmode=verify-full sslrootcert=${certificateFile}"`;
    case "node":
      return `import { readFileSync } from "node:fs";
import pg from "pg";

const client = new pg.Client({
  host: "${host}", port: ${port}, database: "${databaseName}",
  user: "${user}", password: process.env.PGPASSWORD,
  ssl: { ca: readFileSync("${certificateFile}", "utf8") },
});
await client.connect();`;
    case "python":
      return `import os, psycopg

with psycopg.connect(
    host="${host}", port=${port}, dbname="${databaseName}",
    user="${user}", password=os.environ["PGPASSWORD"],
    sslmode="verify-full", sslrootcert="${certificateFile}",
) as connection:
    print(connection.execute("select version()").fetchone())`;
  }
}
