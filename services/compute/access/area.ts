import type { Area, ComputeParts } from "../parts.ts";
import type { accessRoutes } from "./contract.ts";
import { enter } from "./entry.ts";
import { createExec } from "./exec.ts";
import { createFiles } from "./files.ts";
import { createSessions } from "./sessions.ts";
import { createSsh } from "./ssh.ts";

/** Ways into an instance: terminals, commands, files, tunnels. It keeps no records of its own but the audit's. */
export function createAccess(parts: ComputeParts): Area<typeof accessRoutes> {
  const sessions = createSessions(parts);
  const exec = createExec(parts);
  const files = createFiles(parts);
  const ssh = createSsh(parts);
  return {
    handlers: {
      instanceTerminal: (context, { params, query }) => sessions.terminal(context, params.instance, query),
      instanceConsole: (context, { params, query }) => sessions.console(context, params.instance, query),
      instanceDisplay: (context, { params, query }) => sessions.display(context, params.instance, query.protocol),
      instanceExec: (context, { params, body }) => exec.run(context, params.instance, body),
      instanceExecStream: (context, { params }) => exec.stream(context, params.instance),
      async instanceLog(context, { params, query }) {
        const { instance, engine } = await enter(parts, context, params.instance, { anyState: true });
        const bytes = await engine.instanceConsoleLog(instance.engineName, query.maxBytes, { signal: context.signal });
        return { text: Buffer.from(bytes).toString() };
      },
      instanceFileList: (context, { params, query }) => files.list(context, params.instance, query),
      instanceFileDownload: (context, { params, query }) => files.download(context, params.instance, query),
      instanceFileUpload: (context, { params, query }) => files.upload(context, params.instance, query),
      instanceSshGet: (context, { params }) => ssh.show(context, params.instance),
      instanceTunnel: (context, { params, query }) => ssh.tunnel(context, params.instance, query.port),
    },
  };
}
