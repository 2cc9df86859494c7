import type { Tx } from "../../../kernel/db/database.ts";

/** Lines of one bucket, as they were collected together. */
export interface LinesRow {
  bucketId: string;
  organisationId: string;
  /** Each with its end of line. */
  lines: string;
}

export const accessLogStore = {
  /** Of a bucket that is gone meanwhile nothing is kept. */
  async insert(tx: Tx, rows: LinesRow[]): Promise<void> {
    for (const { bucketId, organisationId, lines } of rows)
      await tx.sql`insert into objects.access_log_lines (bucket_id, organisation_id, lines)
        select id, ${organisationId}, ${lines} from objects.buckets where id = ${bucketId}`;
  },

  async buckets(tx: Tx, { after, limit }: { after: string; limit: number }): Promise<string[]> {
    const rows = await tx.sql<{ bucketId: string }[]>`select distinct bucket_id as "bucketId" from objects.access_log_lines
      where bucket_id > ${after} order by 1 limit ${limit}`;
    return rows.map(({ bucketId }) => bucketId);
  },

  /** Of the oldest line that is not in the log yet. */
  async waitingSince(tx: Tx, bucketId: string): Promise<Date | undefined> {
    const [row] = await tx.sql<{ writtenAt: Date }[]>`select written_at as "writtenAt" from objects.access_log_lines
      where bucket_id = ${bucketId} order by id limit 1`;
    return row?.writtenAt;
  },

  /** The oldest, which go with the commit. */
  async take(tx: Tx, bucketId: string, limit: number): Promise<{ lines: string; writtenAt: Date }[]> {
    return tx.sql<{ lines: string; writtenAt: Date }[]>`with taken as (
        delete from objects.access_log_lines where id in (
          select id from objects.access_log_lines where bucket_id = ${bucketId} order by id limit ${limit} for update skip locked)
        returning id, lines, written_at)
      select lines, written_at as "writtenAt" from taken order by id`;
  },

  async forget(tx: Tx, olderThanDays: number): Promise<void> {
    await tx.sql`delete from objects.access_log_lines where written_at < now() - make_interval(days => ${olderThanDays})`;
  },
};
