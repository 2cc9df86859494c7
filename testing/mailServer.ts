/** A mail server of the tests, made of a library of others: it takes mail from whoever signs in, and keeps it. */
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { SMTPServer } from "smtp-server";
import { createAuthority, issueCertificate } from "../gateway/certificates/authority.ts";

export interface TestMailServer {
  port: number;
  /** PEM, of the authority that its certificate is of. */
  authority: string;
  user: string;
  /** Whoever signs in has to say it; a change is a change of the account's. */
  password: string;
  mails: { from: string; to: string[]; content: string; secure: boolean; user: string | undefined }[];
  close(): Promise<void>;
}

/** `security`: tls from the first byte; starttls, before which it lets nobody sign in; none. */
export async function startMailServer(options: {
  address?: string;
  /** The names and addresses of its certificate. */
  names?: string[];
  security?: "tls" | "starttls" | "none";
  /** Which it lets nobody mail to. */
  refuses?: string;
}): Promise<TestMailServer> {
  const { address = "127.0.0.1", names = ["localhost", "127.0.0.1"], security = "starttls" } = options;
  const authority = await createAuthority({ name: "Mail of the tests" });
  const { certificate, key } = await issueCertificate(authority, names);
  const server = new SMTPServer({
    cert: certificate,
    key,
    secure: security === "tls",
    disabledCommands: security === "none" ? ["STARTTLS"] : [],
    allowInsecureAuth: security === "none",
    disableReverseLookup: true,
    // What is at fault is the client's to see.
    logger: false,
    onAuth({ username, password }, _session, answer) {
      if (username === made.user && password === made.password) answer(null, { user: made.user });
      else answer(new Error("Invalid username or password"));
    },
    onRcptTo({ address: to }, _session, answer) {
      answer(to === options.refuses ? Object.assign(new Error("No such mailbox"), { responseCode: 550 }) : null);
    },
    onData(stream, session, answer) {
      buffer(stream).then((content) => {
        const { mailFrom, rcptTo } = session.envelope;
        made.mails.push({
          from: mailFrom === false ? "" : mailFrom.address,
          to: rcptTo.map(({ address: to }) => to),
          content: content.toString(),
          secure: session.secure,
          user: session.user === undefined ? undefined : String(session.user),
        });
        answer(null);
      }, answer);
    },
  });
  // A client that goes away in the middle is the client's business.
  server.on("error", () => {});
  await new Promise<void>((resolve) => server.listen(0, address, () => resolve()));
  const made: TestMailServer = {
    port: (server.server.address() as AddressInfo).port,
    authority: authority.certificate,
    user: "shop@example.org",
    password: "pass: word/1%",
    mails: [],
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
  return made;
}
