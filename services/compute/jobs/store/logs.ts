import type { Tx } from "../../../../kernel/db/database.ts";

/** A piece grows up to this; then the next one begins. */
const pieceBytes = 65_536;

export const logStore = {
  /** Puts bytes at the end of the log of an attempt, whose length is `offset` so far. */
  async append(
    tx: Tx,
    log: { taskId: string; attempt: number; organisationId: string; offset: number },
    content: Uint8Array,
  ): Promise<void> {
    const grown = await tx.sql`update compute.task_logs set content = content || ${content as Buffer}
      where task_id = ${log.taskId} and attempt = ${log.attempt} and byte_offset + length(content) = ${log.offset}
        and length(content) < ${pieceBytes} and byte_offset >= ${log.offset - pieceBytes} returning 1`;
    if (grown.length > 0) return;
    await tx.sql`insert into compute.task_logs (task_id, attempt, byte_offset, organisation_id, content)
      values (${log.taskId}, ${log.attempt}, ${log.offset}, ${log.organisationId}, ${content as Buffer})`;
  },

  async sizeBytes(tx: Tx, taskId: string, attempt: number): Promise<number> {
    const [row] = await tx.sql<{ size: number }[]>`select byte_offset + length(content) as size from compute.task_logs
      where task_id = ${taskId} and attempt = ${attempt} order by byte_offset desc limit 1`;
    return row?.size ?? 0;
  },

  /** The bytes from an offset on, at most so many. */
  async read(tx: Tx, taskId: string, attempt: number, offset: number, limit: number): Promise<Buffer> {
    const rows = await tx.sql<{ content: Buffer; byteOffset: number }[]>`
      select content, byte_offset as "byteOffset" from compute.task_logs
      where task_id = ${taskId} and attempt = ${attempt} and byte_offset < ${offset + limit}
        and byte_offset >= coalesce((select max(byte_offset) from compute.task_logs
          where task_id = ${taskId} and attempt = ${attempt} and byte_offset <= ${offset}), 0)
      order by byte_offset`;
    const [first] = rows;
    if (!first) return Buffer.alloc(0);
    const from = offset - first.byteOffset;
    return Buffer.concat(rows.map(({ content }) => content)).subarray(from, from + limit);
  },
};
