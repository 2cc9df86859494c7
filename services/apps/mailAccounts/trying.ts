/** One try of a mail account, step by step: its address, TCP, greeting (RFC 5321), TLS (RFC 3207, RFC 8314), login (RFC 4954), a mail. */
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type Connection from "nodemailer/lib/smtp-connection";
import { CloudError } from "../../../kernel/errors.ts";
import { resolveHost } from "../../../kernel/outbound/addresses.ts";
import type { MailLogin } from "./accounts.ts";
import type { MailTest, MailTestStepName } from "./contract.ts";

const connectMs = 10_000;
const answerMs = 10_000;
const allMs = 40_000;
/** A whole mail may be much, and a server may look at it for long before it says that it has it (RFC 5321 section 4.5.3.2). */
const sendMs = { all: 240_000, answer: 180_000 };
/** More of what a server says is not for people. */
const saidCharacters = 300;

class StepFailed extends Error {
  readonly step: MailTestStepName;
  /** The server said that it will never take this mail. */
  readonly isFinal: boolean;
  constructor(step: MailTestStepName, message: string, isFinal = false) {
    super(message);
    this.step = step;
    this.isFinal = isFinal;
  }
}

export interface MailTry {
  login: MailLogin;
  /** Who gets a mail; absent: none is sent. */
  to?: string | undefined;
  /** The mail, as RFC 5322 has it. */
  message: Buffer;
  allowedNetworks: readonly string[];
  signal: AbortSignal;
}

/** One mail of somebody who sees that it is tried, with a text of ours. Never throws for what the server does: that is the result. */
export async function tryMailAccount({ name, ...wanted }: Omit<MailTry, "message"> & { name: string }): Promise<MailTest> {
  const message = Buffer.from(testMail(wanted.login.sender, wanted.to ?? "", name));
  return (await attempt({ ...wanted, message }, { all: allMs, answer: answerMs })).test;
}

/** Hands a mail to the server. Never throws for what that does. `final`: it would do the same again. */
export async function sendMail(
  wanted: MailTry & { to: string },
): Promise<{ delivered: boolean; final: boolean; message: string }> {
  const { test, isFinal } = await attempt(wanted, sendMs);
  return { delivered: test.succeeded, final: isFinal, message: test.steps.at(-1)?.message ?? "" };
}

interface Patience {
  /** Milliseconds, for all of it and for one answer. */
  all: number;
  answer: number;
}

async function attempt(wanted: MailTry, patience: Patience): Promise<{ test: MailTest; isFinal: boolean }> {
  const began = Date.now();
  let isFinal = false;
  const steps: MailTest["steps"] = [];
  const done = (step: MailTestStepName, message: string) => void steps.push({ step, succeeded: true, message });
  const signal = AbortSignal.any([wanted.signal, AbortSignal.timeout(patience.all)]);
  const open: { destroy(): void }[] = [];
  const tooLong = Promise.withResolvers<never>();
  tooLong.promise.catch(() => {});
  const onAbort = () => tooLong.reject(new Error(`The server took longer than ${patience.all / 1000} seconds for all of it.`));
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await Promise.race([converse(wanted, patience, done, open), tooLong.promise]);
  } catch (error) {
    isFinal = error instanceof StepFailed && error.isFinal;
    const step =
      error instanceof StepFailed
        ? error.step
        : nextStep(
            steps.map((each) => each.step),
            wanted.login,
          );
    steps.push({ step, succeeded: false, message: (error as Error).message });
  } finally {
    signal.removeEventListener("abort", onAbort);
    for (const each of open) each.destroy();
  }
  const succeeded = steps.every((each) => each.succeeded);
  return { test: { succeeded, steps, durationMs: Date.now() - began }, isFinal };
}

/** What was under way when time was up. */
const nextStep = (done: readonly MailTestStepName[], { security }: MailLogin): MailTestStepName => {
  const order: MailTestStepName[] =
    security === "tls"
      ? ["address", "connect", "tls", "greeting", "login", "send"]
      : ["address", "connect", "greeting", "tls", "login", "send"];
  return order.find((step) => !done.includes(step) && !(step === "tls" && security === "none")) ?? "send";
};

type Done = (step: MailTestStepName, message: string) => void;

async function converse(
  { login, to, message, allowedNetworks }: MailTry,
  patience: Patience,
  done: Done,
  open: { destroy(): void }[],
): Promise<void> {
  const { address } = await resolveHost(login.host, allowedNetworks).catch((error) => {
    throw new StepFailed(
      "address",
      CloudError.is(error) ? error.message : `The name ${login.host} could not be resolved. Check its spelling.`,
    );
  });
  done("address", address === login.host ? address : `${login.host} is ${address}`);
  const socket = await connectTo(address, login, open);
  done("connect", `${address}, port ${login.port}`);
  const secured = login.security === "tls" ? await encrypt(socket, login, done, open) : undefined;
  const connection = await greet(secured ?? socket, login, patience, done);
  open.push({ destroy: () => connection.close() });
  if (login.password !== undefined) {
    await logIn(connection, login);
    done("login", login.userName);
  }
  if (to !== undefined) done("send", await send(connection, login.sender, to, message));
  connection.quit();
}

