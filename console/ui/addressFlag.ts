import { useNavigate, useSearch } from "@tanstack/react-router";

/** A dialog that has an address (`?create=1`), so that the palette and other pages can open it. */
export function useAddressFlag(name: string): [on: boolean, set: (on: boolean) => void] {
  const search = useSearch({ strict: false }) as Record<string, string | undefined>;
  const navigate = useNavigate();
  return [
    search[name] !== undefined,
    (on) =>
      void navigate({
        to: ".",
        search: ((now: Record<string, string>) => ({ ...now, [name]: on ? "1" : undefined })) as never,
        replace: true,
        resetScroll: false,
      }),
  ];
}
