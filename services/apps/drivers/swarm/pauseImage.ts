/**
 * The image of a container that does nothing but be there, so that its network is: a program of two instructions. There may be no registry
 * to get one from.
 */
import { Readable } from "node:stream";
import { pack } from "tar-stream";
import type { AppEngine, CallOptions } from "../../driver.ts";

/** pause(2), and again; where there is no such call, ppoll(2) of nothing. */
const programs: Record<string, { machine: number; code: readonly number[] }> = {
  // mov eax, 34; syscall; jmp
  amd64: { machine: 62, code: [0xb8, 0x22, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7] },
  // mov x0..x3, #0; mov x8, #73; svc #0; b
  arm64: {
    machine: 183,
    code: [
      0x00, 0x00, 0x80, 0xd2, 0x01, 0x00, 0x80, 0xd2, 0x02, 0x00, 0x80, 0xd2, 0x03, 0x00, 0x80, 0xd2, 0x28, 0x09, 0x80, 0xd2,
      0x01, 0x00, 0x00, 0xd4, 0xfa, 0xff, 0xff, 0x17,
    ],
  },
};

const headerBytes = 64 + 56;
const loadAddress = 0x40_0000n;

/** An executable with one segment (System V ABI, "Object Files"). */
function executable(architecture: string): Buffer | undefined {
  const program = programs[architecture];
  if (program === undefined) return undefined;
  const { machine, code } = program;
  const head = Buffer.alloc(headerBytes);
  // Of 64 bits, the low byte first.
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(head);
  head.writeUInt16LE(2, 16);
  head.writeUInt16LE(machine, 18);
  head.writeUInt32LE(1, 20);
  head.writeBigUInt64LE(loadAddress + BigInt(headerBytes), 24);
  head.writeBigUInt64LE(64n, 32);
  head.writeUInt16LE(64, 52);
  head.writeUInt16LE(56, 54);
  head.writeUInt16LE(1, 56);
  head.writeUInt16LE(64, 58);
  // To be loaded, read and executed.
  head.writeUInt32LE(1, 64);
  head.writeUInt32LE(5, 68);
  head.writeBigUInt64LE(loadAddress, 80);
  head.writeBigUInt64LE(loadAddress, 88);
  const length = BigInt(headerBytes + code.length);
  head.writeBigUInt64LE(length, 96);
  head.writeBigUInt64LE(length, 104);
  head.writeBigUInt64LE(0x1000n, 112);
  return Buffer.concat([head, Buffer.from(code)]);
}

const name = "pause:1";

/** Its id; undefined on a machine that it cannot run on. */
export async function pauseImage(engine: AppEngine, options?: CallOptions): Promise<string | undefined> {
  const there = await engine.imageGet(name, options);
  if (there !== undefined) return there.id;
  const program = executable((await engine.info(options)).architecture);
  if (program === undefined) return undefined;
  const tar = pack();
  tar.entry({ name: "pause", mode: 0o755 }, program);
  tar.finalize();
  const spec = { name, labels: { kind: "pause" }, defaults: { entrypoint: ["/pause"] } };
  return (await engine.imageImport(spec, Readable.from(tar), options)).id;
}
