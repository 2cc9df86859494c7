import { Skeleton } from "@mantine/core";

/** The outline of a page with header and list, so that nothing jumps when it comes. */
export function PageSkeleton() {
  return (
    <div aria-busy="true">
      <Skeleton height={26} width={200} mb={10} />
      <Skeleton height={16} width="min(420px, 80%)" mb={32} />
      <Skeleton height={36} mb={12} />
      {[1, 2, 3, 4, 5, 6].map((row) => (
        <Skeleton key={row} height={44} mb={6} />
      ))}
    </div>
  );
}