async function connectTo(address: string, { port }: MailLogin, open: { destroy(): void }[]): Promise<Socket> {
  // To the very address that was checked.
  const socket = connect({ host: address, port, autoSelectFamily: false });
  open.push(socket);
  return new Promise((resolve, reject) => {
    const fail = (message: string) => reject(new StepFailed("connect", message));
    socket.setTimeout(connectMs, () =>
      fail(`Nobody answered at port ${port} within ${connectMs / 1000} seconds. Check host and port.`),
    );
    socket.once("connect", () => {
      socket.setTimeout(0);
      resolve(socket);
    });
    // It stays, so that an error that comes late ends no process.
    socket.on("error", (error: NodeJS.ErrnoException) =>
      fail(
        error.code === "ECONNREFUSED"
          ? `Nobody listens at port ${port}: the connection was refused. Check host and port.`
          : `It cannot be reached from here: ${error.message}`,
      ),
    );
  });
}

const servername = ({ host }: MailLogin): { servername?: string } => (isIP(host) ? {} : { servername: host });

async function encrypt(socket: Socket, login: MailLogin, done: Done, open: { destroy(): void }[]): Promise<Socket> {
  const secured = connectTls({ socket, host: login.host, ...servername(login) });
  open.push(secured);
  await new Promise<void>((resolve, reject) => {
    const fail = (error: Error) => reject(new StepFailed("tls", tlsReason(error)));
    const timer = setTimeout(() => fail(new Error("it did not answer; a server of port 587 usually wants starttls")), answerMs);
    secured.once("secureConnect", () => {
      clearTimeout(timer);
      resolve();
    });
    secured.on("error", (error) => {
      clearTimeout(timer);
      fail(error);
    });
    secured.once("close", () => {
      clearTimeout(timer);
      fail(new Error("it closed the connection"));
    });
  });
  done("tls", String(secured.getProtocol()));
  return secured;
}

/** Greeting, EHLO and, where it is wanted, STARTTLS. */
async function greet(socket: Socket, login: MailLogin, patience: Patience, done: Done): Promise<Connection> {
  // As CommonJS: its other form imports node:http, which would load undici for good (server/loaded.test.ts).
  const SmtpConnection = createRequire(import.meta.url)("nodemailer/lib/smtp-connection") as typeof Connection;
  const { security } = login;
  const connection = new SmtpConnection({
    connection: socket,
    host: login.host,
    secure: security === "tls",
    secured: security === "tls",
    requireTLS: security === "starttls",
    ignoreTLS: security === "none",
    tls: servername(login),
    greetingTimeout: answerMs,
    socketTimeout: patience.answer,
    name: "khmara.invalid",
  });
  await new Promise<void>((resolve, reject) => {
    connection.on("error", (error: SmtpError) => reject(greetingFailed(error, security)));
    connection.once("end", () => reject(new StepFailed("greeting", "The server closed the connection.")));
    connection.connect((error?: SmtpError | null) => (error ? reject(greetingFailed(error, security)) : resolve()));
  });
  done("greeting", "The server speaks SMTP.");
  if (security === "starttls") done("tls", "STARTTLS");
  return connection;
}

interface SmtpError extends Error {
  code?: string | undefined;
  command?: string | undefined;
  response?: string | undefined;
  responseCode?: number | undefined;
}

function greetingFailed(error: SmtpError, security: MailLogin["security"]): StepFailed {
  if (error.command === "STARTTLS" || error.code === "ETLS" || isOfCertificate(error))
    return new StepFailed("tls", tlsReason(error));
  if (error.code === "ETIMEDOUT")
    return new StepFailed(
      "greeting",
      `The server said nothing within ${answerMs / 1000} seconds. ${security === "tls" ? "" : "One of port 465 usually wants tls. "}Check port and security.`,
    );
  return new StepFailed("greeting", `It does not answer as a mail server does: ${said(error)}`);
}

/** Node's own words for what is wrong with one; its codes get lost on the way. */
const isOfCertificate = (error: Error): boolean => /certificate|altname|self.signed/i.test(error.message);

const tlsReason = (error: SmtpError): string =>
  /wrong version number|packet length too long/i.test(error.message)
    ? "It does not encrypt from the first byte. Choose starttls, or another port."
    : isOfCertificate(error)
      ? `Its certificate is not valid for this name: ${error.message}`
      : `It could not be encrypted: ${said(error)}`;

async function logIn(connection: Connection, { userName, password }: MailLogin): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const fail = (error: SmtpError) =>
      reject(new StepFailed("login", `The server refuses this user name and password: ${said(error)}`));
    connection.once("error", fail);
    connection.login({ user: userName, pass: password ?? "", credentials: { user: userName, pass: password ?? "" } }, (error) =>
      error ? fail(error) : resolve(),
    );
  });
}

const testMail = (from: string, to: string, name: string): string =>
  [
    `From: <${from}>`,
    `To: <${to}>`,
    `Subject: Test of the mail account ${name}`,
    `Date: ${new Date().toUTCString().replace("GMT", "+0000")}`,
    `Message-ID: <${randomUUID()}@${from.split("@").at(-1)}>`,
    "MIME-Version: 1.0",
    "Content-Type: text/plain; charset=utf-8",
    "",
    `Apps that are linked to the mail account ${name} can send mail like this one.`,
    "",
  ].join("\r\n");

/** Answers what the server said when it took it. */
async function send(connection: Connection, from: string, to: string, message: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (error: SmtpError) => {
      // RFC 5321 section 4.2.1: 5 is for good.
      const isFinal = (error.responseCode ?? 0) >= 500;
      reject(new StepFailed("send", `The server does not take the mail: ${said(error)}`, isFinal));
    };
    connection.once("error", fail);
    connection.send({ from, to: [to] }, message, (error, info) =>
      error ? fail(error) : resolve(info?.response.slice(0, saidCharacters) ?? ""),
    );
  });
}

const said = ({ message, response }: SmtpError): string =>
  (response || message)
    .replace(/[\p{Cc}\s]+/gu, " ")
    .trim()
    .slice(0, saidCharacters);
