/** `./khmara node join INVITATION`: this machine becomes a node of a cloud on another one. */
import { CloudError } from "../../kernel/errors.ts";
import { decodeInvitation, type Invitation } from "../../services/apps/index.ts";
import { askConsent } from "../engines/consent.ts";
import { StartError } from "../start-error.ts";
import { joinNode, missingForNode } from "./join.ts";

const help = `Makes this machine a node of a cloud on another one: that cloud runs apps here too.
The invitation is what "khmara node invite NAME" gives, or the console under Cloud, Applications.

  ./khmara node join INVITATION [options]

  --address ADDRESS      where the other nodes reach this machine; otherwise the address with which it reaches the cloud
  --yes                  install Docker and what else is missing from the distribution, and start Docker anew, without asking

Nodes reach each other at TCP 2376 (this one), 2377 and 2378 (the cloud's), TCP and UDP 7946, and UDP 4789: let nobody else in there.
`;

interface Asked {
  invitation: Invitation;
  address: string | undefined;
  yes: boolean;
}

function read(words: string[]): Asked {
  let [invitation, address]: (string | undefined)[] = [];
  let yes = false;
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    if (word === "--yes") yes = true;
    else if (word === "--address" || word.startsWith("--address=")) {
      address = word === "--address" ? words[++i] : word.slice("--address=".length);
      if (!address) throw new StartError("--address needs a value: --address 10.0.0.2");
    } else if (word.startsWith("-")) throw new StartError(`Unknown option ${word}. See ./khmara node join --help.`);
    else if (invitation !== undefined) throw new StartError("One invitation at a time.");
    else invitation = word;
  }
  if (invitation === undefined) throw new StartError("With which invitation? Make one in the cloud: khmara node invite NAME");
  return { invitation: decodeInvitation(invitation), address, yes };
}

async function main(words: string[]): Promise<void> {
  if (words.includes("--help") || words.includes("-h")) return void process.stdout.write(help);
  const { invitation, address, yes } = read(words);
  if (process.getuid?.() !== 0) throw new StartError("Only root can make this machine a node: sudo ./khmara node join …");
  const missing = missingForNode();
  const what =
    missing.length > 0
      ? `Install ${missing.join(", ")} from the distribution, and start Docker`
      : "Start this machine's Docker anew";
  const agreed =
    yes || (await askConsent({ input: process.stdin, output: process.stderr }, `${what} as the node ${invitation.name}?`));
  if (agreed !== true) throw new StartError("Nothing was changed. Say --yes to agree without being asked.");
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort(new StartError("Stopped. Run it again to go on.")));
  await joinNode({
    invitation,
    address,
    logFolder: "/var/log/khmara",
    signal: stop.signal,
    onStep: (message) => process.stderr.write(`${message}\n`),
  });
  process.stdout.write(`This machine is the node ${invitation.name} now.\n`);
}

main(process.argv.slice(2)).catch((error: unknown) => {
  const known = error instanceof StartError || CloudError.is(error);
  process.stderr.write(`khmara: ${known ? (error as Error).message : error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = 1;
});
