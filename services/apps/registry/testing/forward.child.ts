/** Runs in the network of the engine of the tests: what comes to a port of its 127.0.0.1 goes to the socket that is given. It ends with its input. */

import type { AddressInfo } from "node:net";
import { connect, createServer } from "node:net";

const server = createServer((from) => {
  const to = connect(process.argv[2] as string);
  from.on("error", () => to.destroy());
  to.on("error", () => from.destroy());
  from.pipe(to).pipe(from);
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
process.stdin.on("end", () => process.exit()).resume();
