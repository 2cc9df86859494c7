import pino from "pino";

export type Log = pino.Logger;

/** One JSON object a line on standard output, where the supervisor (or systemd) keeps it. Secrets are cut out by name. */
export function openLog(name: string, level = process.env["KHMARA_LOG_LEVEL"] ?? "info"): Log {
  return pino({
    name,
    level,
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: {
      paths: [
        "password",
        "token",
        "secret",
        "authorization",
        "cookie",
        "*.password",
        "*.token",
        "*.secret",
        "*.secretAccessKey",
        "*.authorization",
        "*.cookie",
      ],
      censor: "[removed]",
    },
  });
}

export const silentLog: Log = pino({ level: "silent" });
