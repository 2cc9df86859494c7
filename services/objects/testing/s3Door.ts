import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { s3Server } from "../index.ts";
import { type Answer, type Call, send } from "../s3/testing/client.ts";
import type { TestCloud } from "./fixture.ts";

export interface S3Door {
  port: number;
  /** Signed with a key of the fixture, KEYOWNER's unless told otherwise. */
  call(call: Omit<Call, "port" | "key"> & { key?: string }): Promise<Answer>;
  stop(): Promise<void>;
}

/** The S3 door of a cloud of the fixture, as the data plane has it. */
export async function openS3Door({ objects }: TestCloud): Promise<S3Door> {
  const server = s3Server({
    backend: objects.s3Backend,
    credentials: objects.s3Credentials,
    region: "us-east-1",
    hosts: ["localhost"],
    log: { debug: () => {}, warn: () => {}, error: (fields, message) => console.error(message, fields) },
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    call: ({ key = "KEYOWNER", ...call }) =>
      send({ ...call, port, key: key === "none" ? "none" : { accessKeyId: key, secretAccessKey: "secret" } }),
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
