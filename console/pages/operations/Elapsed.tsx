import { useEffect, useState } from "react";
import { useFormat } from "../../i18n/format.ts";

/** How long something took, or has taken until now, counting on while it runs. */
export function Elapsed({ from, to }: { from: string | undefined; to: string | undefined }) {
  const format = useFormat();
  const [now, setNow] = useState(Date.now);
  const running = from !== undefined && to === undefined;
  useEffect(() => {
    if (!running) return;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [running]);
  if (from === undefined) return <>—</>;
  const milliseconds = (to === undefined ? Math.max(now, Date.now()) : Date.parse(to)) - Date.parse(from);
  if (to !== undefined && milliseconds < 1000) return <>{`< ${format.duration(1000)}`}</>;
  return <>{format.duration(milliseconds)}</>;
}
