/** What is sent at once: the memory of one transfer. Apart from remote.ts, whose S3 client is loaded only where a backup runs. */
export const partBytes = 8 * 2 ** 20;
