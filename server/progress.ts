/** What the operator sees while the cloud starts: one line for each finished step, calm afterwards. */
export interface Step {
  update(message: string): void;
  done(message: string): void;
}

export interface Progress {
  step(name: string, message: string): Step;
  /** A line of its own. */
  line(text: string): void;
  problem(text: string): void;
  /** Leaves no half-written line behind. */
  end(): void;
}

export function terminalProgress(out: NodeJS.WriteStream = process.stdout, err: NodeJS.WriteStream = process.stderr): Progress {
  const lively = out.isTTY === true && process.env["TERM"] !== "dumb";
  const colour = lively && !process.env["NO_COLOR"];
  const paint = (code: number, text: string) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text);
  const running = new Map<string, string>();
  let shown = false;
  // A terminal that was closed must not take the cloud with it.
  out.on("error", () => {});
  err.on("error", () => {});

  const clear = () => {
    if (shown) out.write("\r\x1b[K");
    shown = false;
  };
  const show = () => {
    const last = [...running].at(-1);
    if (!lively || last === undefined) return;
    const text = `  … ${last[0].padEnd(nameWidth)}${last[1]}`.slice(0, (out.columns ?? 80) - 1);
    out.write(`\r\x1b[K${paint(2, text)}`);
    shown = true;
  };
  const print = (text: string, stream = out) => {
    clear();
    stream.write(`${text}\n`);
    show();
  };

  return {
    step(name, message) {
      const began = performance.now();
      running.set(name, message);
      if (lively) show();
      else print(`${name}: ${message}`);
      return {
        update(next) {
          running.set(name, next);
          if (lively) show();
          else print(`${name}: ${next}`);
        },
        done(result) {
          const seconds = `${((performance.now() - began) / 1000).toFixed(1)} s`;
          running.delete(name);
          print(
            lively
              ? `  ${paint(32, "✓")} ${name.padEnd(nameWidth)}${result.padEnd(44)} ${paint(2, seconds)}`
              : `${name}: ${result} (${seconds})`,
          );
        },
      };
    },
    line: (text) => print(text),
    problem: (text) => print(`${paint(31, "khmara:")} ${text}`, err),
    end: () => {
      running.clear();
      clear();
    },
  };
}

const nameWidth = 14;
