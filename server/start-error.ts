/** A failure that the operator can act on: its message is the one line that is printed, without a stack trace. */
export class StartError extends Error {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "StartError";
  }
}

export const errorCode = (error: unknown): string | undefined => (error as NodeJS.ErrnoException | null)?.code;

/** The same failure in words that name the place and what to do; anything unknown is passed on as it is. */
export function fileError(error: unknown, path: string): unknown {
  switch (errorCode(error)) {
    case "ENOSPC":
    case "EDQUOT":
      return new StartError(`The disk that holds ${path} is full. Free some space, then start again.`, { cause: error });
    case "EACCES":
    case "EPERM":
    case "ENOENT":
      return new StartError(
        `${path} is not writable for this user. Choose another folder with --data DIR, or change its owner.`,
        {
          cause: error,
        },
      );
    case "EROFS":
      return new StartError(`${path} lies on a read-only file system. Choose another folder with --data DIR.`, { cause: error });
    case "ENOTDIR":
    case "EEXIST":
      return new StartError(`${path} is not a folder. Choose another one with --data DIR.`, { cause: error });
    default:
      return error;
  }
}
